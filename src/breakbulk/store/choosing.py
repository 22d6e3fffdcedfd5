"""Which tree of each package an environment runs: the one made from its archive, or the one its pusher vouches for.

A tree that was made here from the archive that the lock names is anybody's, so it is taken wherever it is. What
somebody vouches for is believed by the environments that this somebody pushes, and by no other: it has a directory of
its own (`layout.directory_name`). Python that somebody vouches for compiles nothing, as what is compiled from archives
is for everybody. Counterparts: `offers`, which are the vouching, and `production`, which makes what is absent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from breakbulk.lock.model import Package, Python
from breakbulk.store.layout import vouched_name
from breakbulk.store.offers import Offers

__all__ = ["Choosing"]


class Choosing:
    """The packages of one environment.

    Args:
        packages: As locked, by the names of the trees that their archives become.
        python: Whose bytecode is compiled, None when nothing is.
        offers: What its pusher vouches for.

    """

    def __init__(self, packages: Mapping[str, Package], python: Python | None, offers: Offers) -> None:
        self._packages = packages
        self._python = python
        self._offers = offers

    def choose(self, present: Collection[str]) -> dict[str, Package]:
        """Return the packages by their directories, given which of those there are; the same until an offer fails."""
        believed = {name: digest for name in self._packages if (digest := self._vouched(name, present))}
        missing = [self._packages[name] for name in self._packages if name not in present and name not in believed]
        compiling = self._compiling(missing)
        return dict(
            _tree(name, package, None if package.id in compiling else believed.get(name))
            for name, package in self._packages.items()
        )

    def _vouched(self, name: str, present: Collection[str]) -> str | None:
        """Return the digest of the tree that is believed, None where the archive's is there or there is no offer."""
        offer = None if name in present else self._offers.of(name, self._packages[name])
        if offer is None:
            return None
        return offer.tree if self._offers.answered or vouched_name(name, offer.tree) in present else None

    def _compiling(self, from_archives: Collection[Package]) -> frozenset[str]:
        """Return the ids of the packages that the Python consists of which compiles what comes from archives."""
        if self._python is None or not any(package.python for package in from_archives):
            return frozenset()
        from breakbulk.store.bytecode import interpreter_closure

        return frozenset(package.id for package in interpreter_closure(list(self._packages.values()), self._python))


def _tree(name: str, package: Package, digest: str | None) -> tuple[str, Package]:
    if digest is None:
        return name, package
    return vouched_name(name, digest), msgspec.structs.replace(package, vouched=digest)
