"""What a hub says of environments, as values and as bytes.

A **change** is one thing that happened to an environment: a push (which allots the next generation), a switch or a
rollback (which make another generation live). Changes are numbered from 1 without gaps; the last one says which
generation is live and how many there are. Each names the SHA-256 of the one before, so that a history cannot be altered
in the middle, and the digests of everything a machine needs to run the environment.

A change is kept as a DSSE envelope around an in-toto statement about the environment's digest, with no signature where
nobody signed. https://github.com/secure-systems-lab/dsse, https://github.com/in-toto/attestation (Statement v1)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from breakbulk.errors import HubError, IntegrityError

__all__ = [
    "CHANGE_TYPE",
    "PAYLOAD_TYPE",
    "Authorship",
    "Blob",
    "Change",
    "ChangeKind",
    "Envelope",
    "PreparedPackage",
    "PreparedSet",
    "Recorded",
    "Signature",
    "Summary",
    "decode_recorded",
    "encode_change",
    "encode_envelope",
    "new_token",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
CHANGE_TYPE = "https://breakbulk.dev/change/v1"
ChangeKind = Literal["push", "switch", "rollback"]

_Count = Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]
_Bytes = Annotated[int, msgspec.Meta(ge=0)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Digest = Annotated[str, msgspec.Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]


def new_token() -> str:
    """Return a word that no other change has."""
    return secrets.token_hex(8)


class _Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    pass


class Blob(_Table, frozen=True, kw_only=True):
    """An object by the SHA-256 (64 hexadecimal digits) and the size in bytes of its content."""

    sha256: _Sha256
    size: _Bytes


class PreparedPackage(_Table, frozen=True, kw_only=True):
    """A package unpacked and compiled: the object that holds it, and the digest of the tree it becomes.

    `tree` is `store.records.tree_digest`, `size` the sum of its files in bytes. The pusher vouches for `tree`; bytes
    that become another tree are refused, whoever uploaded them.
    """

    blob: Blob
    tree: str
    size: _Bytes


class PreparedSet(_Table, frozen=True, kw_only=True):
    """The prepared packages of one system of an environment, by their directory name in a store. An object."""

    packages: dict[str, PreparedPackage]


class Authorship(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something to an environment, where, when and with which words; see the attributes of `Change`."""

    author: str
    host: str
    command: str
    time: _Moment
    message: str = ""


class Summary(_Table, frozen=True, kw_only=True):
    """What lists and searches show of an environment.

    Attributes:
        environment: `owner/name`.
        change: Number of the change after which this was so.
        generation: The live one.
        generations: How many there are.
        digest: Of the live one.
        time: When it became live.
        author: Who did that.
        message: Of the push that allotted the live generation.
        installs: Install ids of the manifest, sorted.
        packages: How many packages there are, of all systems together, each counted once.
        systems: Sorted.
        signed: Whether the change has a signature, of whomever.

    """

    environment: str
    change: int
    generation: int
    generations: int
    digest: str
    time: _Moment
    author: str
    message: str = ""
    installs: tuple[str, ...] = ()
    packages: int = 0
    systems: tuple[str, ...] = ()
    signed: bool = False


