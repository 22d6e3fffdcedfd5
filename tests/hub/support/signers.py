"""People with keys, and pushes that they sign: each has a configuration and a store of their own."""

from dataclasses import replace
from pathlib import Path

import msgspec
from changes import ENVIRONMENT, TIME, authorship, blob, following, locked

from breakbulk.hub.hub import Hub
from breakbulk.hub.keys import KeyRing, PublicKey
from breakbulk.hub.layout import object_key
from breakbulk.hub.names import parse_reference
from breakbulk.hub.records import Recorded
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.signing import signed_with, signer
from breakbulk.hub.statements import Envelope
from breakbulk.hub.trust import resolve_trusted
from breakbulk.hub.trusted_keys import TrustedKey, change_trust
from breakbulk.lock.files import encode_lock
from breakbulk.settings import Settings


class Person:
    """Somebody with a machine of their own."""

    def __init__(self, directory: Path, name: str, *, required: bool = True) -> None:
        self.name = name
        self.settings = replace(
            Settings.load({"HOME": str(directory), "PATH": ""}),
            store=directory / name / "store",
            cache=directory / name / "cache",
            configuration=directory / name / "configuration",
            require_signatures=required,
        )
        self.ring = KeyRing(self.settings)
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def begin(self, title: str, **_: object) -> object:
        raise AssertionError(title)

    def with_key(self) -> "Person":
        """Make a key of this person's name."""
        self.ring.make(self.name)
        return self

    @property
    def key(self) -> PublicKey:
        """The key of this person's name."""
        return next(key for key in self.ring.own() if key.name == self.name)

    @property
    def sign(self) -> Signer:
        """What signs for this person."""
        return signer(self.settings)

    def trusts(self, key: PublicKey, *owners: str) -> "Person":
        """Have this person believe a key."""
        change_trust(
            self.settings, lambda trust: trust.trusting(TrustedKey(key=key, owners=owners or ("ada",), since=TIME))
        )
        return self

    def resolve(self, hub: Hub, reference: str = ENVIRONMENT) -> Recorded:
        """Ask what may run here."""
        return resolve_trusted(hub, parse_reference(reference), self.settings, self)  # type: ignore[arg-type]

    def by(self, message: str = "") -> object:
        return authorship(message, author=self.name)


def signed_push(hub: Hub, version: str, sign: Signer = nobody, environment: str = ENVIRONMENT) -> Recorded:
    """Push a lock, signed."""
    lock = locked(version)
    data = encode_lock(lock)
    hub.objects.create(object_key(blob(data).sha256), data)
    recorded = hub.commit(environment, lambda current: following(current, environment, lock), sign)
    assert recorded is not None
    return recorded


def encoded(envelope: Envelope) -> bytes:
    """Return the bytes of an envelope that a test has changed."""
    return msgspec.json.encode(envelope)


__all__ = ["Person", "encoded", "signed_push", "signed_with"]
