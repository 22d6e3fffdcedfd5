"""What we sign others can verify, and the reverse; a fixed vector keeps what was signed yesterday good tomorrow."""

import base64
import json
from pathlib import Path

import msgspec
import pytest
from changes import ENVIRONMENT, following
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as LibraryEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey
from signers import Person, signed_push

from breakbulk.hub.hub import Hub
from breakbulk.hub.keys import PublicKey
from breakbulk.hub.layout import change_key
from breakbulk.hub.records import decode_recorded, encode_change
from breakbulk.hub.signing import is_signed_by
from breakbulk.hub.statements import PAYLOAD_TYPE, Envelope, Signature, encode_envelope

VECTOR = Path(__file__).parent / "data" / "signed-change.json"
VECTOR_KEY = PublicKey(name="vector", public="d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


@pytest.fixture
def ada(tmp_path: Path) -> Person:
    return Person(tmp_path, "ada").with_key()


def library_key(key: PublicKey) -> SSlibKey:
    return SSlibKey(key.id, "ed25519", "ed25519", {"public": key.public})


def test_securesystemslib_verifies_what_we_sign(hub: Hub, ada: Person) -> None:
    signed_push(hub, "a", ada.sign)
    envelope = LibraryEnvelope.from_dict(json.loads(hub.objects.get(change_key(ENVIRONMENT, 1))))
    assert list(envelope.verify([library_key(ada.key)], 1)) == [ada.key.id]
    statement = json.loads(envelope.payload)
    assert envelope.payload_type == "application/vnd.in-toto+json"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["name"] == ENVIRONMENT
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([library_key(ada.key)], 1)


def test_we_verify_what_securesystemslib_signs(hub: Hub) -> None:
    signer = CryptoSigner.generate_ed25519()
    key = PublicKey(name="theirs", public=signer.public_key.keyval["public"])
    made = LibraryEnvelope(encode_change(following(None)), PAYLOAD_TYPE, {})
    made.sign(signer)
    envelope = msgspec.convert(made.to_dict(), Envelope)
    (signature,) = envelope.signatures
    assert signature.keyid == key.id
    assert is_signed_by(envelope, signature, key)


def test_the_vector_verifies() -> None:
    """Made once from the key of RFC 8032's first test, whose private half everybody knows."""
    recorded = decode_recorded(VECTOR.read_bytes(), "vector", environment=ENVIRONMENT, number=1)
    (signature,) = recorded.envelope.signatures
    assert is_signed_by(recorded.envelope, signature, VECTOR_KEY)
    assert recorded.change.token == "0011223344556677"


@given(st.binary(max_size=80), st.text(max_size=100), st.text(max_size=70))
def test_no_rubbish_is_a_signature(payload: bytes, sig: str, keyid: str) -> None:
    envelope = msgspec.json.decode(encode_envelope(payload), type=Envelope)
    for signature in (
        Signature(keyid=keyid, sig=sig),
        Signature(keyid=VECTOR_KEY.id, sig=sig),
        Signature(keyid=VECTOR_KEY.id, sig=base64.b64encode(sig.encode()).decode()),
    ):
        assert not is_signed_by(envelope, signature, VECTOR_KEY)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_signature_is_of_one_payload(one: bytes, other: bytes) -> None:
    signer = CryptoSigner.generate_ed25519()
    key = PublicKey(name="k", public=signer.public_key.keyval["public"])
    made = LibraryEnvelope(one, PAYLOAD_TYPE, {})
    made.sign(signer)
    (signature,) = msgspec.convert(made.to_dict(), Envelope).signatures
    envelope = msgspec.json.decode(encode_envelope(other), type=Envelope)
    assert is_signed_by(envelope, signature, key) is (one == other)
