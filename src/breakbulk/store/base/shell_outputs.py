"""What programs print that maintainer scripts ask: architecture, vendor, parts of path names.

Only what is certain for a first installation; anything else is `UNKNOWN`. Counterpart of `shell_evaluation`.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from breakbulk.store.base.shell_state import UNKNOWN, State, World, is_known

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TEMPORARY", "find_program", "printed"]

TEMPORARY = "/tmp/breakbulk-"  # noqa: S108 - a name in the world of the script, not on this machine

_PROGRAM_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_ALWAYS_THERE = frozenset({"dpkg", "dpkg-divert", "dpkg-statoverride", "dpkg-query", "update-alternatives", "adduser"})
"""Programs on which maintainer scripts may rely, though an environment need not have them."""


def find_program(name: str, world: World) -> str | None:
    """Return where a program is, as `command -v` does."""
    for directory in _PROGRAM_DIRECTORIES:
        if world.kind(path := f"{directory}/{name}") == "file":
            return path
    return f"/usr/bin/{name}" if name in _ALWAYS_THERE else None


def printed(words: Sequence[str], state: State) -> str:
    """Return what a program prints, `UNKNOWN` when that cannot be told."""
    if not words or not is_known(*words):
        return UNKNOWN
    name, *arguments = words
    world = state.world
    architecture = state.variables.get("DPKG_MAINTSCRIPT_ARCH", UNKNOWN)
    match name, arguments:
        case "echo", _:
            return " ".join(argument for argument in arguments if argument not in ("-n", "-e"))
        case "printf", [template]:
            return template
        case "printf", ["%s" | "%s\\n", value]:
            return value
        case "basename", [path, *suffix]:
            return posixpath.basename(path.rstrip("/")).removesuffix(*suffix[:1] or ("",))
        case "dirname", [path]:
            return posixpath.dirname(path) or "."
        case "cat", [path]:
            return world.text(path) or ""
        case "dpkg", ["--print-architecture"]:
            return architecture
        case "dpkg-vendor", ["--query", _]:
            return "Debian"
        case "dpkg-divert", ["--truename", path]:
            return path
        case ("dpkg-divert", ["--listpackage", *_]) | ("update-alternatives", ["--list" | "--query" | "--display", *_]):
            return ""
        case "dpkg-realpath", [*_, path]:
            return path
        case "mktemp", _:
            return f"{TEMPORARY}{next(state.temporaries)}"
        case "uname", ["-s"]:
            return "Linux"
        case ("which", [*_, program]) | ("command", ["-v", program]):
            return find_program(program, world) or ""
        case _:
            return UNKNOWN
