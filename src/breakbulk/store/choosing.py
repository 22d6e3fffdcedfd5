"""Which tree of each package an environment runs: the one made from its archive, or the one its pusher vouches for.

A tree that was made here from the archive that the lock names is anybody's, so it is taken wherever it is. What
somebody vouches for is believed by the environments that this somebody pushes, and by no other: it has a directory of
its own (`layout.directory_name`). Python that somebody vouches for compiles nothing, as what is compiled from archives
is for everybody. Counterparts: `offers`, which are the vouching, and `production`, which makes what is absent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from breakbulk.lock.model import Package, Python
from breakbulk.store.layout import directory_name
from breakbulk.store.offers import Offers

__all__ = ["Choosing"]


class Choosing:
    """The packages of one environment.

    Args:
        packages: As locked.
        python: Whose bytecode is compiled, None when nothing is.
        offers: What its pusher vouches for.

    """

    def __init__(self, packages: Sequence[Package], python: Python | None, offers: Offers) -> None:
        self._packages = packages
        self._python = python
        self._offers = offers

    def choose(self, present: Collection[str]) -> dict[str, Package]:
        """Return the packages by their directories, given which of those there are; the same until an offer fails."""
        chosen = [self._tree_of(package, present) for package in self._packages]
        compiling = self._compiling(chosen, present)
        return {
            directory_name(package): package
            for package in (_from_archive(each) if each.id in compiling else each for each in chosen)
        }

    def _tree_of(self, package: Package, present: Collection[str]) -> Package:
        if directory_name(package) in present:
            return package
        offer = self._offers.of(package)
        if offer is None:
            return package
        vouched = msgspec.structs.replace(package, vouched=offer.tree)
        return vouched if directory_name(vouched) in present or self._offers.answered else package

    def _compiling(self, chosen: Sequence[Package], present: Collection[str]) -> frozenset[str]:
        """Return the ids of the packages that the Python consists of which is going to compile."""
        absent = (package for package in chosen if package.vouched is None and directory_name(package) not in present)
        if self._python is None or not any(package.python for package in absent):
            return frozenset()
        from breakbulk.store.bytecode import interpreter_closure

        return frozenset(package.id for package in interpreter_closure(self._packages, self._python))


def _from_archive(package: Package) -> Package:
    return msgspec.structs.replace(package, vouched=None)