class Change(_Table, frozen=True, kw_only=True):
    """One thing that happened to an environment.

    Attributes:
        environment: `owner/name`.
        number: From 1, without gaps.
        kind: A push allots generation `generations`; the others make an earlier one live.
        generation: Live after this change.
        generations: How many have been allotted.
        previous: The generation live before, None for the first change.
        digest: Identity of the environment that is live after this change (`lock.files.identity`).
        lock: Its lock.
        manifest: The manifest as the user wrote it, with its comments; None for one made by a program.
        prepared: By system, the `PreparedSet`.
        archives: SHA-256 and size of the archives on this hub that no index has: own sources.
        author: Who did it; on a hub with tokens, whose token it was.
        host: Name of the machine.
        command: What was typed, as Flox keeps it (`breakbulk push ada/tickets`).
        time: By the clock of whoever did it.
        message: What the user said of it.
        about: Of a switch or rollback, the message of the push whose generation it makes live.
        installs, packages: As in `Summary`.
        parent: SHA-256 of the envelope of the change before, None for the first.
        token: Random, so that two changes are never the same bytes, and whoever tried to record one can tell whether
            it is theirs that was recorded.

    """

    environment: str
    number: _Count
    kind: ChangeKind
    generation: _Count
    generations: _Count
    digest: _Digest
    lock: Blob
    author: str
    host: str
    command: str
    time: _Moment
    previous: _Count | None = None
    manifest: Blob | None = None
    prepared: dict[str, Blob] = {}
    archives: tuple[Blob, ...] = ()
    message: str = ""
    about: str = ""
    installs: tuple[str, ...] = ()
    packages: int = 0
    parent: _Sha256 | None = None
    token: str = msgspec.field(default_factory=new_token)

    @property
    def pushed_message(self) -> str:
        """What was said of the live generation when it was pushed."""
        return self.message if self.kind == "push" else self.about

    @property
    def possible(self) -> bool:
        """Whether its numbers can be those of a change: a push allots the last generation, others choose one."""
        allotted = self.generation == self.generations if self.kind == "push" else self.previous is not None
        first = self.number == 1
        return (
            allotted
            and self.generation <= self.generations <= self.number
            and (self.previous or 1) <= self.generations
            and first == (self.parent is None) == (self.previous is None)
        )

    def summary(self, *, signed: bool) -> Summary:
        """Return what lists show once this change is the last one."""
        return Summary(
            environment=self.environment,
            change=self.number,
            generation=self.generation,
            generations=self.generations,
            digest=self.digest,
            time=self.time,
            author=self.author,
            message=self.pushed_message,
            installs=self.installs,
            packages=self.packages,
            systems=tuple(sorted(self.prepared)),
            signed=signed,
        )


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature of an envelope: key id, and the signature in base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A DSSE envelope; `payload` is base64. No signature where nobody signed."""

    payload: str
    payloadType: str = PAYLOAD_TYPE  # noqa: N815 - DSSE's spelling
    signatures: tuple[Signature, ...] = ()


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A change as a hub has it: what it says, the envelope it came in, and the SHA-256 of the envelope's bytes."""

    change: Change
    envelope: Envelope
    sha256: str


def encode_change(change: Change) -> bytes:
    """Return the statement about `change`: the payload that is signed. Equal changes give equal bytes."""
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": change.environment, "digest": {"sha256": change.digest.removeprefix("sha256:")}}],
        "predicateType": CHANGE_TYPE,
        "predicate": change,
    }
    return msgspec.json.encode(statement, order="sorted")


def encode_envelope(payload: bytes, signatures: tuple[Signature, ...] = ()) -> bytes:
    """Return the bytes of the envelope of a payload."""
    return msgspec.json.encode(Envelope(payload=base64.b64encode(payload).decode(), signatures=signatures))


def decode_recorded(data: bytes, where: str, *, environment: str, number: int) -> Recorded:
    """Return the change in `data`, found at `where` under the name of change `number` of `environment`.

    Raises:
        IntegrityError: `change-damaged`, it is not a change, or one of another environment or number.
        HubError: `hub-newer`, it was made by a later version of Breakbulk.

    """
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        statement = msgspec.json.decode(payload, type=dict[str, Any])
        _refuse_newer(statement, where)
        change = msgspec.convert(statement.get("predicate"), Change)
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError) as error:
        raise _damaged(where, str(error)) from error
    if (change.environment, change.number) != (environment, number):
        raise _damaged(where, f"it says it is change {change.number} of {change.environment}")
    if not change.possible:
        raise _damaged(where, "its numbers contradict each other")
    if encode_change(change) != payload:
        raise _damaged(where, "it holds more than a change, or its subject is another environment")
    return Recorded(change=change, envelope=envelope, sha256=hashlib.sha256(data).hexdigest())


def _refuse_newer(statement: dict[str, Any], where: str) -> None:
    kind = statement.get("predicateType")
    if isinstance(kind, str) and kind != CHANGE_TYPE and kind.startswith(CHANGE_TYPE.rpartition("/")[0]):
        raise HubError(
            f"this change was recorded by a later version ({kind.rpartition('/')[2]})",
            identifier="hub-newer",
            where=where,
            hint="install the version of Breakbulk that made it, or newer",
        )


def _damaged(where: str, why: str) -> IntegrityError:
    return IntegrityError(
        "the record of a change is damaged",
        identifier="change-damaged",
        where=where,
        why=why,
        hint="`breakbulk hub check` tells what else is; restore the object from a mirror",
    )
