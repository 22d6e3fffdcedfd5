"""Any statement is read as it was written, and nothing that is not as we would write it passes for one."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import HubError, IntegrityError
from breakbulk.hub.statements import (
    Signature,
    Stated,
    Subject,
    decode_statement,
    encode_envelope,
    encode_statement,
)

KIND = "https://breakbulk.dev/greeting/v1"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


class Greeting(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to state."""

    word: str
    times: int = 1


GREETINGS = st.builds(Greeting, word=TEXTS, times=st.integers(-(1 << 40), 1 << 40))


def encode(greeting: Greeting) -> bytes:
    return encode_statement([Subject(greeting.word, "a" * 64)], KIND, greeting)


def decoded(data: bytes) -> Stated[Greeting]:
    return decode_statement(data, "somewhere", KIND, Greeting, encode)


@given(GREETINGS, st.lists(st.builds(Signature, keyid=TEXTS, sig=TEXTS), max_size=2).map(tuple))
def test_what_is_stated_is_read(greeting: Greeting, signatures: tuple[Signature, ...]) -> None:
    stated = decoded(encode_envelope(encode(greeting), signatures))
    assert (stated.predicate, stated.envelope.signatures) == (greeting, signatures)


def test_the_payload_is_an_in_toto_statement() -> None:
    envelope = json.loads(encode_envelope(encode(Greeting("hello"))))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert json.loads(base64.b64decode(envelope["payload"])) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "hello", "digest": {"sha256": "a" * 64}}],
        "predicateType": KIND,
        "predicate": {"word": "hello"},
    }


@pytest.mark.parametrize(
    "altered",
    [
        {"_type": "https://in-toto.io/Statement/v9"},
        {"subject": []},
        {"subject": [{"name": "hello", "digest": {"sha256": "b" * 64}}]},
        {"predicateType": "https://example.org/other"},
        {"predicateType": "https://breakbulk.dev/greetings/v2"},
        {"predicateType": 1},
        {"predicate": {"word": "hello", "times": 1}},
        {"predicate": {"word": "hello", "more": True}},
        {"predicate": None},
        {"more": True},
    ],
    ids=str,
)
def test_what_is_not_as_we_would_write_it_is_damaged(altered: dict[str, Any]) -> None:
    statement = json.loads(encode(Greeting("hello"))) | altered
    with pytest.raises(IntegrityError) as error:
        decoded(encode_envelope(msgspec.json.encode(statement, order="sorted")))
    assert (error.value.reference, error.value.where) == ("change-damaged", "somewhere")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"payload":"*"}', b'{"payload":"e30="}', encode_envelope(b'{"a":' * 100_000)]
)
def test_what_is_no_statement_is_damaged(data: bytes) -> None:
    with pytest.raises(IntegrityError) as error:
        decoded(data)
    assert error.value.reference == "change-damaged"


def test_a_later_version_is_told_from_damage() -> None:
    statement = json.loads(encode(Greeting("hello"))) | {"predicateType": KIND.replace("/v1", "/v2"), "predicate": []}
    with pytest.raises(HubError) as error:
        decoded(encode_envelope(msgspec.json.encode(statement)))
    assert error.value.reference == "hub-newer"
    assert "v2" in error.value.message
