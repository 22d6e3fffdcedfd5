"""Statements as bytes: how a hub keeps everything that somebody has said, signed or not.

A change of an environment, a publication of a package and a word about a signing key are kept alike: a DSSE envelope
around an in-toto statement, with no signature where nobody signed. Guarantees: equal statements give equal bytes; what
is read encodes to the very bytes that were read, so nothing can be smuggled in beside what is known; a later format is
told from damage. Pure. Counterparts: `records`, `packages` and `key_statements`, which say what is stated; `signing`.

https://github.com/secure-systems-lab/dsse, https://github.com/in-toto/attestation (Statement v1)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from breakbulk.errors import HubError, IntegrityError

__all__ = [
    "PAYLOAD_TYPE",
    "Envelope",
    "Signature",
    "Stated",
    "Subject",
    "damaged_record",
    "decode_statement",
    "encode_envelope",
    "encode_statement",
    "payload_of",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

Predicate = TypeVar("Predicate")


class Subject(msgspec.Struct, frozen=True):
    """What a statement is about: its name, and its SHA-256 in 64 hexadecimal digits."""

    name: str
    sha256: str


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature of an envelope: key id, and the signature in base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A DSSE envelope; `payload` is base64. No signature where nobody signed."""

    payload: str
    payloadType: str = PAYLOAD_TYPE  # noqa: N815 - DSSE's spelling
    signatures: tuple[Signature, ...] = ()


class Stated(msgspec.Struct, Generic[Predicate], frozen=True, kw_only=True):
    """A statement as it was found: what it says, its envelope, and the SHA-256 of the envelope's bytes."""

    predicate: Predicate
    envelope: Envelope
    sha256: str


def encode_statement(subjects: Iterable[Subject], kind: str, predicate: object) -> bytes:
    """Return the statement that says `predicate` of the subjects: the payload that is signed.

    Args:
        subjects: What it is about.
        kind: Address of the predicate's format, which ends with its version.
        predicate: A value that msgspec encodes.

    """
    statement = {
        "_type": _STATEMENT_TYPE,
        "subject": [{"name": each.name, "digest": {"sha256": each.sha256}} for each in subjects],
        "predicateType": kind,
        "predicate": predicate,
    }
    return msgspec.json.encode(statement, order="sorted")


def encode_envelope(payload: bytes, signatures: tuple[Signature, ...] = ()) -> bytes:
    """Return the bytes of the envelope of a payload."""
    return msgspec.json.encode(Envelope(payload=base64.b64encode(payload).decode(), signatures=signatures))


def decode_statement(
    data: bytes, where: str, kind: str, type_: type[Predicate], encode: Callable[[Predicate], bytes]
) -> Stated[Predicate]:
    """Return the statement in `data`, which was found at `where`.

    Args:
        data: Bytes of an envelope.
        where: For errors.
        kind: As in `encode_statement`.
        type_: Of the predicate.
        encode: Gives the payload that states a predicate, with its subjects.

    Raises:
        IntegrityError: `change-damaged`, it is no such statement, or not as we would write it.
        HubError: `hub-newer`, it was made by a later version of Breakbulk.

    """
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        payload = payload_of(envelope)
        statement = msgspec.json.decode(payload, type=dict[str, Any])
        _refuse_newer(statement.get("predicateType"), kind, where)
        predicate = msgspec.convert(statement.get("predicate"), type_)
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError) as error:
        raise damaged_record(where, str(error)) from error
    if encode(predicate) != payload:
        raise damaged_record(where, "it holds more than it says, or is about something else")
    return Stated(predicate=predicate, envelope=envelope, sha256=hashlib.sha256(data).hexdigest())


def payload_of(envelope: Envelope) -> bytes:
    """Return the payload; raise `binascii.Error`."""
    return base64.b64decode(envelope.payload, validate=True)


def damaged_record(where: str, why: str) -> IntegrityError:
    """Return the error for what cannot be what somebody stated."""
    return IntegrityError(
        "a record of the hub is damaged",
        identifier="change-damaged",
        where=where,
        why=why,
        hint="`breakbulk hub check` tells what else is; restore the object from a mirror",
    )


def _refuse_newer(found: object, kind: str, where: str) -> None:
    stem = kind.rpartition("/")[0]
    if isinstance(found, str) and found != kind and found.startswith(f"{stem}/"):
        raise HubError(
            f"this was recorded by a later version ({found.rpartition('/')[2]})",
            identifier="hub-newer",
            where=where,
            hint="install the version of Breakbulk that made it, or newer",
        )
