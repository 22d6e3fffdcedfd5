"""The lock as values: per system the exact packages of an environment.

A lock is a function of the manifest, the sources it names and the indices of one moment: no host, no time, no path of a
machine is in it, and equal inputs give equal bytes. `files` reads and writes it, `differences` compares two.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "LOCK_VERSION",
    "EcosystemName",
    "Lock",
    "LockedInclude",
    "LockedSystem",
    "Package",
    "Python",
    "Variant",
    "package_id",
]

LOCK_VERSION = 1
EcosystemName = Literal["pypi", "deb", "nix", "source", "archive", "hub"]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True, omit_defaults=True):
    pass


class Variant(_Entry, frozen=True, kw_only=True):
    """The archive of a package for machines of one level of x86-64 or higher; fields as in `Package`."""

    cpu: str
    file: str
    size: int
    sha256: str
    tree: str | None = None


class Package(_Entry, frozen=True, kw_only=True):
    """One archive, and the tree it becomes.

    Attributes:
        ecosystem: Which module of `breakbulk.ecosystems` knows how to fetch and unpack it.
        name: Normalised as the ecosystem does it (PEP 503 for `pypi`, the Debian name, the install id otherwise).
        version: The ecosystem's own spelling; a commit or tree digest for sources without one.
        file: The archive's file name (`pypi`, `source`, `archive`), or its path below the root of a Debian archive
            (`pool/main/j/jq/jq_1.6-2.1_amd64.deb`).
        size: Of the archive, in bytes.
        sha256: Of the archive, 64 lowercase hexadecimal digits.
        dependencies: Package ids (`deb:libc6`) of the packages in this system that it needs directly, sorted.
        license: An SPDX expression where the archive's metadata has one or it can be derived, else its words, else
            None.
        purl: https://github.com/package-url/purl-spec
        why: What it is there for, sorted: `install.ID` for what the manifest asks for, package ids of the packages
            that need it, `base` for what every environment has, `python` for the interpreter.
        python: Tag of the Python whose bytecode is part of the tree (`cpython-311`), None when it has none.
        suite: Suite of a Debian package (`bookworm-security`).
        source: Install id in the manifest that says where the archive comes from, when no index does.
        tree: Digest of the source files from which Breakbulk made the archive (`path` and `git` sources).
        rev: Git commit of a `git` source.
        strip: Leading path components dropped when unpacking.
        destination: Where a tree that is not a wheel is put, absolute.
        priority: Of two packages that own one path the one with the lower number wins; equal numbers conflict.
        cpu: Level of x86-64 that the archive needs (`x86_64-v3`), None for any machine of the system.
        variants: Archives of the same package for higher levels, lowest first (`variants.chosen`).
        vouched: Of what is being realised: digest of the tree that whoever pushed the environment vouches for. Never
            in a lock (`files`).

    """

    ecosystem: EcosystemName
    name: str
    version: str
    file: str
    size: int
    sha256: str
    purl: str
    dependencies: tuple[str, ...] = ()
    license: str | None = None
    why: tuple[str, ...] = ()
    python: str | None = None
    suite: str | None = None
    source: str | None = None
    tree: str | None = None
    rev: str | None = None
    strip: int = 0
    destination: str | None = None
    priority: int = 5
    cpu: str | None = None
    variants: tuple[Variant, ...] = ()
    vouched: str | None = None

    @property
    def id(self) -> str:
        """The package's name in `dependencies` and `why`: `ecosystem:name`."""
        return package_id(self.ecosystem, self.name)


class Python(_Entry, frozen=True, kw_only=True):
    """The interpreter of a system: `version` such as 3.11, `tag` such as `cpython-311`, and the package with it."""

    version: str
    tag: str
    package: str


class LockedSystem(_Entry, frozen=True, kw_only=True):
    """The packages of one system, sorted by ecosystem and name."""

    packages: tuple[Package, ...]
    python: Python | None = None


class LockedInclude(_Entry, frozen=True, kw_only=True):
    """What an included environment of a hub was when it was locked: its generation, and the digest that counts."""

    generation: int
    digest: str


class Lock(_Entry, frozen=True, kw_only=True):
    """A whole lock.

    Attributes:
        lock_version: Of this format.
        manifest: The composed manifest as JSON values: a lock alone is enough to run the environment.
        inputs: SHA-256 of every file that the manifest names and that decides the resolution (constraints).
        systems: By system name (`x86_64-linux`).
        includes: What the manifest includes from a hub, by the reference in it (`owner/base`, `owner/base:3`).

    """

    lock_version: int
    manifest: dict[str, Any]
    systems: dict[str, LockedSystem]
    inputs: dict[str, str] = {}
    includes: dict[str, LockedInclude] = {}


def package_id(ecosystem: str, name: str) -> str:
    """Return `ecosystem:name`."""
    return f"{ecosystem}:{name}"
