"""Keys: what every kind of place keeps in the same way."""

from pathlib import PurePosixPath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import HubError
from breakbulk.hub.backends.keys import check_key, check_prefix, is_key
from breakbulk.hub.layout import change_key, digest_key, journal_key, object_key, prepared_key, snapshot_key

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "key",
    [
        object_key(DIGEST),
        change_key("ada/tickets.v2", 12),
        digest_key("ada/tickets", f"sha256:{DIGEST}"),
        journal_key("ada/tickets", 99_999_999),
        snapshot_key(1),
        prepared_key(f"{DIGEST[:32]}-libstdc++6-12.2.0-14+deb12u1~bpo", DIGEST),
        "hub.json",
        "collecting",
    ],
)
def test_the_keys_of_a_hub_are_keys(key: str) -> None:
    assert check_key(key) == key


@given(st.text(max_size=40) | st.from_regex(r"[a-z./%#~ -]{0,20}", fullmatch=True))
def test_a_key_stays_below_the_hub_and_means_one_thing(text: str) -> None:
    if not is_key(text):
        with pytest.raises(HubError, match="hub-key-invalid"):
            check_key(text)
        return
    path = PurePosixPath("/hub") / text
    assert str(path) == f"/hub/{text}"
    assert ".." not in path.parts
    assert quote(text, safe="/+.~_@:=,-") == text


@given(st.text(max_size=20))
def test_a_prefix_is_nothing_or_a_key_and_a_slash(text: str) -> None:
    legal = text == "" or (text.endswith("/") and is_key(text[:-1]))
    if legal:
        assert check_prefix(text) == text
    else:
        with pytest.raises(HubError, match="hub-key-invalid"):
            check_prefix(text)
