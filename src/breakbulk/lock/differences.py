"""What differs between two locks of one system, for people: packages, bytes, licences."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from breakbulk.lock.model import Lock, Package

__all__ = ["Change", "Difference", "compare", "packages_of"]


class Change(msgspec.Struct, frozen=True):
    """One package before and after; `before` is None for an added one, `after` for a removed one."""

    before: Package | None
    after: Package | None

    @property
    def package(self) -> Package:
        """The package after the change, or before it when it is gone."""
        found = self.after or self.before
        if found is None:
            msg = "a change has a package on at least one side"
            raise ValueError(msg)
        return found

    @property
    def size_bytes(self) -> int:
        """How many bytes of archives more (or, negative, fewer) there are."""
        return (self.after.size if self.after else 0) - (self.before.size if self.before else 0)

    @property
    def licence_changed(self) -> bool:
        """Whether both sides exist and have different licences."""
        return bool(self.before and self.after and self.before.license != self.after.license)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All changes of one system, each tuple sorted by package id.

    `new_bytes` is the size of the archives that the old lock does not have: what a node must fetch. `licences_added`
    are those that no package had before, sorted.
    """

    system: str
    added: tuple[Change, ...] = ()
    removed: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()
    unchanged: int = 0
    new_bytes: int = 0
    licences_added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def size_bytes(self) -> int:
        """How many bytes of archives more (or fewer) the new lock names."""
        return sum(change.size_bytes for change in (*self.added, *self.removed, *self.changed))


def packages_of(lock: Lock | None, system: str) -> dict[str, Package]:
    """Return the packages of `system` by id; none when there is no lock or no such system."""
    if lock is None or system not in lock.systems:
        return {}
    return {package.id: package for package in lock.systems[system].packages}


def compare(old: Lock | None, new: Lock | None, system: str) -> Difference:
    """Return what changes for `system` from `old` to `new`.

    A package whose archive is the same is unchanged, though why it is there may differ.
    """
    before, after = packages_of(old, system), packages_of(new, system)
    changes = [Change(before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())]
    differing = [c for c in changes if not (c.before and c.after and c.before.sha256 == c.after.sha256)]
    held = {package.sha256 for package in before.values()}
    return Difference(
        system=system,
        added=tuple(c for c in differing if c.before is None),
        removed=tuple(c for c in differing if c.after is None),
        changed=tuple(c for c in differing if c.before and c.after),
        unchanged=len(changes) - len(differing),
        new_bytes=sum({p.sha256: p.size for p in after.values() if p.sha256 not in held}.values()),
        licences_added=tuple(sorted(_licences(after) - _licences(before))),
    )


def _licences(packages: Mapping[str, Package]) -> set[str]:
    return {package.license for package in packages.values() if package.license}
