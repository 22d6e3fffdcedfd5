import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changes import ENVIRONMENT, push

from breakbulk.hub.hub import Hub

Call = Callable[..., Any]


@pytest.fixture
def two(locked: Call, package: Call, tmp_path: Path) -> tuple[Path, Path]:
    """Two directories whose locks differ."""
    old = locked(
        "",
        package("jq", "1.6", size=1_000),
        package("git", "2.39", size=9_000_000),
        package("libc6"),
        directory=tmp_path / "old",
    )
    new = locked(
        "",
        package("jq", "1.7", size=3_000, license="CC-BY-3.0"),
        package("curl", size=300_000),
        package("libc6"),
        directory=tmp_path / "new",
    )
    return old, new


def test_two_directories_are_compared(call: Call, two: tuple[Path, Path]) -> None:
    outcome = call("diff", *two)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "+ deb:curl 1.0  300 kB  MIT",
        "- deb:git 2.39  9.0 MB  MIT",
        "~ deb:jq 1.6 → 1.7  +2.0 kB  licence: MIT → CC-BY-3.0",
        "1 added, 1 removed, 1 changed, 1 package unchanged; 303 kB to fetch, -8.7 MB in all",
        "new licences: CC-BY-3.0",
    ]


def test_the_document_has_both_sides(call: Call, two: tuple[Path, Path]) -> None:
    document = call("diff", two[0] / "breakbulk.lock", two[1], "--json").document
    assert [change["id"] for change in document["added"]] == ["deb:curl"]
    assert document["changed"][0]["before"]["version"] == "1.6"
    assert document["new_bytes"] == 303_000
    assert document["licenses_added"] == ["CC-BY-3.0"]


def test_equal_locks_say_so(call: Call, two: tuple[Path, Path]) -> None:
    assert call("diff", two[0], two[0]).out == "no package differs\n"


def test_another_system_can_be_compared(call: Call, two: tuple[Path, Path]) -> None:
    assert call("diff", *two, "--system", "sparc-linux").out == "no package differs\n"


def git(directory: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(directory), *identity, *words], check=True, capture_output=True)


def test_the_lock_is_compared_with_what_was_committed(call: Call, locked: Call, package: Call, project: Path) -> None:
    locked("", package("jq", "1.6"))
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    git(project, "tag", "v1")
    locked("", package("jq", "1.7"))
    assert "~ deb:jq 1.6 → 1.7" in call("diff").out
    assert "~ deb:jq 1.6 → 1.7" in call("diff", "v1").out
    assert call("diff", "HEAD", "v1").out == "no package differs\n"
    outcome = call("diff", "v2")
    assert outcome.code == 72
    assert outcome.err.startswith(
        "error[lock-missing]: 'v2' is neither a lock file, nor a directory, nor a Git revision"
    )


def test_a_revision_is_never_an_option_of_git(call: Call, locked: Call, project: Path) -> None:
    locked("")
    git(project, "init", "-q")
    outcome = call("diff", "--", "--output=stolen")
    assert outcome.code == 72
    assert not list(project.rglob("stolen*"))


def test_a_directory_without_lock_is_an_error(call: Call, project: Path, two: tuple[Path, Path]) -> None:
    (project / "breakbulk.toml").write_text("")
    assert call("diff", two[0]).code == 72
    assert "there is no lock" in call("diff", two[0], project).err


@pytest.fixture
def pushed(hub: Hub) -> Hub:
    """Three generations, of which the second is live."""
    for version in "123":
        push(hub, version)
    return hub


def test_two_generations_on_the_hub_are_compared(call: Call, pushed: Hub, project: Path) -> None:
    assert "~ deb:jq 1 → 3" in call("diff", f"{ENVIRONMENT}:1", f"{ENVIRONMENT}:3", "--system", "x86_64-linux").out
    assert call("diff", f"{ENVIRONMENT}:3", ENVIRONMENT).out == "no package differs\n"


def test_one_environment_of_the_hub_shows_what_its_generation_changed(call: Call, pushed: Hub, project: Path) -> None:
    words = ("--system", "x86_64-linux")
    assert "~ deb:jq 2 → 3" in call("diff", ENVIRONMENT, *words).out
    assert "~ deb:jq 1 → 2" in call("diff", f"{ENVIRONMENT}:2", *words).out
    assert "+ deb:jq 1" in call("diff", f"{ENVIRONMENT}:1", *words).out
    call("rollback", ENVIRONMENT)
    assert "~ deb:jq 3 → 2" in call("diff", ENVIRONMENT, *words).out


def test_a_generation_is_compared_with_a_directory(call: Call, pushed: Hub, locked: Call, package: Call) -> None:
    here = locked("", package("jq", "1.7"))
    assert "1.7" in call("diff", ENVIRONMENT, here).out
    assert call("diff", f"{ENVIRONMENT}:2", ".").code == 0
    assert call("diff", here, f"{ENVIRONMENT}:2").code == 0


def test_a_directory_or_a_revision_of_that_name_goes_before_the_hub(
    call: Call, pushed: Hub, locked: Call, package: Call, project: Path
) -> None:
    locked("", package("jq", "1.6"))
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    git(project, "branch", ENVIRONMENT)
    assert call("diff", ENVIRONMENT).out == "no package differs\n"
    assert "deb:jq 2" in call("diff", f"{ENVIRONMENT}:2", ".", "--system", "x86_64-linux").out
    owner = project / "ada"
    owner.mkdir()
    locked("", package("jq", "1.8"), directory=owner / "tickets")
    assert "~ deb:jq 1.8 → 1.6" in call("diff", ENVIRONMENT).out


def test_what_is_neither_here_nor_on_the_hub_is_an_error(call: Call, pushed: Hub, project: Path) -> None:
    outcome = call("diff", "ada/other")
    assert outcome.code == 72
    assert outcome.err.startswith("error[environment-unknown]: there is no environment ada/other on this hub")
    assert call("diff", f"{ENVIRONMENT}:9").code == 72
