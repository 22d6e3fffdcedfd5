"""Replace and revoke signing keys: here at once, and on the hub for all who believe them.

A rotation can be killed anywhere and run again: the successor lies ready as `NAME.next` until the statement is on the
hub, and only then changes places with the old key. A revocation holds on this machine before the hub is asked.
Counterparts: `key_statements`, what is published; `standing`, what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from breakbulk.errors import HubError, NotFoundError
from breakbulk.hub.hub import Hub
from breakbulk.hub.key_statements import Anchor, KeyStatement, KeyStatements, publish_statement
from breakbulk.hub.keys import KeyRing, PublicKey
from breakbulk.hub.packages import PublishedPackages, RecordedPublication
from breakbulk.hub.records import Authorship, Recorded
from breakbulk.hub.signing import signed_with
from breakbulk.hub.trusted_keys import RevokedKey, change_trust, read_trust
from breakbulk.settings import Settings
from breakbulk.store.milestones import passed

__all__ = ["Rotated", "find_key", "revoke", "rotate"]

_READERS = 16


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """The old key, its successor, and how many environments the old one stays good for."""

    old: PublicKey
    new: PublicKey
    environments: int


def rotate(
    hub: Hub,
    ring: KeyRing,
    name: str,
    by: Authorship,
    settings: Settings,
    *,
    passphrase: bytes | None = None,
    also: Sequence[PublicKey] = (),
) -> Rotated:
    """Replace the own key `name` by a new one of that name.

    Args:
        hub: Where both keys say so.
        ring: The user's keys.
        name: Of the key.
        by: Who does it.
        settings: They name the store.
        passphrase: Of the new key; None for none.
        also: Further own keys that sign the rotation, so that it holds though the old key be revoked.

    Raises:
        NotFoundError: `signing-key-unknown`.
        HubError: `key-rotated-already`, somebody with the same private key was quicker; and as the backend.
        UsageError, StoreError: As `KeyRing`.

    """
    own = {key.name: key for key in ring.own()}
    following = f"{name}.next"
    if name not in own and following in own:
        return _finished(ring, name, own[following])
    if name not in own:
        raise _unknown(name)
    old, new = own[name], own.get(following) or ring.make(following, passphrase)
    passed("successor-made")
    named = msgspec.structs.replace(new, name=name)
    statement = _published(hub, settings, old, named)
    if statement is None:
        published = PublishedPackages(hub.objects)
        statement = KeyStatement(
            kind="rotation",
            key=old,
            successor=named,
            anchors=_anchors(hub.environments(), hub.recorded),
            packages=_anchors(published.names(), published.recorded),
            author=by.author,
            time=by.time,
            reason=by.message,
        )
        sign = signed_with([ring.pair(old), ring.pair(new), *map(ring.pair, also)])
        publish_statement(hub.objects, statement, sign, about=(old, named))
        _published(hub, settings, old, named)  # so that this machine remembers it too
    passed("rotation-published")
    ring.retire(old)
    passed("old-key-retired")
    ring.rename(new, name)
    return Rotated(old=old, new=named, environments=len(statement.anchors))


def revoke(
    hub: Hub | None, ring: KeyRing, key: PublicKey, by: Authorship, settings: Settings, *, also: Sequence[PublicKey]
) -> bool:
    """Believe a key no more, and tell the hub so; return whether anybody could sign that for the hub.

    Args:
        hub: Where to say so; None says it here only.
        ring: The user's keys: the key itself signs if it is there, and `also`.
        key: Which.
        by: Who does it.
        settings: They name the list of trusted keys.
        also: Own keys that sign the revocation.

    """
    entry = RevokedKey(name=key.name, since=by.time, reason=by.message)
    change_trust(settings, lambda trust: trust.revoking(key.id, entry))
    passed("revoked-here")
    mine = next((each for each in (*ring.own(), *ring.former()) if each.id == key.id), None)
    signers = [each for each in (mine, *also) if each is not None]
    if hub is not None and signers:
        statement = KeyStatement(kind="revocation", key=key, author=by.author, time=by.time, reason=by.message)
        publish_statement(hub.objects, statement, signed_with([ring.pair(each) for each in signers]), about=(key,))
        KeyStatements(hub.objects, hub.url, settings.store).about(key.id)  # so that this machine remembers it too
        passed("revocation-published")
    if mine in ring.own():
        ring.retire(key)
    return hub is not None and bool(signers)


def find_key(settings: Settings, ring: KeyRing, name: str) -> PublicKey:
    """Return the own or trusted key with this name, id or beginning of an id; raise `NotFoundError`."""
    trusted = (each.key for each in read_trust(settings).keys)
    found = ring.find(name) or next(
        (key for key in trusted if key.name == name or (len(name) >= 8 and key.id.startswith(name))), None
    )
    if found is None:
        raise _unknown(name)
    return found


def _finished(ring: KeyRing, name: str, new: PublicKey) -> Rotated:
    """Bring to its end a rotation that was killed after the old key was retired."""
    ring.rename(new, name)
    former = max(
        (key for key in ring.former() if key.name.startswith(f"{name}-")),
        key=lambda key: (ring.retired / f"{key.name}.pub").stat().st_mtime,
        default=new,
    )
    return Rotated(old=former, new=msgspec.structs.replace(new, name=name), environments=0)


def _published(hub: Hub, settings: Settings, old: PublicKey, new: PublicKey) -> KeyStatement | None:
    """Return our rotation if it is on the hub already; raise `HubError` when there is one to another key."""
    for signed in KeyStatements(hub.objects, hub.url, settings.store).about(old.id):
        statement = signed.statement
        if not signed.here or statement.key.id != old.id or statement.successor is None:
            continue
        if statement.successor.id == new.id:
            return statement
        raise HubError(
            f"the key {old.name} has been replaced on this hub already, by another one",
            identifier="key-rotated-already",
            where=hub.url,
            why=f"the successor is {statement.successor.id}",
            hint=f"unless that is yours, somebody has your private key: `breakbulk key revoke {old.name}`, make a new "
            "key, and give it to all who trust you",
        )
    return None


def _anchors(
    newest: Mapping[str, int], recorded: Callable[[str, int], Recorded | RecordedPublication]
) -> dict[str, Anchor]:
    """Return the newest change of every history that can be seen."""
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda item: recorded(*item), newest.items())
        return {
            name: Anchor(number=number, sha256=each.sha256)
            for (name, number), each in zip(newest.items(), found, strict=True)
        }


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(
        f"there is no key {name}",
        identifier="signing-key-unknown",
        hint="`breakbulk key list` shows yours and those you trust",
    )
