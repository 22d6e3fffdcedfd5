from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
EMPTY = '[options]\nbase = "none"\n'


def test_a_lock_is_written_once(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text(EMPTY)
    first = call("lock")
    assert first.code == 0
    assert "locked x86_64-linux: 0 packages" in first.out
    assert call("lock").out == "the lock is up to date\n"
    assert call("lock", "--json").document["changed"] is False
    assert call("lock", "--quiet").out == ""


def test_check_writes_nothing_and_fails_when_the_manifest_has_changed(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text(EMPTY)
    missing = call("lock", "--check", "--json")
    assert (missing.code, missing.document["error"]) == (66, "lock-outdated")
    assert not (project / "breakbulk.lock").exists()
    call("lock")
    assert call("lock", "--check").out == "the lock is up to date\n"
    (project / "breakbulk.toml").write_text(EMPTY + '[vars]\nA = "1"\n')
    assert call("lock", "--check").code == 66


def test_a_lock_edited_by_hand_is_noticed(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text(EMPTY)
    call("lock")
    lock = project / "breakbulk.lock"
    lock.write_text(lock.read_text().replace('"base": "none"', '"base": "minimal"'))
    assert call("lock", "--check", "--json").document["error"] == "lock-edited"
    assert call("lock").code == 0
    assert call("lock", "--check").code == 0


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("pandas",), "usage"),
        (("--check", "--upgrade"), "usage"),
        (("--upgrade", "pandas"), "package-not-locked"),
    ],
)
def test_impossible_wishes_are_refused(call: Call, project: Path, argv: tuple[str, ...], error: str) -> None:
    (project / "breakbulk.toml").write_text(EMPTY)
    assert call("lock", "--json", *argv).document["error"] == error
