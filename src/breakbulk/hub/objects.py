"""What a hub needs of a place that keeps objects: the one interface of all backends.

`backends` has an implementation for every address; `tests/hub/test_conformance.py` runs one suite on each. Guarantees
that every backend gives: an object is there whole or not at all; `create` has one winner however many try; what was
written is seen by whoever reads or lists afterwards; times are those of the place, so that no clock of ours counts.
Every call may be made from several threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

__all__ = ["Objects", "Stat"]


class Stat(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object without its bytes: key, size in bytes, and when it was written (the place's clock)."""

    key: str
    size: int
    modified: datetime


class Objects(Protocol):
    """A place that keeps objects by key.

    Raises, from every method: `NetworkError` (`hub-unreachable`, `hub-busy`; retried before with back-off), `HubError`
    (`hub-denied`: credentials are missing, wrong or not enough; `hub-full`; `hub-refused`: the place lacks what a hub
    needs; `hub-key-invalid`), each with the place and the key.
    """

    @property
    def url(self) -> str:
        """The address, without credentials."""

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        """Return the bytes of an object; raise `NotFoundError` `object-missing`, `HubError` `object-too-large`."""

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from offset `start`; raise `NotFoundError` `object-missing`."""

    def local(self, key: str) -> Path | None:
        """Return the file of this machine that is the object, to be read and nothing else; None when there is none."""

    def create(self, key: str, data: bytes | Path) -> bool:
        """Write a new object and return True; return False, and change nothing, when there is one already."""

    def replace(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""

    def stat(self, key: str) -> Stat | None:
        """Return what is known of an object, None when it is not there."""

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield the objects whose keys begin with `prefix`, which ends with `/`; in no particular order."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""

    def settle(self) -> None:
        """Return when everything written so far outlives a crash of the place."""

    def close(self) -> None:
        """Close connections."""
