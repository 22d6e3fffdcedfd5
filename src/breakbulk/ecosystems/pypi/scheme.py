"""Where the members of a wheel are installed.

One answer for both who need it: `wheels`, which unpacks, and `listing`, which says at lock time which paths a wheel
will own. Debian's Python looks for distributions in `/usr/local/lib/pythonX.Y/dist-packages`; scripts, headers and
data go below `/usr/local` as Debian's `posix_local` scheme has it. Pure.

Format: https://packaging.python.org/specifications/binary-distribution-format/ (the .data directory);
https://packaging.python.org/specifications/entry-points/
"""

from __future__ import annotations

import configparser
from collections.abc import Collection, Iterable

import msgspec
from installer.scripts import Script
from installer.utils import parse_entrypoints
from packaging.utils import canonicalize_name

__all__ = [
    "DistInfoError",
    "Launcher",
    "Scheme",
    "dist_info_directory",
    "launchers",
    "made_by_installation",
    "scheme_of",
]


class DistInfoError(ValueError):
    """Says why an archive is no wheel of the distribution it should be."""


class Launcher(msgspec.Struct, frozen=True):
    """A program that an entry point asks for: its name in `/usr/local/bin` and its text."""

    name: str
    text: bytes


class Scheme(msgspec.Struct, frozen=True):
    """Installation of one wheel for one Python.

    Attributes:
        python: The minor version, such as 3.11.
        distribution: The name in the wheel's `.dist-info`, which names the directory of headers.
        data: The wheel's `.data` directory.

    """

    python: str
    distribution: str
    data: str

    @property
    def packages(self) -> str:
        """The directory of importable modules, relative to the root."""
        return f"usr/local/lib/python{self.python}/dist-packages"

    @property
    def interpreter(self) -> str:
        """The program that scripts start with."""
        return f"/usr/bin/python{self.python}"

    def path(self, member: str) -> str:
        """Return the relative path of a member; raise `DistInfoError` for a kind of data that does not exist."""
        if not member.startswith(f"{self.data}/"):
            return f"{self.packages}/{member}"
        kind, _, rest = member[len(self.data) + 1 :].partition("/")
        directory = {
            "purelib": self.packages,
            "platlib": self.packages,
            "scripts": "usr/local/bin",
            "headers": f"usr/local/include/python{self.python}/{self.distribution}",
            "data": "usr/local",
        }.get(kind)
        if directory is None or not rest:
            raise DistInfoError(f"{member} is no kind of data that wheels have")
        return f"{directory}/{rest}"

    def is_script(self, member: str) -> bool:
        """Return whether a member is a program, whose `#!python` line is to name the interpreter."""
        return member.startswith(f"{self.data}/scripts/")


def made_by_installation(members: Collection[str], dist_info: str, scripts: Iterable[str]) -> set[str]:
    """Return the members that are not installed, as installation makes its own.

    These are RECORD and its signatures, INSTALLER, programs whose name an entry point has (`scripts`), and bytecode of
    sources that are there: pip replaces them, too.
    """
    stem = dist_info.removesuffix(".dist-info")
    made = {f"{dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER")}
    made |= {f"{stem}.data/scripts/{name}" for name in scripts}
    bytecode = (member for member in members if member.endswith(".pyc") and "__pycache__/" in member)
    return (made & set(members)) | {member for member in bytecode if _source(member) in members}


def _source(bytecode: str) -> str:
    directory, _, name = bytecode.rpartition("__pycache__/")
    return f"{directory}{name.partition('.')[0]}.py"


def dist_info_directory(members: Iterable[str], name: str) -> str:
    """Return the `.dist-info` directory of the distribution `name` (normalised); raise `DistInfoError`."""
    found = {top for member in members if (top := member.partition("/")[0]).endswith(".dist-info")}
    if len(found) != 1:
        raise DistInfoError(f"it has {len(found)} .dist-info directories instead of one")
    directory = found.pop()
    distribution = directory.removesuffix(".dist-info").rpartition("-")[0]
    if canonicalize_name(distribution) != name:
        raise DistInfoError(f"it says that it is {distribution or directory}, not {name}")
    return directory


def scheme_of(dist_info: str, python: str) -> Scheme:
    """Return the scheme of the wheel whose `.dist-info` directory is given."""
    stem = dist_info.removesuffix(".dist-info")
    return Scheme(python=python, distribution=stem.rpartition("-")[0], data=f"{stem}.data")


def launchers(entry_points: str, interpreter: str) -> list[Launcher]:
    """Return the programs of an `entry_points.txt`, sorted by name; raise `DistInfoError` for one that is damaged."""
    found = []
    try:
        for name, module, attribute, section in parse_entrypoints(entry_points):
            if "/" in name or name in {"", ".", ".."} or "\0" in name:
                raise DistInfoError(f"an entry point is named {name!r}")
            found.append(Launcher(*Script(name, module, attribute, section).generate(interpreter, "posix")))
    except DistInfoError:
        raise
    except (AssertionError, ValueError, configparser.Error) as error:
        raise DistInfoError(f"its entry_points.txt cannot be read: {error}") from error
    return sorted(found, key=lambda launcher: launcher.name)
