"""What `up` puts into a cluster that somebody else keeps, told apart from everything else there by a mark.

Guarantees: an object that was there before, whoever made it, is neither changed nor removed, even if it has the name of
one of ours; what has our mark is removed by exactly its uid, so nothing that took its place meanwhile goes with it. All
of it may be interrupted and repeated. Counterpart: `existing`, which writes the mark down before anything is made.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.apply import Objects, apply, ordered
from breakbulk.kubernetes.connection import Connection, RefusedError
from breakbulk.reporting import Reporter

__all__ = ["MARK", "Belonging", "belonging", "install", "missing", "remove"]

MARK = "breakbulk.dev/cluster"
"""Label of what belongs to a cluster of ours; its value is the record's."""

_GONE_S = 180.0
_POLL_S = 0.25
_NOT_FOUND, _CONFLICT = 404, 409

Object = Mapping[str, Any]


class Belonging(msgspec.Struct, frozen=True, kw_only=True):
    """An object that we make: enough of it to find it again."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """As an object without content."""
        metadata = {"name": self.name} | ({"namespace": self.namespace} if self.namespace else {})
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace and self.namespace + '/'}{self.name}"


def belonging(wanted: Object) -> Belonging:
    """Return what has to be remembered of an object."""
    metadata = wanted["metadata"]
    return Belonging(
        api_version=wanted["apiVersion"],
        kind=wanted["kind"],
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
    )


async def install(connection: Connection, objects: Sequence[Object], mark: str, reporter: Reporter) -> None:
    """Make objects, or bring ours up to date; what somebody else has made stays as it is, with a note.

    Raises:
        ClusterError: `cluster-unreachable`, `cluster-forbidden`, `cluster-refused`, `kind-unknown`.

    """
    found = Objects(connection)
    task = reporter.begin("preparing the cluster", total=len(objects))
    try:
        for wanted in ordered(objects):
            there = await connection.find(await found.path(wanted))
            if there is None or _mark_of(there) == mark:
                await apply(connection, [_marked(wanted, mark)])
            else:
                reporter.note(f"{belonging(wanted)} is there already and stays as it is")
            task.advance()
    finally:
        task.finish()


async def missing(connection: Connection, belongings: Sequence[Belonging]) -> list[Belonging]:
    """Return what is not there, whoever made it; raise as `install`."""
    found = Objects(connection)
    return [one for one in belongings if await connection.find(await found.path(one.identity)) is None]


async def remove(connection: Connection, belongings: Sequence[Belonging], mark: str, reporter: Reporter) -> None:
    """Remove what has the mark, and wait until it is gone.

    Raises:
        ClusterError: `removal-unfinished`, and as `install`.

    """
    found = Objects(connection)
    by_identity = reversed(ordered([one.identity for one in belongings]))
    paths = [await found.path(identity) for identity in by_identity]
    task = reporter.begin("removing what was put into the cluster", total=len(paths))
    try:
        marked = [path for path in paths if await _delete(connection, path, mark)]
        for path in marked:
            await _until_gone(connection, path, mark)
            task.advance()
    finally:
        task.finish()


async def _delete(connection: Connection, path: str, mark: str) -> bool:
    """Delete an object if it is ours; say whether it was."""
    there = await connection.find(path)
    if there is None or _mark_of(there) != mark:
        return False
    options = {"preconditions": {"uid": there["metadata"]["uid"]}, "propagationPolicy": "Background"}
    try:
        await connection.request("DELETE", path, body=options)
    except RefusedError as error:
        if error.status not in {_NOT_FOUND, _CONFLICT}:  # gone meanwhile, or another one has its name now
            raise
    return True


async def _until_gone(connection: Connection, path: str, mark: str) -> None:
    async def is_gone() -> bool:
        there = await connection.find(path)
        return there is None or _mark_of(there) != mark

    if not await _within(_GONE_S, is_gone):
        raise ClusterError(
            "the cluster has not removed everything yet",
            identifier="removal-unfinished",
            where=f"{connection.server}{path}",
            why=f"it is still there {_GONE_S:.0f} s after its deletion; something may hold it with a finalizer",
            hint="run `breakbulk cluster down` again",
        )


async def _within(seconds: float, condition: Callable[[], Awaitable[bool]]) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True


def _mark_of(there: Object) -> str | None:
    found: str | None = (there["metadata"].get("labels") or {}).get(MARK)
    return found


def _marked(wanted: Object, mark: str) -> Object:
    made = copy.deepcopy(dict(wanted))
    made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), MARK: mark}
    return made
