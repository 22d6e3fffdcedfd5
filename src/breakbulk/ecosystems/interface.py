"""What an ecosystem is to the rest of Breakbulk: resolve, locate, unpack.

Each ecosystem is one module or package beside this file. `resolving` asks all of them for the packages of a manifest;
the store asks for the places where an archive may be had, and to unpack it. An ecosystem never writes outside the
directories it is handed, never trusts a byte whose digest has not been compared, and names the archive in every error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import Install, Options
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.ecosystems.hub.catalogue import Catalogue
    from breakbulk.ecosystems.source.making import Made

__all__ = [
    "Alternative",
    "Content",
    "DebFacts",
    "Diversion",
    "Ecosystem",
    "Entry",
    "LocalWheel",
    "Location",
    "Request",
    "Resolution",
    "Sdist",
    "Unpacked",
    "WheelBuilder",
]


class LocalWheel(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel made from the user's own source: `requirement` (`name` or `name[extra]`), the file, the install id."""

    requirement: str
    path: Path
    install: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be resolved for one system.

    Attributes:
        system: `x86_64-linux` or `aarch64-linux`.
        installs: The manifest's descriptors of this ecosystem that apply to the system, by install id.
        options: The composed manifest's options.
        directory: Where the manifest is; relative paths start here.
        python: The interpreter of this system, once it is known (None when the environment has none).
        locked: The packages of this system in the lock so far; each is kept unless something forces it to move.
        upgrade: Names to move to their newest (install ids or package names); None keeps all, empty moves all.
        local: For `pypi`: wheels of own sources. What they need is resolved with everything else; each comes back as
            a package whose `dependencies` the caller takes over.
        kept: For `source`: what is not here, by install id, and the package that it stays; None where there is none
            for the system.
        catalogue: For `hub`: what there is; None where there is no hub to ask.

    """

    system: str
    installs: Mapping[str, Install]
    options: Options
    directory: Path
    python: Python | None = None
    locked: tuple[Package, ...] = ()
    upgrade: frozenset[str] | None = None
    local: tuple[LocalWheel, ...] = ()
    kept: Mapping[str, Package | None] = {}
    catalogue: Catalogue | None = None


class Sdist(msgspec.Struct, frozen=True, kw_only=True):
    """The source archive of a Python distribution, verified: normalised name, version, digest, and where it is here."""

    name: str
    version: str
    file: str
    sha256: str
    path: Path


class WheelBuilder(Protocol):
    """Builds the wheels of distributions that have none. Asked from several threads."""

    def build(self, sdist: Sdist, python: Python, tools: Mapping[str, Install], options: Options) -> Made:
        """Return the wheel of `sdist` for `python`, kept among the archives made here.

        `tools` are Debian packages that the build has beside a compiler. Raises `BuildError` `sdist-build-failed`.
        """


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """The packages that satisfy a request, `why` and `dependencies` filled in, and what the user should know.

    `installs`, of `hub`: what its packages need of other ecosystems, by ids such as `@hub:NAME/pandas`.
    """

    packages: tuple[Package, ...]
    notes: tuple[str, ...] = ()
    installs: Mapping[str, Install] = {}


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place where an archive may be had: an address, headers that authorise (never logged), or a file here."""

    url: str | None = None
    path: Path | None = None
    headers: Mapping[str, str] = {}


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One path of an unpacked tree. There are tens of thousands, and none refers to another: no garbage to look for.

    `content` tells equal entries from different ones: SHA-256 of a file, target of a symbolic link, "" of a directory.
    `mode` holds permission bits with setuid, setgid and sticky, as the archive has them. So do `uid`, `gid` and
    `capability` (the value of `security.capability`), where owners are kept at all: whether they reach the disk depends
    on who unpacks, what the archive says does not.
    """

    kind: Literal["file", "link", "directory"]
    mode: int
    content: str
    size: int = 0
    uid: int = 0
    gid: int = 0
    capability: bytes | None = None


Content = dict[str, Entry]
"""A tree by relative path, without a leading slash."""


class Alternative(msgspec.Struct, frozen=True, array_like=True):
    """What a maintainer script would have told update-alternatives(1): `link` (/usr/bin/awk) to `path`, `priority`."""

    name: str
    link: str
    path: str
    priority: int
    slaves: tuple[tuple[str, str, str], ...] = ()
    """(name, link, path) of each follower."""


class Diversion(msgspec.Struct, frozen=True, array_like=True):
    """What a maintainer script would have told dpkg-divert(1): others' `path` is found at `target`."""

    path: str
    target: str


class DebFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a Debian package says beyond its files: needed to make the base package, as its scripts do not run.

    `control` is the control paragraph as text (for /var/lib/dpkg/status.d); `scripts` the maintainer scripts and other
    control members by name, as text; `md5sums` is the member of that name.
    """

    control: str
    scripts: dict[str, str] = {}
    md5sums: str = ""


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """What unpacking an archive gave, besides the tree itself.

    `bytecode` lists the Python sources (relative paths) whose bytecode the store compiles into the tree.
    """

    content: Content
    deb: DebFacts | None = None
    bytecode: tuple[str, ...] = ()


class Ecosystem(Protocol):
    """One kind of package."""

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:
        """Return the packages that satisfy `request`; raise `ResolutionError` that says who asks for what."""

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterable[Location]:
        """Yield the places where the archive may be had, best first.

        `install` is the manifest's descriptor named by `package.source`.
        """

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack a verified archive into the empty directory `into`.

        Runs in a worker process, so arguments and result can be pickled. Raises `ArchiveError` for what must not be
        unpacked.
        """
