"""Write the index of a hub anew from its environments: for `hub check --repair`, and after a mirror."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from breakbulk.errors import HubError
from breakbulk.hub import index
from breakbulk.hub.hub import Hub
from breakbulk.hub.records import Summary

__all__ = ["rebuild"]

_READERS = 32
_TRIES = 10


def rebuild(hub: Hub) -> tuple[Summary, ...]:
    """Make the index say what the environments are, and return it; pushes may go on meanwhile.

    Reads the newest change of every environment. Whatever of the index is damaged is replaced.

    Raises:
        IntegrityError: `change-damaged`, `history-broken`.
        HubError: `hub-contended`, others wrote snapshots each time.

    """
    for _ in range(_TRIES):
        found = index.listed(hub.objects)
        summaries = _scanned(hub)
        if index.publish(hub.objects, found, summaries):
            return summaries
    raise HubError(
        "others wrote the index of the hub each time we tried to",
        identifier="hub-contended",
        where=hub.url,
        hint="run the command again",
    )


def _scanned(hub: Hub) -> tuple[Summary, ...]:
    numbers = hub.environments()
    with ThreadPoolExecutor(_READERS) as readers:
        newest = readers.map(lambda found: hub.recorded(*found), sorted(numbers.items()))
        return index.merged(one.change.summary(signed=bool(one.envelope.signatures)) for one in newest)
