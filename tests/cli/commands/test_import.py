from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breakbulk.manifest.reading import read_manifest

Call = Callable[..., Any]

DOCKERFILE = "FROM debian:trixie\nRUN apt-get install --no-install-recommends jq\nRUN make\n"


@pytest.fixture
def dockerfile(project: Path) -> Path:
    (project / "Dockerfile").write_text(DOCKERFILE)
    return project / "Dockerfile"


def test_a_dockerfile_becomes_a_manifest_and_a_report(call: Call, project: Path, dockerfile: Path) -> None:
    outcome = call("import", "Dockerfile")
    assert outcome.code == 0
    assert outcome.out.startswith(f"wrote {project / 'breakbulk.toml'}\n\nTaken\n")
    assert "   2  jq  → install.jq" in outcome.out
    assert "Not taken: these are yours to do\n   3  RUN make  → " in outcome.out
    assert outcome.err == "next: breakbulk lock\n"
    assert set(read_manifest(project / "breakbulk.toml").install) == {"jq"}


def test_the_report_as_json(call: Call, project: Path, dockerfile: Path) -> None:
    remarks = call("import", "Dockerfile", "--json").document["remarks"]
    assert [(each["fate"], each["line"]) for each in remarks] == [("taken", 1), ("taken", 2), ("left", 3)]


def test_paths_start_where_the_manifest_goes(call: Call, project: Path, dockerfile: Path) -> None:
    (project / "src").mkdir()
    dockerfile.write_text(DOCKERFILE + "COPY src /srv\nEXPOSE 80\nCMD run\n")
    assert call("import", "Dockerfile", "--into", "new/one", "--name", "site").code == 0
    manifest = read_manifest(project / "new/one/breakbulk.toml")
    assert getattr(manifest.install["srv"], "path", "") == "../../src"
    assert set(manifest.services) == {"site"}


def test_a_manifest_is_replaced_only_by_force(call: Call, project: Path, dockerfile: Path) -> None:
    (project / "breakbulk.toml").write_text("# mine\n")
    outcome = call("import", "Dockerfile", "--json")
    assert (outcome.code, outcome.document["error"]) == (2, "manifest-exists")
    assert (project / "breakbulk.toml").read_text() == "# mine\n"
    assert call("import", "Dockerfile", "--force").code == 0


@pytest.mark.parametrize(
    ("name", "error"), [("absent", "import-not-found"), ("notes.txt", "import-unsupported"), (".", "import-not-found")]
)
def test_what_cannot_be_imported_is_refused(call: Call, project: Path, name: str, error: str) -> None:
    (project / "notes.txt").touch()
    assert call("import", name, "--json").document["error"] == error
    assert not (project / "breakbulk.toml").exists()


def test_only_an_image_is_taken_exactly(call: Call, project: Path, dockerfile: Path) -> None:
    assert call("import", "Dockerfile", "--exact", "--json").code == 2


def test_a_conda_environment_goes_into_a_new_directory(call: Call, project: Path) -> None:
    (project / "environment.yml").write_text("dependencies: [jq]\n")
    outcome = call("import", "environment.yml", "--into", "science")
    assert (outcome.code, outcome.err) == (0, "next: breakbulk lock -e science\n")
    assert set(read_manifest(project / "science/breakbulk.toml").install) == {"jq"}


def test_a_file_that_is_no_image_is_refused(call: Call, project: Path) -> None:
    (project / "x.tar").write_bytes(b"no image")
    assert call("import", "x.tar", "--json").document["error"] == "import-no-image"
