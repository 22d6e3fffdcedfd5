from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import HubError, UsageError
from breakbulk.hub.service.tokens import check_usable, digest_of, identifier_of, mint, parse_duration

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make(**changes):
    values = {"subject": "ada", "owners": ("ada", "team-*"), "verbs": ("read", "push"), "lifetime": timedelta(days=1)}
    return mint(**(values | {"now": NOW} | changes))


def test_a_token_permits_its_verbs_for_its_owners() -> None:
    token, _ = make()
    assert token.permits("push", "ada")
    assert token.permits("push", "team-data")
    assert token.permits("push")
    assert not token.permits("push", "bob")
    assert not token.permits("push", "team")
    assert not token.permits("switch", "ada")


def test_a_token_ends_when_it_was_said_to() -> None:
    token, _ = make()
    check_usable(token, NOW + timedelta(hours=23, minutes=59))
    with pytest.raises(HubError, match="token-expired"):
        check_usable(token, NOW + timedelta(days=1))
    never, _ = make(lifetime=None)
    check_usable(never, NOW + timedelta(days=10_000))


def test_texts_are_not_to_be_guessed() -> None:
    texts = {make()[1] for _ in range(100)}
    assert len(texts) == 100
    assert all(len(text.split("_", 2)[2]) == 43 for text in texts)
    token, text = make()
    assert identifier_of(text) == token.identifier
    assert text.encode() not in digest_of(text)


@given(st.text(max_size=100))
def test_other_texts_are_no_tokens(text: str) -> None:
    assert identifier_of(text) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"verbs": ()},
        {"verbs": ("read", "write")},
        {"owners": ("",)},
        {"owners": ("Ada",)},
        {"owners": ("a/b",)},
        {"subject": ""},
        {"subject": "a\nb"},
        {"subject": "x" * 129},
    ],
)
def test_what_cannot_be_a_token_is_refused(changes) -> None:
    with pytest.raises(UsageError, match="token-invalid"):
        make(**changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12h", timedelta(hours=12)), ("30d", timedelta(days=30)), ("2w", timedelta(days=14)), ("never", None)],
)
def test_durations(text: str, expected: timedelta | None) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "30m", "\u0663d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="token-invalid"):
        parse_duration(text)
