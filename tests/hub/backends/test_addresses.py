"""Addresses of hubs: what they mean, and that nothing which may be a secret is repeated."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import UsageError
from breakbulk.hub.backends.addresses import Address, parse_address

BASE, HOME = Path("/base"), Path("/home/ada")


def parse(text: str) -> Address:
    return parse_address(text, base=BASE, home=HOME)


@pytest.mark.parametrize(
    ("text", "scheme", "place", "prefix", "url"),
    [
        ("/srv/hub", "file", "/srv/hub", "", "/srv/hub"),
        ("hub", "file", "/base/hub", "", "/base/hub"),
        ("./a:b", "file", "/base/a:b", "", "/base/a:b"),
        ("~/hub", "file", "/home/ada/hub", "", "/home/ada/hub"),
        ("~", "file", "/home/ada", "", "/home/ada"),
        ("file:///srv/hub", "file", "/srv/hub", "", "/srv/hub"),
        ("file://localhost/srv/my%20hub", "file", "/srv/my hub", "", "/srv/my hub"),
        ("memory://test", "memory", "test", "", "memory://test"),
        ("s3://team-hub", "s3", "team-hub", "", "s3://team-hub"),
        ("S3://team-hub/", "s3", "team-hub", "", "s3://team-hub"),
        ("s3://team.hub/some/prefix/", "s3", "team.hub", "some/prefix", "s3://team.hub/some/prefix"),
        ("gs://team_hub/a", "gs", "team_hub", "a", "gs://team_hub/a"),
        ("az://container/a", "az", "container", "a", "az://container/a"),
        ("https://hub.example.org", "https", "hub.example.org", "", "https://hub.example.org"),
        ("http://[::1]:8080/hub", "http", "[::1]:8080", "hub", "http://[::1]:8080/hub"),
    ],
)
def test_what_addresses_mean(text: str, scheme: str, place: str, prefix: str, url: str) -> None:
    address = parse(text)
    assert (address.scheme, address.place, address.prefix) == (scheme, place, prefix)
    assert address.url == url


def test_a_name_with_a_colon_that_begins_with_a_digit_is_a_path() -> None:
    assert parse("1x://host").scheme == "file"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zero\0byte",
        "s3:team-hub",
        "s3:/team-hub",
        "file:hub",
        "file://elsewhere/srv/hub",
        "file://srv",
        "file:///srv/%00",
        "s3://",
        "s3:///prefix",
        "s3://Team",
        "s3://team_hub",
        "s3://-team",
        "s3://team/../other",
        "s3://team/a//b",
        "s3://team/.hidden",
        "s3://team/%2e%2e",
        "s3://team\\other/a",
        "s3://t\u00e9am-hub",
        "az://a",
        "az://two--dashes",
        "https://",
        "https://:80",
        "https://host:port",
        "https://host:99999",
        "http://[::1",
        "ssh://host/hub",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert raised.value.reference == "hub-address-invalid"
    assert raised.value.hint


@pytest.mark.parametrize(("text", "near"), [("s4://b", "s3"), ("gcs://b", "gs"), ("htps://b", "https")])
def test_the_nearest_scheme_is_suggested(text: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean {near}://"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://HUSH:HUSH@bucket/prefix",
        "s3://HUSH@bucket",
        "https://user:HUSH@host/",
        "https://user:HUSH@host:bad/",
        "https://host/path?token=HUSH",
        "https://host/path#HUSH",
        "az://container/path?sv=2020&sig=HUSH",
        "s3://bucket?HUSH",
        "ssh://user:HUSH@host",
        "s3:user:HUSH@host",
        "file://user:HUSH@host/srv",
        "https://user:HUSH@",
        "https://user:HUSH",
        "https://[user:HUSH@host/",
    ],
)
def test_secrets_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    shown = str(raised.value) + repr(raised.value.as_dict()) + repr(raised.value.__cause__)
    assert "HUSH" not in shown


@given(st.text(max_size=60) | st.from_regex(r"(s3|gs|az|file|memory|https?)://[ -~]{0,40}", fullmatch=True))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    try:
        address = parse(text)
    except UsageError:
        return
    if address.scheme == "file":
        assert address.place.startswith("/")
        assert "\0" not in address.place
    else:
        assert parse(address.url) == address
        assert "@" not in address.place
        assert ".." not in address.prefix.split("/")
