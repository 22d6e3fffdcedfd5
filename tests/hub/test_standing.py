"""The rules of what a key is worth, read as who says what of whom."""

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from changes import TIME
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from breakbulk.hub.key_statements import KeyStatement, SignedStatement, encode_key_statement
from breakbulk.hub.keys import KeyPair, PublicKey
from breakbulk.hub.signing import signed_with
from breakbulk.hub.standing import standings
from breakbulk.hub.statements import Envelope
from breakbulk.hub.trusted_keys import RevokedKey, Trust, TrustedKey


@cache
def pair(name: str) -> KeyPair:
    signer = CryptoSigner.generate_ed25519()
    return KeyPair(PublicKey(name=name, public=signer.public_key.keyval["public"]), signer)


def key(name: str) -> PublicKey:
    return pair(name).public


def said(statement: KeyStatement, *signers: str, number: int = 1, here: bool = True) -> SignedStatement:
    payload = encode_key_statement(statement)
    envelope = Envelope(
        payload=base64.b64encode(payload).decode(), signatures=signed_with([pair(name) for name in signers])(payload)
    )
    return SignedStatement(statement=statement, envelope=envelope, about=statement.key.id, number=number, here=here)


def rotation(old: str, new: str, *signers: str, **options: Any) -> SignedStatement:
    statement = KeyStatement(kind="rotation", key=key(old), successor=key(new), author="ada", time=TIME)
    return said(statement, *(signers or (old, new)), **options)


def revocation(name: str, *signers: str, **options: Any) -> SignedStatement:
    return said(KeyStatement(kind="revocation", key=key(name), author="ada", time=TIME), *signers, **options)


def worth(trusted: str, *statements: SignedStatement, revoked: str = "") -> Mapping[str, str]:
    """Return what keys are worth by their names, where `trusted` names those that are believed."""
    trust = Trust(
        keys=tuple(TrustedKey(key=key(name), owners=("ada",), since=TIME) for name in trusted.split()),
        revoked={key(name).id: RevokedKey(name=name, since=TIME) for name in revoked.split()},
    )
    found = standings("ada", trust, (), statements)
    return {standing.key.name: standing.worth for standing in found.values()}


def test_a_key_is_believed_for_the_owners_it_is_listed_for() -> None:
    trust = Trust(keys=(TrustedKey(key=key("a"), owners=("team-*",), since=TIME),))
    assert standings("team-desk", trust, (), ())[key("a").id].worth == "believed"
    assert standings("ada", trust, (), ())[key("a").id].worth == "unknown"
    assert standings("ada", trust, (key("a"),), ())[key("a").id].worth == "believed"


def test_a_rotation_is_made_by_both_keys() -> None:
    assert worth("a", rotation("a", "b")) == {"a": "retired", "b": "believed"}
    assert worth("a", rotation("a", "b", "a")) == {"a": "believed", "b": "unknown"}
    assert worth("a", rotation("a", "b", "b")) == {"a": "believed", "b": "unknown"}
    assert worth("", rotation("a", "b")) == {"a": "unknown", "b": "unknown"}


def test_rotations_are_followed_one_after_the_other() -> None:
    found = worth("a", rotation("b", "c"), rotation("a", "b"), rotation("c", "d"))
    assert found == {"a": "retired", "b": "retired", "c": "retired", "d": "believed"}


def test_the_first_rotation_of_a_key_holds() -> None:
    found = worth("a", rotation("a", "thief", number=2), rotation("a", "b", number=1))
    assert found == {"a": "retired", "b": "believed", "thief": "unknown"}


def test_a_rotation_is_of_one_hub() -> None:
    assert worth("a", rotation("a", "b", here=False)) == {"a": "believed", "b": "unknown"}


def test_a_retired_key_has_no_say_over_others() -> None:
    assert worth("a", rotation("a", "b"), rotation("x", "thief", "a", "thief"))["thief"] == "unknown"
    assert worth("a", rotation("a", "b"), revocation("b", "a"))["b"] == "believed"
    assert worth("a", revocation("b", "a"), rotation("c", "b", "a", "b"))["b"] == "revoked"  # a is in use there


def test_a_revocation_is_signed_by_the_key_or_by_one_that_is_believed() -> None:
    assert worth("a b", revocation("a", "a")) == {"a": "revoked", "b": "believed"}
    assert worth("a b", revocation("a", "b")) == {"a": "revoked", "b": "believed"}
    assert worth("a", revocation("a", "stranger"))["a"] == "believed"
    assert worth("a", revocation("a"))["a"] == "believed"
    assert worth("a", revocation("a", "a", here=False))["a"] == "revoked"


def test_the_word_of_a_revoked_key_counts_for_nothing() -> None:
    assert worth("a", rotation("a", "b"), revocation("a", "a")) == {"a": "revoked", "b": "unknown"}
    assert worth("a b", revocation("b", "a"), revoked="a") == {"a": "revoked", "b": "believed"}
    assert worth("a", rotation("a", "b"), revoked="b") == {"a": "retired", "b": "revoked"}


def test_two_that_revoke_each_other_are_both_revoked() -> None:
    assert worth("a b", revocation("a", "b"), revocation("b", "a")) == {"a": "revoked", "b": "revoked"}


def test_a_successor_that_another_believed_key_introduced_outlives_the_old_key() -> None:
    introduced = rotation("a", "b", "a", "b", "backup")
    assert worth("a backup", introduced, revocation("a", "a"))["b"] == "believed"


def test_a_copy_without_signatures_takes_nothing_away() -> None:
    good = rotation("a", "b", number=2)
    stripped = msgspec.structs.replace(good, envelope=Envelope(payload=good.envelope.payload), number=1)
    assert worth("a", stripped, good)["b"] == "believed"


NAMES = ("a", "b", "c", "thief")


@given(
    st.lists(
        st.one_of(
            st.builds(
                lambda old, new, signers, number: rotation(old, new, *signers, "thief", number=number),
                st.sampled_from(NAMES),
                st.sampled_from(NAMES),
                st.sets(st.just("thief")),
                st.integers(1, 3),
            ),
            st.builds(lambda name: revocation(name, "thief"), st.sampled_from(NAMES)),
        ),
        max_size=5,
    )
)
def test_whatever_a_stranger_says_changes_nothing(statements: list[SignedStatement]) -> None:
    honest = [rotation("a", "b")]
    expected = {"a": "retired", "b": "believed"}
    found = worth("a", *honest, *statements)
    assert {name: found[name] for name in expected} == expected
    assert found.get("thief", "unknown") in {"unknown", "revoked"}
    assert found.get("c", "unknown") == "unknown"
