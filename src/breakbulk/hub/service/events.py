"""What happens on the hub, told to whoever listens: a stream of events without gaps while one is connected.

Threads publish, listeners are coroutines of one loop. A listener that reads too slowly is disconnected, and comes back
with the number of the last event it saw; the last few hundred are kept for that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

__all__ = ["Broadcast", "Event"]

_KEPT = 256
_WAITING_MAX = 256


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something became live.

    Attributes:
        number: Of the event, rising while the service runs.
        environment: `owner/name`.
        kind: `push`, `switch` or `rollback`.
        change, generation, digest: Of the environment after it.
        author: Who did it.
        time: When, by the clock of whoever did it.
        message: What was said of it.
        signed: Whether the change has a signature.

    """

    environment: str
    kind: str
    change: int
    generation: int
    digest: str
    author: str
    time: datetime
    message: str = ""
    signed: bool = False
    number: int = 0


class Broadcast:
    """Hands events to every listener. Use from one event loop."""

    def __init__(self) -> None:
        self._number = 0
        self._recent: deque[Event] = deque(maxlen=_KEPT)
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    def publish(self, event: Event) -> None:
        """Tell everybody."""
        self._number += 1
        numbered = msgspec.structs.replace(event, number=self._number)
        self._recent.append(numbered)
        for listener in tuple(self._listeners):
            if listener.qsize() >= _WAITING_MAX:
                self._listeners.discard(listener)
                listener.put_nowait(None)
            else:
                listener.put_nowait(numbered)

    def close(self) -> None:
        """End all streams, and those that begin later."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.put_nowait(None)

    async def listen(self, after: int | None, idle_s: float) -> AsyncIterator[Event | None]:
        """Yield what happens from now on, or after event `after`; None when nothing did for `idle_s` seconds."""
        listener: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in self._recent if after is not None else ():
            if event.number > (after or 0) or (after or 0) > self._number:  # a number of before a restart
                listener.put_nowait(event)
        self._listeners.add(listener)
        if self._closed:
            return
        try:
            while True:
                try:
                    event_or_end = await asyncio.wait_for(listener.get(), idle_s)
                except TimeoutError:
                    yield None
                    continue
                if event_or_end is None:
                    return
                yield event_or_end
        finally:
            self._listeners.discard(listener)
