"""What a hub says of environments, as values and as bytes.

A **change** is one thing that happened to an environment: a push (which allots the next generation), a switch or a
rollback (which make another generation live). Changes are numbered from 1 without gaps; the last one says which
generation is live and how many there are. Each names the SHA-256 of the one before, so that a history cannot be altered
in the middle, and the digests of everything a machine needs to run the environment.

A change is kept as a statement about the environment's digest (`statements`).
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from breakbulk.hub.statements import Envelope, Subject, damaged_record, decode_statement, encode_statement

__all__ = [
    "CHANGE_TYPE",
    "Authorship",
    "Blob",
    "Change",
    "ChangeKind",
    "PreparedPackage",
    "PreparedSet",
    "Recorded",
    "Summary",
    "decode_recorded",
    "encode_change",
    "new_token",
]

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


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A change as a hub has it: what it says, the envelope it came in, and the SHA-256 of the envelope's bytes."""

    change: Change
    envelope: Envelope
    sha256: str


def encode_change(change: Change) -> bytes:
    """Return the statement about `change`: the payload that is signed. Equal changes give equal bytes."""
    about = Subject(change.environment, change.digest.removeprefix("sha256:"))
    return encode_statement([about], CHANGE_TYPE, change)


def decode_recorded(data: bytes, where: str, *, environment: str, number: int) -> Recorded:
    """Return the change in `data`, found at `where` under the name of change `number` of `environment`.

    Raises:
        IntegrityError: `change-damaged`, it is not a change, or one of another environment or number.
        HubError: `hub-newer`, it was made by a later version of Breakbulk.

    """
    stated = decode_statement(data, where, CHANGE_TYPE, Change, encode_change)
    change = stated.predicate
    if (change.environment, change.number) != (environment, number):
        raise damaged_record(where, f"it says it is change {change.number} of {change.environment}")
    if not change.possible:
        raise damaged_record(where, "its numbers contradict each other")
    return Recorded(change=change, envelope=stated.envelope, sha256=stated.sha256)
