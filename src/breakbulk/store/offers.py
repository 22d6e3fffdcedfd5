"""The prepared packages that one realisation may use, and what becomes of those that are of no use.

Whatever is wrong with an offer, its package comes from its archive, and the user is told which object of which
environment it was. A hub that does not answer is asked no more after a few tries. Counterpart of `production`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from breakbulk.errors import BreakbulkError, NetworkError, PlatformError, StoreError
from breakbulk.store.attempts import Wanted

if TYPE_CHECKING:
    from breakbulk.lock.model import Package
    from breakbulk.reporting import Reporter
    from breakbulk.store.prepared import Offer, Place, PreparedSource

__all__ = ["Offers", "Unusable", "object_of", "tried"]

Result = TypeVar("Result")

_UNREACHABLE_MAX = 3


class Unusable(msgspec.Struct, frozen=True, kw_only=True):
    """Why an offer did not become a tree."""

    error: BreakbulkError


class Offers:
    """What a source offers. `of` and `decline` are for one thread; the others may be called from several.

    Args:
        source: Who offers; None when nobody does.
        reporter: Is told of offers that are of no use.

    """

    def __init__(self, source: PreparedSource | None, reporter: Reporter) -> None:
        self._source = source
        self._reporter = reporter
        self._unreachable = 0

    def of(self, package: Package) -> Offer | None:
        """Return the offer for a package."""
        if self._source is None:
            return None
        try:
            return self._source.offer(package)
        except BreakbulkError as error:
            self._reporter.note(f"prepared packages are not used: {error}")
            self._source = None
            return None

    def standing(self, offer: Offer | None) -> Offer | None:
        """Return the offer unless its source has turned out not to answer."""
        return offer if self._unreachable < _UNREACHABLE_MAX else None

    def places(self, offer: Offer) -> Iterable[Place]:
        """Yield the places of an offer's object."""
        return () if self._source is None else self._source.places(offer)

    def archives(self, package: Package) -> Iterable[Place]:
        """Yield the places of an archive that are asked before the index."""
        return () if self._source is None else self._source.archives(package)

    def decline(self, package: Package, unusable: Unusable) -> None:
        """Tell that a package comes from its archive after all."""
        if self._unreachable >= _UNREACHABLE_MAX:
            return
        self._reporter.note(f"{package.id} is made from its archive: {_said(unusable.error)}")
        if isinstance(unusable.error, NetworkError):
            self._unreachable += 1
        if self._unreachable == _UNREACHABLE_MAX:
            self._reporter.note("no more prepared packages are asked for")


def tried(offer: Offer | None, work: Callable[[], Result]) -> Result | Unusable:
    """Return what `work` gives, or what is wrong with the offer it was done for; errors of this machine are raised."""
    try:
        return work()
    except (StoreError, PlatformError):
        raise
    except BreakbulkError as error:
        if offer is None:
            raise
        return Unusable(error=error)


def object_of(package: Package, offer: Offer) -> Wanted:
    """Return what is wanted when an offer's object is."""
    return Wanted(
        name=f"the prepared {package.name} {package.version}",
        where=f"{package.id}: {offer.origin}",
        size=offer.size,
        sha256=offer.sha256,
        promise="it was pushed with",
        hint="`breakbulk hub check` tells what else is damaged; push the environment again, or mirror it",
    )


def _said(error: BreakbulkError) -> str:
    parts = (error.message, error.why, error.where and f"at {error.where}")
    return "; ".join(part for part in parts if part)
