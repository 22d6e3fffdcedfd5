"""Objects over HTTP: the client of the hub service, which looks like any other place of objects.

Guarantees, beyond those of `Objects`: a broken download goes on where it ended, if the object is still the same; a list
that was cut short is no list; large objects are only sent when they are not there yet. What the token and the network
are concerned with is in `asking`. Counterpart: `hub.service.objects_api`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from breakbulk.errors import HubError
from breakbulk.hub.backends import faults
from breakbulk.hub.backends.asking import AgainError, Asking
from breakbulk.hub.backends.keys import check_key, check_prefix
from breakbulk.hub.objects import Stat
from breakbulk.settings import Settings

if TYPE_CHECKING:
    import httpx2

__all__ = ["About", "ServiceObjects", "open_service"]

_LOOK_FIRST_BYTES = 256 << 10  # from this size on it is cheaper to ask whether an object is there than to send it
_CHUNK_BYTES = 1 << 20

Value = TypeVar("Value")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the service says of the token and of itself; see `hub.service.views.About`."""

    version: str
    subject: str
    owners: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    expires: datetime | None = None
    public: bool = False
    largest_object_bytes: int = 0


def open_service(url: str, settings: Settings) -> ServiceObjects:
    """Return the objects of the service at `url`; nothing is asked of it yet."""
    return ServiceObjects(url, settings)


class ServiceObjects:
    """The objects of the service at an address. May be used from several threads.

    Args:
        url: The address.
        settings: Time-outs, tries, proxies, certificates, and where the token is.
        token: Instead of the one that is kept for this address.
        pause: Waits the seconds it is given, between tries.

    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        *,
        token: str | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._asking = Asking(self._url, settings, token, pause)

    @property
    def url(self) -> str:
        """The address."""
        return self._url

    @cached_property
    def about(self) -> About:
        """What the service says of our token; raises `HubError` when it is no good."""

        def ask() -> About:
            with self._asking.answered("GET", "/v1/self", self._url) as response:
                return self._decoded(response.read(), About)

        return self._asking.persist(ask)

    @property
    def subject(self) -> str:
        """Who we are to the service: the author of the changes that it accepts from us."""
        return self.about.subject

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        """Return the bytes of an object."""

        def ask() -> bytes:
            with self._object("GET", key) as response:
                size = int(response.headers.get("content-length", 0))
                if size > limit_bytes:
                    raise faults.too_large(self._where(key), size, limit_bytes)
                return b"".join(response.iter_raw())

        return self._asking.persist(ask)

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from offset `start`; a broken transfer goes on where it ended."""
        offset, tag, failed = start, "", 0
        while True:
            begun = offset
            try:
                with self._object("GET", key, headers=_range(offset, tag), allowed=(416,)) as response:
                    if response.status_code == 416:
                        return  # there is nothing from there on
                    tag = response.headers.get("etag", "")
                    for piece in response.iter_raw():  # in pieces of its size it would keep what came before a break
                        yield piece
                        offset += len(piece)
                    return
            except AgainError as failure:
                failed = 1 if offset > begun else failed + 1
                self._asking.wait(failure, failed)

    def create(self, key: str, data: bytes | Path) -> bool:
        """Write a new object and return True; return False when there is one already."""
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        if size >= _LOOK_FIRST_BYTES:
            if self.stat(key) is not None:
                return False
            self._check_size(key, size)
        headers = {"If-None-Match": "*", "Content-Length": str(size)}

        def ask() -> bool:
            with self._object("PUT", key, headers=headers, body=_body(data), allowed=(412,)) as response:
                return response.status_code != 412

        return self._asking.persist(ask)

    def replace(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""

        def ask() -> None:
            with self._object("PUT", key, body=data):
                pass

        self._asking.persist(ask)

    def stat(self, key: str) -> Stat | None:
        """Return what is known of an object, None when it is not there."""

        def ask() -> Stat | None:
            with self._object("HEAD", key, allowed=(404,)) as response:
                if response.status_code == 404:
                    return None
                modified = datetime.fromisoformat(response.headers["breakbulk-modified"])
                return Stat(key=key, size=int(response.headers["content-length"]), modified=modified)

        return self._asking.persist(ask)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield the objects whose keys begin with `prefix`, once all of them have come."""
        path = f"/v1/objects?prefix={quote(check_prefix(prefix), safe='/')}"

        def ask() -> list[Stat]:
            with self._asking.answered("GET", path, self._where(prefix)) as response:
                *lines, last = [line for line in response.read().split(b"\n") if line] or [b"{}"]
            found = [self._decoded(line, Stat) for line in lines]
            if self._decoded(last, dict[str, Any]) != {"end": len(found)}:
                raise AgainError(faults.unreachable(self._where(prefix), "the list ended early"))
            return found

        yield from self._asking.persist(ask)

    def local(self, key: str) -> Path | None:  # noqa: ARG002 - the protocol's
        """Return None: the objects are on another machine."""
        return None

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        for key in keys:

            def ask(key: str = key) -> None:
                with self._object("DELETE", key):
                    pass

            self._asking.persist(ask)

    def settle(self) -> None:
        """Do nothing: the service settles what a change refers to before it accepts the change."""

    def close(self) -> None:
        """Close connections."""
        self._asking.close()

    def _object(
        self,
        method: str,
        key: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        allowed: tuple[int, ...] = (),
    ) -> AbstractContextManager[httpx2.Response]:
        path = f"/v1/objects/{quote(check_key(key), safe='/')}"
        return self._asking.answered(method, path, self._where(key), headers=headers, body=body, allowed=allowed)

    def _where(self, key: str) -> str:
        return f"{self._url}/{key}"

    def _check_size(self, key: str, size: int) -> None:
        limit_bytes = self.about.largest_object_bytes
        if limit_bytes and size > limit_bytes:
            raise HubError(
                "the hub takes no object of this size",
                identifier="object-too-large",
                where=self._where(key),
                why=f"it has {size} bytes, the most is {limit_bytes}",
                hint="make it smaller, or ask whoever keeps the hub for a higher `--largest-object`",
            )

    def _decoded(self, data: bytes, kind: type[Value]) -> Value:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.MsgspecError as error:
            raise faults.refused(self._url, f"it does not answer as a hub does: {error}") from error


def _range(offset: int, tag: str) -> dict[str, str]:
    """Return the headers that ask for the rest of an object, if it is still the one whose tag we have."""
    return {**({"Range": f"bytes={offset}-"} if offset else {}), **({"If-Match": tag} if tag else {})}


def _body(data: bytes | Path) -> bytes | Iterator[bytes]:
    return _chunks(data) if isinstance(data, Path) else data


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
