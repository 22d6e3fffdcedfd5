"""A hub that remembers on this machine what it has said of environments, so that what ran here runs without it.

What is named by a digest never changes, so it is asked for once: locks, manifests, lists of prepared packages, and what
`owner/name@sha256:...` is, so that a hub which cannot be reached costs no wait. What a generation is (`owner/name:3`)
is asked each time, and answered from memory only when the hub cannot be reached. A name alone means what is live *now*:
without the hub nobody knows, and to run what was live once would undo a rollback unnoticed, so that is an error which
names the generations that are known here.

Everything below `hub/` in the cache can be removed at any time. Trust is decided above (`trust`), of what is remembered
as of what is fetched.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.names import Reference
from breakbulk.hub.objects import Objects
from breakbulk.hub.records import Blob, Recorded, decode_recorded
from breakbulk.lock.replacing import replace_file

__all__ = ["RememberingHub"]


class RememberingHub(Hub):
    """A hub with a memory in the directory `cache`. May be used from several threads and processes."""

    def __init__(self, objects: Objects, cache: Path) -> None:
        super().__init__(objects)
        self._objects_directory = cache / "hub"
        self._changes = cache / "hub" / "changes" / hashlib.sha256(objects.url.encode()).hexdigest()[:16]

    def blob(self, blob: Blob) -> bytes:
        """Return the bytes of an object, from memory when it has them; as `Hub.blob` otherwise."""
        path = self._objects_directory / object_key(blob.sha256)
        with contextlib.suppress(OSError):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == blob.sha256:
                return data
        data = super().blob(blob)
        _keep(path, data)
        return data

    def resolve(self, reference: Reference) -> Recorded:
        """Return what `reference` means, as `Hub.resolve`; from memory by its digest, or without the hub.

        Raises:
            NetworkError: As the backend; with what is known here when `reference` is a name alone.

        """
        if reference.digest is not None and (known := self._recalled(reference)):
            return known
        try:
            recorded = super().resolve(reference)
        except NetworkError as error:
            if reference.pinned and (known := self._recalled(reference)):
                return known
            raise _unreachable(reference, list(self._known(reference.environment)), error) from error
        self._remember(recorded)
        return recorded

    def _remember(self, recorded: Recorded) -> None:
        change = recorded.change
        path = self._changes / change.environment / f"{change.generation}-{change.number}"
        _keep(path, msgspec.json.encode(recorded.envelope))

    def _recalled(self, reference: Reference) -> Recorded | None:
        """Return the newest change that is known here of what the reference means."""
        fitting = (recorded for recorded in self._known(reference.environment) if _means(reference, recorded))
        return max(fitting, key=lambda recorded: recorded.change.number, default=None)

    def _known(self, environment: str) -> Iterator[Recorded]:
        """Yield the changes remembered of an environment; what is damaged counts as forgotten."""
        with contextlib.suppress(OSError):
            for path in (self._changes / environment).iterdir():
                with contextlib.suppress(OSError, BreakbulkError, ValueError):
                    number = int(path.name.partition("-")[2])
                    yield decode_recorded(path.read_bytes(), str(path), environment=environment, number=number)


def _means(reference: Reference, recorded: Recorded) -> bool:
    change = recorded.change
    return reference.generation in {None, change.generation} and reference.digest in {None, change.digest}


def _unreachable(reference: Reference, known: list[Recorded], error: NetworkError) -> NetworkError:
    if not known:
        return error
    newest = max((each.change for each in known), key=lambda change: change.generation)
    return NetworkError(
        f"the hub cannot say which generation of {reference.environment} is live"
        if not reference.pinned
        else f"the hub cannot be asked for {reference}, which has not been used here",
        identifier=error.reference,
        where=error.where,
        why=error.why or error.message,
        hint=f"known here, without the hub: {', '.join(sorted({f':{each.change.generation}' for each in known}))}; "
        f"`-e {newest.environment}:{newest.generation}` runs the newest of them",
    )


def _keep(path: Path, data: bytes) -> None:
    """Write a file of the memory; a cache that cannot be written costs requests, and nothing else."""
    with contextlib.suppress(OSError):
        if path.exists() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data, 0o644)
