"""Sign statements, and tell whether a signature is that of a key: DSSE over ed25519.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md (v1). What is signed is the type and the payload
together, so that no statement can pass for one of another kind. securesystemslib signs; it is not asked to verify,
which happens on the way to a command: importing it takes longer than everything else there. The tests compare both
ways with its own envelopes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence

from breakbulk.errors import NotFoundError
from breakbulk.hub.configuration import read_configuration
from breakbulk.hub.keys import KeyPair, KeyRing, PublicKey
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.statements import PAYLOAD_TYPE, Envelope, Signature, payload_of
from breakbulk.settings import Settings

__all__ = ["chosen_key", "is_signed_by", "signed_with", "signer"]


def signer(settings: Settings, name: str | None = None, ask: Callable[[str], bytes] | None = None) -> Signer:
    """Return what signs for this user: the key `name`, else the configured one, else the only one, else nobody.

    The private key is read now, so that what is wrong with it shows before anything is sent.

    Raises:
        NotFoundError: `signing-key-unknown`.
        UsageError, IntegrityError: As `KeyRing.pair`.

    """
    ring = KeyRing(settings, ask)
    key = chosen_key(settings, name)
    return signed_with([ring.pair(key)]) if key else nobody


def chosen_key(settings: Settings, name: str | None = None) -> PublicKey | None:
    """Return the key that signs, None for nobody; raise `NotFoundError` `signing-key-unknown`."""
    own = KeyRing(settings).own()
    wanted = name or read_configuration(settings).signing_key
    if wanted is None:
        return own[0] if len(own) == 1 else None
    found = next((key for key in own if wanted in {key.name, key.id}), None)
    if found is None:
        raise NotFoundError(
            f"there is no signing key {wanted}",
            identifier="signing-key-unknown",
            where=str(settings.configuration / "keys"),
            hint=f"`breakbulk key list` shows yours; `breakbulk key new {wanted}` makes it",
        )
    return found


def signed_with(pairs: Sequence[KeyPair]) -> Signer:
    """Return what signs with each of these keys."""

    def sign(payload: bytes) -> tuple[Signature, ...]:
        data = _encoding(payload)
        return tuple(Signature(keyid=pair.public.id, sig=base64.b64encode(pair.sign(data)).decode()) for pair in pairs)

    return sign


def is_signed_by(envelope: Envelope, signature: Signature, key: PublicKey) -> bool:
    """Say whether `signature` is one of `key` over what is in `envelope`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if envelope.payloadType != PAYLOAD_TYPE or signature.keyid != key.id:
        return False
    try:
        data = base64.b64decode(signature.sig, validate=True)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public)).verify(data, _encoding(payload_of(envelope)))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _encoding(payload: bytes) -> bytes:
    """Return the pre-authentication encoding of a payload: what is signed."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
