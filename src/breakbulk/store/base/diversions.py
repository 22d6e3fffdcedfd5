"""Diversions that dpkg-divert(1) would have registered: others' `path` is found at `target`.

Packages are unpacked unchanged, so the overlay has both files under the one name; the base package, on top, holds the
diverting package's file there and the diverted one at its target. `diversions_of` also tells the conflict check which
two owners of a path are meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakbulk.ecosystems.interface import DebFacts, Diversion
from breakbulk.store.base.additions import Addition, Additions
from breakbulk.store.base.facts import Facts, Member
from breakbulk.store.base.replay import Replay, replay
from breakbulk.store.base.shell_state import is_known

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["add_diversions", "diversions_of", "parse_divert", "registered"]


def diversions_of(name: str, deb: DebFacts, tree: Path) -> tuple[Diversion, ...]:
    """Return the diversions that one package's scripts register on a first installation."""
    if not any("dpkg-divert" in text for text in deb.scripts.values()):
        return ()
    facts = Facts([Member(name=name, version="", tree=tree, content={}, deb=deb)], "")
    return tuple(diversion for _, diversion in registered(replay(facts, Additions(facts))))


def registered(replayed: Replay) -> list[tuple[str, Diversion]]:
    """Return (package, diversion) of every certain call of dpkg-divert that adds one, each path once."""
    found: dict[str, tuple[str, Diversion]] = {}
    for package, invocation in replayed.of("dpkg-divert"):
        parsed = parse_divert(invocation.words) if invocation.certain else None
        if parsed:
            found.setdefault(parsed[1].path, (parsed[0] or package, parsed[1]))
    return list(found.values())


def parse_divert(words: Sequence[str]) -> tuple[str, Diversion] | None:
    """Return the package (or "") and diversion of a dpkg-divert command line; None when it adds none."""
    values = {"--package": "", "--divert": "", "--add": "", "path": ""}
    expected = ""
    for word in words[1:]:
        option, equals, value = word.partition("=")
        if expected:
            values[expected], expected = word, ""
        elif option in ("--package", "--divert", "--admindir", "--instdir", "--root"):
            values[option], expected = value, "" if equals else option
        elif word in ("--remove", "--list", "--listpackage", "--truename", "--local", "--test"):
            return None
        elif not word.startswith("-"):
            values["path"] = word
    path = values["path"]
    target = values["--divert"] or f"{path}.distrib"
    if not path.startswith("/") or not is_known(path, target, values["--package"]):
        return None
    return values["--package"], Diversion(path, target)


def add_diversions(facts: Facts, replayed: Replay, additions: Additions) -> None:
    """Add the files at both ends of each diversion, and /var/lib/dpkg/diversions (path, target, package per entry)."""
    lines: list[str] = []
    for package, diversion in sorted(registered(replayed), key=lambda pair: pair[1].path):
        lines += [diversion.path, diversion.target, package]
        path, target = facts.at(diversion.path, follow=False), facts.at(diversion.target, follow=False)
        having = [member for member in facts.members if path in member.content]
        own = next((member for member in having if member.name == package), None)
        other = next((member for member in having if member.name != package), None)
        if other:
            additions.add(target, _copy(other, path))
            _add_own(own, path, facts, additions)
    if lines:
        additions.file("var/lib/dpkg/diversions", "\n".join(lines) + "\n")


def _add_own(own: Member | None, path: str, facts: Facts, additions: Additions) -> None:
    """Let the diverting package's file be seen, where another's would hide it."""
    if own and facts.owners[path] is not own:
        additions.add(path, _copy(own, path))


def _copy(member: Member, path: str) -> Addition:
    entry = member.content[path]
    if entry.kind == "link":
        return Addition(kind="link", mode=0o777, target=entry.content)
    return Addition(kind=entry.kind, mode=entry.mode, content=member.tree / path if entry.kind == "file" else b"")
