"""What the owners of signing keys say of them on a hub: that one has been replaced, that one must not be believed.

Statements about a key (`statements`) are numbered from 1 below `keys/<key id>/`. A **rotation** names the successor,
and of every environment and package on that hub the newest change (`Anchor`): what the old key signed up to there stays
good, and nothing else does, so no clock is needed. It is kept with both keys. A **revocation** says that nothing counts
that the key has ever signed.

What a machine has once read it remembers in its store: a hub can withhold a revocation from those who never saw it, but
cannot take it back. Nothing here is believed: who must have signed a statement is the matter of `standing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.hub.keys import PublicKey
from breakbulk.hub.layout import is_numbered, key_statements_prefix, numbered
from breakbulk.hub.log import Log
from breakbulk.hub.objects import Objects
from breakbulk.hub.sealing import Signer
from breakbulk.hub.statements import Envelope, Subject, decode_statement, encode_envelope, encode_statement
from breakbulk.lock.replacing import replace_file

__all__ = [
    "KEY_TYPE",
    "Anchor",
    "KeyStatement",
    "KeyStatements",
    "SignedStatement",
    "encode_key_statement",
    "publish_statement",
]

KEY_TYPE = "https://breakbulk.dev/key/v1"
_MOST = 128  # statements about one key that are read: more than anybody makes, few enough to bear
_LARGEST_BYTES = 8 << 20


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """The last change of a history that a retired key may have signed: its number, and its envelope's SHA-256."""

    number: int
    sha256: str


class KeyStatement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said of `key`; of a rotation the successor, and the anchors of environments and packages by name."""

    kind: Literal["rotation", "revocation"]
    key: PublicKey
    author: str
    time: datetime
    successor: PublicKey | None = None
    anchors: dict[str, Anchor] = {}
    packages: dict[str, Anchor] = {}
    reason: str = ""


class SignedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as it was found: in which envelope, with which key, under which number, and whether on this hub."""

    statement: KeyStatement
    envelope: Envelope
    about: str
    number: int
    here: bool


class KeyStatements:
    """The statements about keys on one hub, and those that this machine remembers of any.

    Args:
        objects: The hub's; None to ask no hub.
        url: Of the hub.
        store: Directory that remembers.

    """

    def __init__(self, objects: Objects | None, url: str, store: Path) -> None:
        self._objects = objects
        self._hub = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._memory = store / "seen" / "keys"

    def about(self, key_id: str) -> tuple[SignedStatement, ...]:
        """Return the statements about a key: one LIST, and a GET for each that is new here.

        Where the hub cannot be reached, what is remembered has to do; raises `HubError` as the backend.
        """
        found = dict(self._remembered(key_id))
        with suppress(NetworkError):
            found |= self._learned(key_id, found)
        return tuple(
            SignedStatement(
                statement=decoded[0], envelope=decoded[1], about=key_id, number=number, here=hub == self._hub
            )
            for (hub, number), data in sorted(found.items())
            if (decoded := _decoded(data, key_id)) is not None
        )

    def _remembered(self, key_id: str) -> Iterator[tuple[tuple[str, int], bytes]]:
        """Yield what this machine remembers, by hub and number."""
        with suppress(FileNotFoundError):
            for path in (self._memory / key_id).iterdir():
                hub, _, number = path.name.partition("-")
                if is_numbered(number):
                    yield (hub, int(number)), path.read_bytes()

    def _learned(self, key_id: str, known: Container[tuple[str, int]]) -> dict[tuple[str, int], bytes]:
        """Return what the hub has beyond that."""
        if self._objects is None:
            return {}
        log = Log(self._objects, key_statements_prefix(key_id), key_id)
        new = [number for number in sorted(log.numbers()) if (self._hub, number) not in known][:_MOST]
        learned = {number: self._objects.get(log.key(number), limit_bytes=_LARGEST_BYTES) for number in new}
        for number, data in learned.items():
            self._remember(key_id, number, data)
        return {(self._hub, number): data for number, data in learned.items()}

    def _remember(self, key_id: str, number: int, data: bytes) -> None:
        """Keep a statement; a store that cannot be written costs requests, as long as the hub shows it."""
        path = self._memory / key_id / f"{self._hub}-{numbered(number)}"
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data, 0o644)


def publish_statement(objects: Objects, statement: KeyStatement, sign: Signer, *, about: Sequence[PublicKey]) -> None:
    """Put a signed statement on a hub, with each of the keys in `about`.

    Raises:
        HubError: `hub-contended`; and as the backend.
        NetworkError: As the backend.

    """
    payload = encode_key_statement(statement)
    data = encode_envelope(payload, sign(payload))
    for key in about:
        Log(objects, key_statements_prefix(key.id), f"what is said of the key {key.name}").append(lambda _last: data)


def encode_key_statement(statement: KeyStatement) -> bytes:
    """Return what is signed; equal statements give equal bytes."""
    return encode_statement([Subject(statement.key.name, statement.key.id)], KEY_TYPE, statement)


def _decoded(data: bytes, key_id: str) -> tuple[KeyStatement, Envelope] | None:
    """Return a statement about the key, or one that makes it a successor; None for what is neither."""
    try:
        stated = decode_statement(data, "", KEY_TYPE, KeyStatement, encode_key_statement)
    except BreakbulkError:
        return None
    statement = stated.predicate
    concerned = {statement.key.id, statement.successor.id if statement.successor else ""}
    consistent = (statement.kind == "rotation") == (statement.successor is not None)
    return (statement, stated.envelope) if consistent and key_id in concerned else None
