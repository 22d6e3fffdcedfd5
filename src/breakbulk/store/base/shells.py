"""The list of login shells, /etc/shells (shells(5)), as update-shells(8) and add-shell(8) make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakbulk.store.base.shell_state import is_known

if TYPE_CHECKING:
    from breakbulk.store.base.additions import Additions
    from breakbulk.store.base.facts import Facts
    from breakbulk.store.base.replay import Replay

__all__ = ["add_shells"]

_HEAD = "# /etc/shells: valid login shells\n"


def add_shells(facts: Facts, replayed: Replay, additions: Additions) -> None:
    """Add /etc/shells with every shell that is there and that a package declares, each below /bin and /usr/bin."""
    declared = {"/bin/sh"}
    for path in facts.below("usr/share/debianutils/shells.d"):
        lines = (line.partition("#")[0].strip() for line in (facts.text(f"/{path}") or "").splitlines())
        declared.update(filter(None, lines))
    for _, invocation in replayed.of("add-shell"):
        declared.update(word for word in invocation.words[1:] if word.startswith("/") and is_known(word))
    both = {place for shell in declared for place in _places(shell)}
    present = [shell for shell in sorted(both) if facts.kind(shell)]
    additions.file("etc/shells", _HEAD + "".join(f"{shell}\n" for shell in present))


def _places(shell: str) -> tuple[str, str]:
    """Return both names that a shell has on a merged-/usr system."""
    name = shell.removeprefix("/usr")
    return name, f"/usr{name}"
