import os
import pty
import select
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
EMPTY = '# mine\n[options]\nbase = "none"\nsystems = ["x86_64-linux", "aarch64-linux"]\n'


@pytest.fixture
def editor(tmp_path: Path) -> Callable[[str], str]:
    """Return an editor, as $EDITOR, that runs a line of shell on "$1"."""

    def make(script: str) -> str:
        program = tmp_path / "an editor"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return f"'{program}'"

    return make


@pytest.fixture
def manifest(project: Path) -> Path:
    path = project / "breakbulk.toml"
    path.write_text(EMPTY)
    path.chmod(0o640)
    return path


def test_what_is_saved_is_locked_and_takes_the_place(call: Call, editor: Call, manifest: Path) -> None:
    outcome = call("edit", "--json", EDITOR=editor('printf \'[vars]\\nA = "1"\\n\' >> "$1"; echo drawn'))
    assert outcome.code == 0
    assert outcome.document["changed"] is True
    assert manifest.read_text() == EMPTY + '[vars]\nA = "1"\n'
    assert manifest.stat().st_mode & 0o777 == 0o640
    assert (manifest.parent / "breakbulk.lock").exists()
    assert "drawn" in outcome.err


def test_visual_comes_before_editor(call: Call, editor: Call, manifest: Path) -> None:
    assert call("edit", VISUAL=editor("exit 0"), EDITOR="/nonexistent").out == "nothing was changed\n"
    assert not (manifest.parent / "breakbulk.lock").exists()


def test_a_wrong_manifest_is_kept_beside_and_refused(call: Call, editor: Call, manifest: Path, tmp_path: Path) -> None:
    outcome = call("edit", "--json", EDITOR=editor("echo '[instal]' >> \"$1\""))
    assert (outcome.code, outcome.document["error"]) == (65, "manifest-unknown-key")
    assert manifest.read_text() == EMPTY
    [kept] = (tmp_path / "cache" / "rejected").iterdir()
    assert kept.read_text() == EMPTY + "[instal]\n"
    assert str(kept) in outcome.document["hint"]


def test_a_broken_manifest_can_be_mended(call: Call, editor: Call, manifest: Path) -> None:
    manifest.write_text("[[[\n")
    assert call("edit", EDITOR=editor(f"printf '{EMPTY}' > \"$1\"")).code == 0
    assert manifest.read_text() == EMPTY


@pytest.mark.parametrize("command", ["/nonexistent/editor", "false"])
def test_an_editor_that_fails_changes_nothing(call: Call, manifest: Path, command: str) -> None:
    outcome = call("edit", "--json", EDITOR=command)
    assert (outcome.code, outcome.document["error"]) == (2, "editor-failed")
    assert manifest.read_text() == EMPTY


def test_on_a_terminal_the_user_may_go_on(spawn: Call, editor: Call, manifest: Path) -> None:
    mended = '[vars]\nB = "2"\n[options]\nbase = "none"\n'
    # The first time the editor spoils the manifest, the second time it mends it.
    script = f"""grep -q instal "$1" && printf '{mended}' > "$1" || echo "[instal]" >> "$1" """
    ours, theirs = pty.openpty()
    with spawn(
        "edit",
        cwd=manifest.parent,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        extra={"EDITOR": editor(script)},
    ) as started:
        os.close(theirs)
        shown = b""
        while b"Edit again?" not in shown:
            assert select.select([ours], [], [], 30)[0]
            shown += os.read(ours, 4096)
        os.write(ours, b"\n")
        started.wait(30)
    os.close(ours)
    assert b"manifest-unknown-key" in shown
    assert started.returncode == 0
    assert manifest.read_text() == mended
