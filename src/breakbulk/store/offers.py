"""The prepared packages that one realisation may use, and what becomes of those that are of no use.

Whatever is wrong with an offer, its package comes from its archive, and the user is told which object of which
environment it was. A hub that does not answer is asked no more after a few tries. Counterpart of `production`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from breakbulk.errors import BreakbulkError, NetworkError, PlatformError, StoreError
from breakbulk.store.attempts import Wanted
from breakbulk.store.layout import directory_name, plain_name

if TYPE_CHECKING:
    from breakbulk.lock.model import Package
    from breakbulk.reporting import Reporter
    from breakbulk.store.prepared import Offer, Place, PreparedSource

__all__ = ["Offers", "Unusable", "object_of", "tried"]

Result = TypeVar("Result")

_UNREACHABLE_MAX = 3
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Unusable(msgspec.Struct, frozen=True, kw_only=True):
    """Why an offer did not become a tree; None when its source is asked no more."""

    error: BreakbulkError | None


class Offers:
    """What a source offers to one realisation. `of` and `decline` are for one thread, the others for several.

    Args:
        source: Who offers; None when nobody does.
        reporter: Is told of offers that are of no use.

    """

    def __init__(self, source: PreparedSource | None, reporter: Reporter) -> None:
        self._source = source
        self._reporter = reporter
        self._unreachable = 0
        self._known: dict[str, Offer | None] = {}

    def of(self, name: str, package: Package) -> Offer | None:
        """Return the offer for a package by its plain name, None when there is none, or it has been declined."""
        if name not in self._known:
            self._known[name] = self._asked(package)
        return self._known[name]

    def _asked(self, package: Package) -> Offer | None:
        if self._source is None:
            return None
        try:
            offer = self._source.offer(package)
        except BreakbulkError as error:
            self._reporter.note(f"prepared packages are not used: {error}")
            self._source = None
            return None
        if offer is not None and not _SHA256.fullmatch(offer.tree):
            self._reporter.note(f"{package.id} is made from its archive: {offer.origin} vouches for no tree")
            return None
        return offer

    @property
    def answered(self) -> bool:
        """Whether the source has not turned out not to answer."""
        return self._unreachable < _UNREACHABLE_MAX

    def places(self, offer: Offer) -> Iterable[Place]:
        """Yield the places of an offer's object."""
        return () if self._source is None else self._source.places(offer)

    def archives(self, package: Package) -> Iterable[Place]:
        """Yield the places of an archive that are asked before the index."""
        return () if self._source is None else self._source.archives(package)

    def decline(self, package: Package, unusable: Unusable) -> None:
        """Tell that a package comes from its archive after all."""
        self._known[plain_name(directory_name(package))] = None
        if unusable.error is None or not self.answered:
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
