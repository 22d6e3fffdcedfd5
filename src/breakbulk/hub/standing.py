"""What the signature of a key is worth for an owner's environments: the rules, pure.

    believed   listed for the owner in `trust.json`, or one's own; or successor of such a key by a rotation that the
               successor signed, and a key that is believed
    revoked    this machine says so; or a revocation signed by the key itself, or by a believed one that is not retired
    retired    believed, and replaced: good for what the rotation's anchors reach, and for nothing else

What a revoked key has signed counts for nothing, its rotation too: whoever stole it can have made one. So the successor
of a *stolen* key has to be trusted by hand, or be introduced by another believed key that signed the rotation as well.
Of several rotations of one key the first holds. If two believed keys revoke each other, both are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from breakbulk.hub.key_statements import KeyStatement, SignedStatement
from breakbulk.hub.keys import PublicKey
from breakbulk.hub.signing import is_signed_by
from breakbulk.hub.statements import Envelope
from breakbulk.hub.trusted_keys import Trust, covers

__all__ = ["Standing", "Worth", "standings"]

Worth = Literal["believed", "retired", "revoked", "unknown"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is worth: the key as it is known here, and of a retired one its rotation."""

    key: PublicKey
    worth: Worth
    rotation: KeyStatement | None = None


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A statement, and whose signatures on it are right."""

    signed: SignedStatement
    signers: frozenset[str]

    @property
    def statement(self) -> KeyStatement:
        return self.signed.statement


def standings(
    owner: str, trust: Trust, own: Iterable[PublicKey], statements: Sequence[SignedStatement]
) -> Mapping[str, Standing]:
    """Return what every key that is known here is worth for `owner`, by key id.

    Args:
        owner: Of the environments.
        trust: Whom this machine believes.
        own: The user's own keys, believed for everybody.
        statements: All that are known, of each key in the order of their numbers.

    """
    roots = {each.key.id: each.key for each in trust.keys if covers(each.owners, owner)}
    roots |= {key.id: key for key in own}
    known = _known(trust, roots, statements)
    seen = [_Seen(signed=signed, signers=_signers(signed, known)) for signed in _unique(statements)]
    revoked = {each.statement.key.id for each in seen if _is_revocation(each) and each.statement.key.id in each.signers}
    revoked |= trust.revoked.keys()
    rotations = _rotations(seen)
    believed = _believed(roots, revoked, rotations, seen)
    speakers = believed - rotations.keys()
    revoked |= {each.statement.key.id for each in seen if _is_revocation(each) and each.signers & speakers}
    believed = _believed(roots, revoked, rotations, seen)
    return {
        key.id: Standing(key=key, worth=_worth(key.id, believed, revoked, rotations), rotation=rotations.get(key.id))
        for key in known.values()
    }


def _known(trust: Trust, roots: Mapping[str, PublicKey], statements: Iterable[SignedStatement]) -> dict[str, PublicKey]:
    """Return every key that has been shown, by id; what one's own lists call it goes before what others do."""
    shown: dict[str, PublicKey] = {}
    for signed in statements:
        for key in (signed.statement.key, signed.statement.successor):
            if key is not None:
                shown.setdefault(key.id, key)
    return shown | {each.key.id: each.key for each in trust.keys} | dict(roots)


def _signers(signed: SignedStatement, known: Mapping[str, PublicKey]) -> frozenset[str]:
    return frozenset(
        signature.keyid
        for signature in signed.envelope.signatures
        if signature.keyid in known and is_signed_by(signed.envelope, signature, known[signature.keyid])
    )


def _unique(statements: Iterable[SignedStatement]) -> list[SignedStatement]:
    """Drop copies, as a rotation is kept with both keys; the number it has with the old key goes before."""
    found: dict[tuple[Envelope, bool], SignedStatement] = {}
    for signed in sorted(statements, key=lambda each: (each.about != each.statement.key.id, each.number)):
        found.setdefault((signed.envelope, signed.here), signed)
    return list(found.values())


def _is_revocation(seen: _Seen) -> bool:
    return seen.statement.kind == "revocation"


def _rotations(seen: Iterable[_Seen]) -> dict[str, KeyStatement]:
    """Return the first rotation of each key that it signed itself."""
    rotations: dict[str, KeyStatement] = {}
    for each in seen:
        if _is_rotation(each) and each.statement.key.id in each.signers:
            rotations.setdefault(each.statement.key.id, each.statement)
    return rotations


def _is_rotation(seen: _Seen) -> bool:
    """Say whether it is a rotation on this hub that the successor agreed to."""
    successor = seen.statement.successor
    return seen.signed.here and successor is not None and successor.id in seen.signers


def _believed(
    roots: Mapping[str, PublicKey], revoked: set[str], rotations: Mapping[str, KeyStatement], seen: Iterable[_Seen]
) -> set[str]:
    """Return the keys that are believed: the roots, and whom they introduce, and so on."""
    believed = roots.keys() - revoked
    introductions = [each for each in seen if _is_rotation(each)]
    while True:
        introduced = {
            each.statement.successor.id
            for each in introductions
            if each.statement.successor and _introduces(each, believed, rotations)
        }
        if introduced - revoked <= believed:
            return believed
        believed |= introduced - revoked


def _introduces(seen: _Seen, believed: set[str], rotations: Mapping[str, KeyStatement]) -> bool:
    """Say whether a believed key introduces the successor: one in use, or the old key, whose first rotation it is."""
    in_use = believed - rotations.keys()
    first = rotations.get(seen.statement.key.id) == seen.statement and seen.statement.key.id in believed
    return first or bool(seen.signers & in_use)


def _worth(key_id: str, believed: set[str], revoked: set[str], rotations: Mapping[str, KeyStatement]) -> Worth:
    if key_id in revoked:
        return "revoked"
    if key_id not in believed:
        return "unknown"
    return "retired" if key_id in rotations else "believed"
