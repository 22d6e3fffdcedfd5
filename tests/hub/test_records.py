import base64
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from changes import ENVIRONMENT, following
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import BreakbulkError, HubError, IntegrityError
from breakbulk.hub.records import CHANGE_TYPE, Blob, Change, Recorded, decode_recorded, encode_change
from breakbulk.hub.statements import Signature, encode_envelope

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
BLOBS = st.builds(Blob, sha256=HEX, size=st.integers(0, 1 << 50))
TIMES = st.integers(0, 4_000_000_000_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Any change that can be."""
    number = draw(st.integers(1, 99_999_999))
    generations = draw(st.integers(1, number)) if number > 1 else 1
    kind = draw(st.sampled_from(["push", "switch", "rollback"])) if number > 1 else "push"
    return Change(
        environment=ENVIRONMENT,
        number=number,
        kind=kind,
        generation=generations if kind == "push" else draw(st.integers(1, generations)),
        generations=generations,
        previous=draw(st.integers(1, generations)) if number > 1 else None,
        parent=draw(HEX) if number > 1 else None,
        digest="sha256:" + draw(HEX),
        lock=draw(BLOBS),
        manifest=draw(st.none() | BLOBS),
        prepared=draw(st.dictionaries(st.sampled_from(["x86_64-linux", "aarch64-linux"]), BLOBS)),
        archives=tuple(draw(st.lists(BLOBS, max_size=3))),
        author=draw(TEXTS),
        host=draw(TEXTS),
        command=draw(TEXTS),
        message=draw(TEXTS),
        about=draw(TEXTS),
        time=draw(TIMES),
        installs=tuple(draw(st.lists(TEXTS, max_size=3))),
        packages=draw(st.integers(0, 10_000)),
    )


SIGNATURES = st.lists(st.builds(Signature, keyid=HEX, sig=st.just("c2ln")), max_size=2).map(tuple)


def decoded(data: bytes, number: int = 1) -> Recorded:
    return decode_recorded(data, "somewhere", environment=ENVIRONMENT, number=number)


@given(changes(), SIGNATURES)
def test_what_is_recorded_is_read(change: Change, signatures: tuple[Signature, ...]) -> None:
    recorded = decoded(encode_envelope(encode_change(change), signatures), change.number)
    assert recorded.change == change
    assert recorded.envelope.signatures == signatures
    assert base64.b64decode(recorded.envelope.payload) == encode_change(change)


@given(changes(), st.data())
def test_a_payload_that_was_altered_is_refused_or_another_change(change: Change, data: st.DataObject) -> None:
    payload = bytearray(encode_change(change))
    position = data.draw(st.integers(0, len(payload) - 1))
    payload[position] ^= data.draw(st.integers(1, 255))
    try:
        recorded = decoded(encode_envelope(bytes(payload)), change.number)
    except (IntegrityError, HubError) as error:
        refusal = error.reference
    else:
        refusal = "none" if recorded.change == change else "another-change"
    assert refusal in {"change-damaged", "hub-newer", "another-change"}


@given(changes(), st.data())
def test_a_record_that_was_cut_off_is_refused(change: Change, data: st.DataObject) -> None:
    encoded = encode_envelope(encode_change(change))
    with pytest.raises(IntegrityError) as error:
        decoded(encoded[: data.draw(st.integers(0, len(encoded) - 1))], change.number)
    assert error.value.reference == "change-damaged"
    assert error.value.where == "somewhere"


@given(st.binary() | st.text().map(str.encode))
def test_whatever_is_there_instead_is_refused(data: bytes) -> None:
    with pytest.raises(BreakbulkError):
        decoded(data)


def statement(**altered: Any) -> bytes:
    values = json.loads(encode_change(following(None)))
    for name, value in altered.items():
        if name in values:
            values[name] = value
        else:
            values["predicate"][name.replace("_", "-")] = value
    return encode_envelope(msgspec.json.encode(values, order="sorted"))


def test_the_record_of_the_tests_is_read_when_nothing_is_altered() -> None:
    assert decoded(statement()).change.environment == ENVIRONMENT


@pytest.mark.parametrize(
    "altered",
    [
        {"number": 2},
        {"number": 0},
        {"environment": "eve/tickets"},
        {"generation": 2},
        {"generations": 2},
        {"generation": "1"},
        {"kind": "delete"},
        {"kind": "switch"},
        {"digest": "sha256:" + "0" * 64},
        {"digest": "md5:1"},
        {"lock": {"sha256": "../../etc/passwd", "size": 1}},
        {"lock": {"sha256": "0" * 64, "size": -1}},
        {"lock": {"sha256": "0" * 64 + "\n", "size": 1}},
        {"time": "2026-01-02T03:04:05"},
        {"time": "yesterday"},
        {"parent": "0" * 64},
        {"previous": 1},
        {"unheard_of": 1},
        {"subject": []},
        {"_type": "https://in-toto.io/Statement/v9"},
        {"predicateType": "https://example.org/other"},
    ],
    ids=str,
)
def test_a_statement_that_cannot_be_is_refused(altered: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError) as error:
        decoded(statement(**altered))
    assert error.value.reference == "change-damaged"


def test_a_record_of_a_later_version_says_so() -> None:
    with pytest.raises(HubError) as error:
        decoded(statement(predicateType=CHANGE_TYPE.replace("/v1", "/v2"), wholly="new"))
    assert error.value.reference == "hub-newer"
    assert "v2" in error.value.message


def test_two_changes_are_never_the_same_bytes() -> None:
    assert encode_change(following(None)) != encode_change(following(None))


def test_a_deeply_nested_record_is_refused() -> None:
    with pytest.raises(IntegrityError):
        decoded(encode_envelope(b'{"a":' * 100_000))


def test_a_summary_has_the_message_of_the_push() -> None:
    assert following(None, message="first").summary(signed=True).message == "first"
    back = {"kind": "rollback", "message": "oh", "about": "first"}
    assert following(None, **back).summary(signed=False).message == "first"
