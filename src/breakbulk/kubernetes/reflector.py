"""Follow a set of objects: list, then watch from there, for as long as somebody listens.

A watch ends all the time: the server ends it after some minutes, connections break, servers restart. It is taken up
at the last version that was seen; bookmarks, which the server sends about each minute, keep that version young when
nothing happens. A version that the server no longer remembers (410, as an answer or as an event) or any other error
it sends means a new list, and `view` finds what was missed in between: no deletion is ever lost.

Guarantees: changes come in the order in which they happened to each object; only what the projection keeps of an
object is held; lists come in pages; failures are told to `troubled`, and tried again with back-off and jitter, for
ever.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import msgspec

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.backing_off import BackOff
from breakbulk.kubernetes.connection import Connection, RefusedError, UnreachableError, refusal
from breakbulk.kubernetes.kinds import Kind
from breakbulk.kubernetes.view import Change, View

__all__ = ["Reflector"]

T = TypeVar("T")
_PAGE = 500
_GONE = 410
_TIMEOUT_S = (240, 480)  # between these the server is asked to end a watch: a fleet does not come back in step
_SHORT_S = 5.0  # a watch that ends sooner, without a word, did not work
_MORE_S = 30  # than that timeout, before silence is taken for a failure


class Reflector(Generic[T]):
    """The objects of a kind, or those that selectors choose; listen to `changes` once.

    Args:
        connection: To the API server.
        kind: Of the objects.
        project: What is kept of each object; compared with `==`, so that what is not kept is no change.
        namespace: None for all.
        fields: A field selector: `spec.nodeName=node-1`.
        labels: A label selector.
        troubled: Called with each failure; nothing else tells of them.
        back_off: Delays between tries.

    Attributes:
        synced: Set once everything of the first list was taken by whoever listens.

    """

    def __init__(
        self,
        connection: Connection,
        kind: Kind,
        project: Callable[[dict[str, Any]], T],
        *,
        namespace: str | None = None,
        fields: str = "",
        labels: str = "",
        troubled: Callable[[ClusterError], None] = lambda _: None,
        back_off: BackOff | None = None,
    ) -> None:
        self._connection = connection
        self._path = kind.path(namespace)
        self._selected = {name: text for name, text in (("fieldSelector", fields), ("labelSelector", labels)) if text}
        self._view: View[T] = View(project)
        self._troubled = troubled
        self._back_off = back_off or BackOff()
        self.synced = asyncio.Event()

    @property
    def held(self) -> Mapping[str, T]:
        """What is kept of each object that is there, by uid."""
        return self._view.held

    async def changes(self) -> AsyncGenerator[Change[T], None]:
        """Yield every change, `synced` after each list; end only when the listener does."""
        while True:
            try:
                async with aclosing(self._one_life()) as life:
                    async for change in life:
                        yield change
            except ClusterError as error:
                self._troubled(error)
                await asyncio.sleep(_asked_for(error) or self._back_off.next_s())

    async def _one_life(self) -> AsyncGenerator[Change[T], None]:
        """List, then watch until the server's memory and ours no longer meet."""
        listing = self._view.listing()
        async for page in self._pages():
            listing.add(page["items"])
            version = page["metadata"]["resourceVersion"]
        for change in self._view.replace(listing, version):
            yield change
        self.synced.set()
        while True:
            try:
                async with aclosing(self._one_watch()) as watch:
                    async for change in watch:
                        yield change
            except UnreachableError as error:
                self._troubled(error)
                await asyncio.sleep(self._back_off.next_s())
            except RefusedError as error:
                if error.status != _GONE:
                    raise
                await asyncio.sleep(self._back_off.next_s())
                return

    async def _pages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the pages of a list; all are of one version, the newest that there is."""
        more: str | None = ""
        while more is not None:
            asked = {"limit": str(_PAGE), **self._selected} | ({"continue": more} if more else {})
            page = await self._connection.request("GET", self._path, params=asked)
            yield page
            more = page["metadata"].get("continue") or None

    async def _one_watch(self) -> AsyncGenerator[Change[T], None]:
        """Watch from what is known until the server ends it; raise `UnreachableError` when it breaks."""
        timeout_s = random.randint(*_TIMEOUT_S)  # noqa: S311 - spreads load
        asked = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._view.version,
            "timeoutSeconds": str(timeout_s),
            **self._selected,
        }
        began_s = asyncio.get_running_loop().time()
        said_something = False
        async with self._connection.lines(self._path, asked, silence_s=timeout_s + _MORE_S) as lines:
            async for line in lines:
                change = self._take(line)
                said_something = True
                self._back_off.reset()
                if change:
                    yield change
        if not said_something and asyncio.get_running_loop().time() - began_s < _SHORT_S:
            await asyncio.sleep(self._back_off.next_s())  # a server that ends watches at once is not asked in a hurry

    def _take(self, line: str) -> Change[T] | None:
        try:
            event = msgspec.json.decode(line, type=_Event)
        except msgspec.DecodeError as error:
            raise UnreachableError(
                "a watch was cut off", where=self._connection.server, why=f"half an event came: {line[:80]!r}"
            ) from error
        found = event.object
        if event.type == "ERROR":
            status, reason, said = found.get("code", 0), found.get("reason", ""), found.get("message", "")
            raise refusal(int(status), str(reason), str(said), self._connection.server)
        return self._view.event(event.type, found)


class _Event(msgspec.Struct):
    type: str
    object: dict[str, Any]


def _asked_for(error: ClusterError) -> float | None:
    """Return how long a server that is busy asks to be left alone, in seconds."""
    return error.retry_after_s if isinstance(error, RefusedError) else None
