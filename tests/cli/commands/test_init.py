from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breakbulk.manifest.reading import read_manifest
from breakbulk.manifest.schema import PypiInstall

Call = Callable[..., Any]


def test_a_new_manifest_is_valid_and_says_what_is_next(call: Call, project: Path) -> None:
    outcome = call("init")
    assert outcome.code == 0
    assert outcome.out == f"wrote {project / 'breakbulk.toml'}\n"
    assert outcome.err == "next: breakbulk install pypi:rich deb:jq\n"
    manifest = read_manifest(project / "breakbulk.toml")
    assert manifest.install == {}
    assert manifest.options.systems == ("x86_64-linux", "aarch64-linux")
    assert (project / "breakbulk.toml").stat().st_mode & 0o777 == 0o644


def test_the_suite_is_chosen(call: Call, project: Path) -> None:
    call("init", "--suite", "trixie")
    assert read_manifest(project / "breakbulk.toml").options.suite == "trixie"


def test_a_manifest_is_never_overwritten(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text("# mine\n")
    outcome = call("init", "--json")
    assert (outcome.code, outcome.document["error"]) == (2, "manifest-exists")
    assert (project / "breakbulk.toml").read_text() == "# mine\n"


def test_requirements_are_taken_over(call: Call, project: Path) -> None:
    (project / "requirements.txt").write_text("rich>=13\n")
    outcome = call("init", "--from", "requirements.txt", "--json")
    assert outcome.document == {"manifest": str(project / "breakbulk.toml"), "from": "requirements.txt"}
    [install] = read_manifest(project / "breakbulk.toml").install.values()
    assert isinstance(install, PypiInstall)
    assert install.pypi.startswith("rich")


def test_a_project_is_taken_over_in_another_directory(call: Call, project: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    assert call("init", "-e", tmp_path / "other", "--from", tmp_path / "other" / "pyproject.toml").code == 0
    assert read_manifest(tmp_path / "other" / "breakbulk.toml").install


def test_a_flox_environment_is_taken_over(call: Call, project: Path) -> None:
    (project / ".flox" / "env").mkdir(parents=True)
    (project / ".flox" / "env" / "manifest.toml").write_text('version = 1\n[install]\njq.pkg-path = "jq"\n')
    assert call("init", "--from", ".flox").code == 0
    assert "jq" in read_manifest(project / "breakbulk.toml").install


@pytest.mark.parametrize(
    ("source", "error", "code"),
    [
        ("missing.txt", "import-not-found", 72),
        ("Dockerfile", "import-unsupported", 2),
        ("../requirements.txt", "import-elsewhere", 2),
    ],
)
def test_what_cannot_be_taken_over_is_refused(call: Call, project: Path, source: str, error: str, code: int) -> None:
    outcome = call("init", "--from", source, "--json")
    assert (outcome.code, outcome.document["error"]) == (code, error)
    assert not (project / "breakbulk.toml").exists()


def test_a_directory_must_exist(call: Call, tmp_path: Path) -> None:
    assert call("init", "-e", tmp_path / "none", "--json").document["error"] == "directory-missing"


def test_a_directory_that_cannot_be_written_is_an_error(call: Call) -> None:
    outcome = call("init", "-e", "/proc/self", "--json")
    assert (outcome.code, outcome.document["error"]) == (65, "manifest-not-writable")
