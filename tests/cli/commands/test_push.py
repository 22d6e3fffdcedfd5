"""`breakbulk push` and `pull`, and environments of a hub wherever a directory can stand: own sources, no network."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., object]
MANIFEST = """\
# the tool of the team
[install]
tool = { path = "./tool" }

[services]
clock.command = "sleep 1000"

[options]
base = "none"
systems = ["x86_64-linux", "aarch64-linux"]
"""


@pytest.fixture
def tool(project: Path) -> Path:
    """A project with a source of its own, in the current directory."""
    (project / "tool").mkdir()
    (project / "tool" / "data").write_text("one\n")
    (project / "breakbulk.toml").write_text(MANIFEST)
    return project


@pytest.fixture
def elsewhere(tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, which becomes the current one when this is called."""
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    return directory


def test_push_prints_number_digest_bytes_and_what_to_do_next(call: Call, tool: Path) -> None:
    first = call("push", "ada/tool", "--message", "the first")
    assert first.code == 0
    assert first.out.startswith("pushed ada/tool:1, sha256:")
    assert "sent in" in first.out
    assert "next: breakbulk run -e ada/tool -- COMMAND" in first.err
    assert "machines of aarch64-linux" in first.err
    (tool / "tool" / "data").write_text("two\n")
    document = call("push", "--json", "-m", "the second").document
    assert (document["generation"], document["new"], document["message"]) == (2, True, "the second")
    assert document["bytes_sent"] > 0
    assert document["digest"].startswith("sha256:")


def test_pushing_the_same_again_says_so_and_succeeds(call: Call, tool: Path) -> None:
    call("push", "ada/tool")
    again = call("push", "ada/tool", "-m", "once more")
    assert again.code == 0
    assert again.out.startswith("ada/tool:1 is that already")
    assert "the message was not recorded" in again.err
    assert call("push", "ada/tool", "--force").out.startswith("pushed ada/tool:2")


def test_the_history_says_who_typed_what(call: Call, tool: Path) -> None:
    call("push", "ada/tool", "-m", "the first", USER="ada", LOGNAME="ada")
    [change] = call("history", "ada/tool", "--json").document["changes"]
    assert change["author"] == "ada"
    assert change["command"] == "breakbulk push ada/tool -m 'the first'"
    assert change["message"] == "the first"


@pytest.mark.parametrize(
    ("words", "code", "identifier"),
    [
        (("push",), 2, "push-unnamed"),
        (("push", "ada/tool:3"), 2, "reference-pinned"),
        (("push", "Ada/Tool"), 2, "reference-invalid"),
        (("push", "../tool"), 2, "reference-invalid"),
        (("pull",), 2, "pull-unnamed"),
        (("pull", "ada/none"), 72, "environment-unknown"),
    ],
)
def test_what_cannot_be_done_is_named(
    call: Call, tool: Path, words: tuple[str, ...], code: int, identifier: str
) -> None:
    outcome = call(*words, "--json")
    assert (outcome.code, outcome.document["error"]) == (code, identifier)
    assert outcome.document["hint"]


def test_a_name_that_cannot_be_is_told_before_anything_is_looked_for(call: Call, project: Path) -> None:
    refused = call("push", "Kim/Lab", "--json")
    assert (refused.code, refused.document["error"]) == (2, "reference-invalid")
    assert call("push", "kim/lab", "--json").document["error"] == "manifest-not-found"


def test_what_shows_an_environment_shows_one_of_a_hub(
    call: Call, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("push", "ada/tool")
    monkeypatch.chdir(elsewhere)
    listed = call("list", "-e", "ada/tool", "--json").document
    assert listed["manifest"] == "ada/tool:1"
    assert [package["name"] for package in listed["packages"]] == ["tool"]
    assert "install.tool" in call("explain", "-e", "ada/tool:1", "tool").out
    assert call("realise", "-e", "ada/tool", "--json").document["packages"] == 1
    assert Path(call("store", "path", "-e", "ada/tool", "tool").out.strip()).is_dir()
    status = call("services", "status", "-e", "ada/tool", "--json").document["services"]
    assert [service["state"] for service in status] == ["stopped"]
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("words", [("install", "deb:jq"), ("uninstall", "tool"), ("lock",), ("edit",), ("push", "a/b")])
def test_what_changes_an_environment_says_that_it_has_to_be_pulled(
    call: Call, tool: Path, words: tuple[str, ...]
) -> None:
    call("push", "ada/tool")
    outcome = call(words[0], "-e", "ada/tool:1", *words[1:], "--json")
    assert (outcome.code, outcome.document["error"]) == (2, "environment-on-hub")
    assert "breakbulk pull ada/tool:1" in outcome.document["hint"]


def test_a_mistyped_directory_is_not_the_project_above(call: Call, process: Call, tool: Path) -> None:
    call("lock")
    (tool / "below").mkdir()
    assert call("list", "-e", "below").code == 0
    assert call("list", "-e", "absent", "--json").document["error"] == "directory-missing"
    assert process("run", "-e", "absent", "true", cwd=tool).code == 72
    assert process("run", "-e", str(tool / "absent"), "true", cwd=tool).code == 72


def test_pull_writes_what_runs_and_goes_on_from_there(
    call: Call, tool: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("push", "ada/tool")
    pulled = call("pull", "ada/tool", "--into", elsewhere / "copy")
    assert pulled.code == 0
    assert pulled.out.startswith("pulled ada/tool:1: breakbulk.toml, breakbulk.lock; 1 package ready")
    assert "the source of tool is not pulled" in pulled.err
    assert (elsewhere / "copy" / "breakbulk.toml").read_text() == MANIFEST
    monkeypatch.chdir(elsewhere / "copy")
    assert call("lock", "--check").code == 0
    assert "nothing new" in call("pull").out
    assert call("pull", "ada/tool", "--json", "--no-realise").document["packages"] is None
    (elsewhere / "copy" / "breakbulk.toml").write_text("# mine\n")
    refused = call("pull", "--json")
    assert (refused.code, refused.document["error"]) == (2, "pull-would-overwrite")
    assert call("pull", "--force").code == 0


def test_an_included_environment_is_moved_by_its_name(
    call: Call, tool: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("push", "ada/tool")
    monkeypatch.chdir(elsewhere)
    (elsewhere / "breakbulk.toml").write_text('[include]\nenvironments = ["ada/tool"]\n')
    assert call("lock").code == 0
    (tool / "tool" / "data").write_text("two\n")
    call("push", "-e", tool)
    assert call("lock", "--check").code == 0
    assert call("lock", "--upgrade", "ada/tol", "--json").document["error"] == "package-not-locked"
    assert call("lock", "--upgrade", "ada/tool", "--json").document["changed"]
    locked = json.loads((elsewhere / "breakbulk.lock").read_text())
    assert locked["includes"]["ada/tool"]["generation"] == 2


def test_strictly_what_silently_overrides_is_not_pushed(call: Call, tool: Path) -> None:
    (tool / "base").mkdir()
    (tool / "base" / "breakbulk.toml").write_text("[vars]\nPORT = '80'\n")
    text = f"include.environments = [{{ dir = 'base' }}]\n{MANIFEST}\n[vars]\nPORT = '81'\n"
    (tool / "breakbulk.toml").write_text(text)
    assert call("push", "ada/tool", "--strict", "--json").document["error"] == "override-not-allowed"
    assert call("show", "ada/tool", "--json").code != 0
    (tool / "breakbulk.toml").write_text(f"remove = ['vars.PORT']\n{text}")
    assert call("push", "ada/tool", "--strict").code == 0
