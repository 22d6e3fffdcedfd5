import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import NotFoundError
from breakbulk.hub.backends.keys import is_key
from breakbulk.hub.layout import (
    change_key,
    digest_key,
    elsewhere_prefix,
    journal_key,
    object_key,
    prepared_key,
    publication_key,
    snapshot_key,
)
from breakbulk.hub.service.keys import parse_key, parse_prefix

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("key", "family", "owner"),
    [
        (object_key(SHA), "content", None),
        (prepared_key("0123-libstdc++6-12.2~bpo", SHA), "prepared", None),
        (change_key("ada/tickets", 7), "change", "ada"),
        (digest_key("ada/tickets", f"sha256:{SHA}"), "digest", "ada"),
        (elsewhere_prefix("ada/tickets") + "00000007", "elsewhere", "ada"),
        (publication_key("ada/tickets", 7), "package", "ada"),
        (journal_key("ada/tickets", 7), "journal", "ada"),
        (snapshot_key(3), "snapshot", None),
        ("leases/0123456789abcdef", "lease", None),
        ("collecting", "collecting", None),
        ("hub.json", "hub", None),
    ],
)
def test_every_key_of_the_layout_is_known(key: str, family: str, owner: str | None) -> None:
    found = parse_key(key)
    assert (found.family, found.owner, found.text) == (family, owner, key)


def test_what_a_key_says() -> None:
    change = parse_key(change_key("ada/tickets", 7))
    assert (change.subject, change.number) == ("ada/tickets", 7)
    assert parse_key(object_key(SHA)).digest == SHA


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "../etc/passwd",
        "objects/../hub.json",
        f"objects/ab/../{SHA}",
        f"objects/cd/{SHA}",
        f"objects/ab/{SHA.upper()}",
        f"objects/ab/{SHA}/x",
        f"objects/ab/{SHA}\n",
        "environments/Ada/tickets/changes/00000001",
        "environments/../tickets/changes/00000001",
        "environments/ada/tickets/changes/1",
        "environments/ada/tickets/changes/\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661",
        f"prepared/../{SHA}",
        f"prepared/.hidden/{SHA}",
        "log/x",
        "hub.json/",
        "leases/x",
    ],
)
def test_what_is_not_of_the_layout_does_not_exist(key: str) -> None:
    with pytest.raises(NotFoundError, match="key-unknown"):
        parse_key(key)


@given(st.text(alphabet="abo/.e~-0\n\0%\\ijcts", max_size=80))
def test_whatever_is_accepted_is_safe_for_every_place(text: str) -> None:
    try:
        found = parse_key(text)
    except NotFoundError:
        return
    assert is_key(found.text)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("environments/", ("environments", None)),
        ("environments/ada/", ("environments", "ada")),
        ("environments/ada/tickets/changes/", ("environments", "ada")),
        ("index/journal/", ("index", None)),
        ("objects/ab/", ("objects", None)),
    ],
)
def test_prefixes(prefix: str, expected: tuple[str, str | None]) -> None:
    assert parse_prefix(prefix) == expected


@pytest.mark.parametrize("prefix", ["", "/", "log/", "environments", "environments/../", "a/", "objects//", "x" * 900])
def test_what_nothing_begins_with(prefix: str) -> None:
    with pytest.raises(NotFoundError, match="key-unknown"):
        parse_prefix(prefix)
