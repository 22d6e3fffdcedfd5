"""A source of prepared packages for tests: objects in a directory, and everything that can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from breakbulk.ecosystems.interface import Location
from breakbulk.errors import BreakbulkError
from breakbulk.lock.model import Package
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.prepared import Offer, Place, Prepared, Streamed
from breakbulk.store.preparing import prepare

PIECE_BYTES = 4096


def offer_of(prepared: Prepared, origin: str = "an object of ada/demo:1") -> Offer:
    return Offer(**{field: getattr(prepared, field) for field in Prepared.__struct_fields__}, origin=origin)


class DirectorySource:
    """Offers what is in `directory`; as a file there, or as a stream that remembers where it was asked to begin."""

    def __init__(self, directory: Path, *, streamed: bool = False) -> None:
        self.directory = directory
        self.offers: dict[str, Offer] = {}
        self.streamed = streamed
        self.asked: list[int] = []
        self.broken: BreakbulkError | None = None
        self.heals_after: int | None = None

    def add(self, layout: Layout, packages: Iterable[Package]) -> DirectorySource:
        """Prepare packages that are in a store."""
        self.directory.mkdir(exist_ok=True)
        for package in packages:
            name = directory_name(package)
            prepared = prepare(layout, package, self.directory / name)
            (self.directory / name).rename(self.directory / prepared.sha256)
            self.offers[name] = offer_of(prepared, f"object {prepared.sha256[:8]} of ada/demo:1")
        return self

    def save(self) -> None:
        """Have `load` in another process find the offers."""
        (self.directory / "offers").write_bytes(msgspec.msgpack.encode(self.offers))

    @classmethod
    def load(cls, directory: Path, *, streamed: bool = False) -> DirectorySource | None:
        """Return the source in a directory, None when there is none."""
        if not directory.is_dir():
            return None
        source = cls(directory, streamed=streamed)
        source.offers = msgspec.msgpack.decode((directory / "offers").read_bytes(), type=dict[str, Offer])
        return source

    def object(self, package: Package) -> Path:
        return self.directory / self.offers[directory_name(package)].sha256

    def offer(self, package: Package) -> Offer | None:
        return self.offers.get(directory_name(package))

    def places(self, offer: Offer) -> Iterable[Place]:
        if self.streamed:
            return [Streamed(name=f"hub/{offer.sha256}", open=lambda start: self._stream(offer, start))]
        return [Location(path=self.directory / offer.sha256)]

    def archives(self, package: Package) -> Iterable[Place]:
        return ()

    def _stream(self, offer: Offer, start: int) -> Iterator[bytes]:
        """Yield one piece and break, as long as it is broken."""
        self.asked.append(start)
        if self.heals_after is not None and len(self.asked) > self.heals_after:
            self.broken = None
        data = (self.directory / offer.sha256).read_bytes()
        for place in range(start, len(data), PIECE_BYTES):
            yield data[place : place + PIECE_BYTES]
            if self.broken is not None:
                raise self.broken
