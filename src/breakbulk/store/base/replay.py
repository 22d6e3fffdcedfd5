"""Walk the maintainer scripts of all Debian packages as for a first installation; collect what they would have done.

The world that `shell_evaluation` talks to: files of the packages and those made so far answer its questions, programs
that change files change the additions, and every invocation is kept for the contributors (`accounts`, `alternatives`,
`diversions`, ...). Scripts are called as dpkg does it: `preinst install`, then `postinst configure ""` (Debian policy,
6.5). Scripts that are not shell, or cannot be read, are left out and named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from breakbulk.store.base.effects import FileEffects
from breakbulk.store.base.shell_evaluation import evaluate
from breakbulk.store.base.shell_state import Invocation, Outcome, State
from breakbulk.store.base.shell_syntax import ShellSyntaxError, parse

if TYPE_CHECKING:
    from breakbulk.ecosystems.interface import DebFacts
    from breakbulk.store.base.additions import Additions
    from breakbulk.store.base.facts import Facts

__all__ = ["Called", "Replay", "replay"]

_CALLS = (("preinst", ("install",)), ("postinst", ("configure", "")))
_SHELL = re.compile(r"#! ?/(usr/)?bin/(env )?(sh|bash|dash)\b")
_KEPT = frozenset(
    {
        "add-shell",
        "addgroup",
        "adduser",
        "dpkg-divert",
        "gpasswd",
        "groupadd",
        "update-alternatives",
        "useradd",
        "usermod",
    }
)


class Called(msgspec.Struct, frozen=True):
    """A program that a package's script would have called."""

    package: str
    invocation: Invocation


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What the scripts would have called that contributors care for, and which scripts could not be read, and why."""

    called: tuple[Called, ...]
    unread: dict[str, str]

    def of(self, *programs: str) -> list[tuple[str, Invocation]]:
        """Return (package, invocation) of these programs, in the order of the calls."""
        return [(each.package, each.invocation) for each in self.called if _program(each.invocation) in programs]


class _World:
    """Files of packages and additions, and a notebook."""

    def __init__(self, facts: Facts, additions: Additions) -> None:
        self._facts = facts
        self._files = FileEffects(facts, additions)
        self.package = ""
        self.called: list[Called] = []

    def kind(self, path: str, *, follow: bool = True) -> Literal["file", "link", "directory"] | None:
        return self._files.kind(path, follow=follow)

    def text(self, path: str) -> str | None:
        return self._files.text(path)

    def matches(self, pattern: str) -> list[str]:
        return self._facts.matches(pattern)

    def execute(self, invocation: Invocation) -> Outcome:
        if _program(invocation) in _KEPT:
            self.called.append(Called(self.package, invocation))
        return self._files.apply(invocation)


def replay(facts: Facts, additions: Additions) -> Replay:
    """Walk all scripts; files go to `additions`, the rest is returned."""
    world = _World(facts, additions)
    unread: dict[str, str] = {}
    for script, arguments in _CALLS:
        for member, deb in facts.debs:
            world.package = member.name
            why = _walk(script, arguments, deb, facts.architecture, world)
            if why:
                unread[f"{member.name}.{script}"] = why
    return Replay(called=tuple(world.called), unread=unread)


def _walk(script: str, arguments: tuple[str, ...], deb: DebFacts, architecture: str, world: _World) -> str | None:
    """Walk one script if the package has it; return why it cannot be read, or None."""
    text = deb.scripts.get(script)
    if not text:
        return None
    if not _SHELL.match(text):
        return "not a shell script"
    try:
        tree = parse(text)
    except ShellSyntaxError as error:
        return str(error)
    variables = {
        "DPKG_MAINTSCRIPT_PACKAGE": world.package,
        "DPKG_MAINTSCRIPT_NAME": script,
        "DPKG_MAINTSCRIPT_ARCH": architecture,
        "DPKG_ADMINDIR": "/var/lib/dpkg",
        "DPKG_ROOT": "",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    evaluate(tree, State(variables, arguments, world, templates=_defaults(deb.scripts.get("templates", ""))))
    return None


def _defaults(templates: str) -> dict[str, str]:
    """Return the defaults of debconf questions: what db_get(1) gives when nobody is asked."""
    found: dict[str, str] = {}
    name = ""
    for line in templates.splitlines():
        field, _, value = line.partition(":")
        if field == "Template":
            name = value.strip()
            found[name] = ""
        elif field == "Default":
            found[name] = value.strip()
    return found


def _program(invocation: Invocation) -> str:
    return invocation.words[0].rpartition("/")[2] if invocation.words else ""
