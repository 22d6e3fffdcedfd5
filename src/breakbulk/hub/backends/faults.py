"""Errors of places, each made in one way: what was asked, of which object, and what can be done about it.

`where` is the place and the key, without credentials; `why` is what the place said, cut to what is safe to repeat.
"""

from __future__ import annotations

from breakbulk.errors import HubError, IntegrityError, NetworkError, NotFoundError

__all__ = [
    "busy",
    "denied",
    "full",
    "missing",
    "no_bucket",
    "not_exclusive",
    "refused",
    "replaced",
    "skewed",
    "too_large",
    "unreachable",
]


def missing(where: str) -> NotFoundError:
    """An object is not there."""
    return NotFoundError(
        "the hub does not have this object",
        identifier="object-missing",
        where=where,
        hint="`breakbulk hub check` tells which environments need it; push one of them again, or mirror it",
    )


def too_large(where: str, size: int, limit_bytes: int) -> HubError:
    """An object is larger than whoever reads it is ready to keep in memory."""
    return HubError(
        "an object of the hub is larger than it may be",
        identifier="object-too-large",
        where=where,
        why=f"it has {size} bytes, at most {limit_bytes} were expected",
        hint="`breakbulk hub check` tells what else is wrong; restore the object from a mirror",
    )


def denied(where: str, why: str) -> HubError:
    """Credentials are missing, wrong, expired or not enough."""
    return HubError(
        "the hub does not permit this",
        identifier="hub-denied",
        where=where,
        why=why,
        hint="see that your credentials are there and allow it: for a directory its permissions, for a bucket the "
        "variables AWS_*, GOOGLE_* or AZURE_*",
    )


def skewed(where: str, why: str) -> HubError:
    """The clock of this machine is so wrong that signatures of requests are not accepted."""
    return HubError(
        "the hub does not accept the time of this machine",
        identifier="hub-denied",
        where=where,
        why=why,
        hint="set the clock of this machine, then run the command again",
    )


def replaced(where: str) -> IntegrityError:
    """Somebody wrote another object over the one that is being read."""
    return IntegrityError(
        "an object of the hub changed while it was read",
        identifier="object-replaced",
        where=where,
        why="objects never change, so whoever did this did not use Breakbulk",
        hint="`breakbulk hub check` tells what else was altered; restore it from a mirror",
    )


def full(where: str, why: str) -> HubError:
    """There is no room."""
    return HubError(
        "the hub is full",
        identifier="hub-full",
        where=where,
        why=why,
        hint="`breakbulk hub gc` removes what nothing refers to; then run the command again",
    )


def refused(where: str, why: str) -> HubError:
    """The place cannot do, or will not do, what every hub must."""
    return HubError(
        "this place cannot be a hub as it is",
        identifier="hub-refused",
        where=where,
        why=why,
        hint="see the documentation of hubs for what a place must be able to do",
    )


def no_bucket(where: str) -> HubError:
    """The bucket of the address is not there."""
    return HubError(
        "there is no such bucket",
        identifier="hub-bucket-missing",
        where=where,
        hint="make the bucket, or correct the address of the hub or its endpoint",
    )


def not_exclusive(where: str, why: str) -> HubError:
    """The place cannot tell which of two writers was first, so generations would be lost."""
    return HubError(
        "this place does not keep two pushes apart",
        identifier="hub-not-exclusive",
        where=where,
        why=why,
        hint="it must honour `If-None-Match: *` when an object is written, as S3, Google Cloud Storage and Azure do; "
        "take a newer version of its server, or put `breakbulk hub serve` in front of a directory",
    )


def busy(where: str, why: str) -> NetworkError:
    """The place answers that it has too much to do; tried again until there was no point."""
    return NetworkError(
        "the hub has too much to do",
        identifier="hub-busy",
        where=where,
        why=why,
        hint="run the command again later: it goes on where it ended",
    )


def unreachable(where: str, why: str) -> NetworkError:
    """The place does not answer, or breaks off."""
    return NetworkError(
        "the hub cannot be reached",
        identifier="hub-unreachable",
        where=where,
        why=why,
        hint="see that the address is right and the network works, then run the command again: it goes on where it "
        "ended",
    )
