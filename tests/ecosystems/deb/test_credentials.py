"""Credentials go to the machine they are for, and nowhere else."""

from pathlib import Path

import pytest

from breakbulk.ecosystems.addresses import without_credentials
from breakbulk.ecosystems.deb.credentials import Credential, authorisation, read_credentials

TEXT = """# mine
machine example.org login me password secret
machine http://plain.example.org:8080/private
  login you
  password hidden
"""


@pytest.fixture
def credentials(tmp_path: Path) -> tuple[Credential, ...]:
    (tmp_path / "auth.conf.d").mkdir()
    (tmp_path / "auth.conf.d/mine.conf").write_text(TEXT)
    return read_credentials(tmp_path)


@pytest.mark.parametrize(
    ("url", "authorised"),
    [
        ("https://example.org/debian/x", True),
        ("http://example.org/debian/x", False),
        ("https://example.org.evil.net/x", False),
        ("http://plain.example.org:8080/private/x", True),
        ("http://plain.example.org:8080/public/x", False),
        ("http://plain.example.org/private/x", False),
    ],
)
def test_fit_by_scheme_host_port_and_path(credentials: tuple[Credential, ...], url: str, authorised: bool) -> None:
    assert bool(authorisation(url, credentials)) is authorised


def test_those_in_an_address_become_a_header() -> None:
    url = "https://me:p%40ss@example.org/x"
    assert authorisation(url, ()) == {"Authorization": "Basic bWU6cEBzcw=="}
    assert without_credentials(url) == "https://example.org/x"


def test_are_not_shown(credentials: tuple[Credential, ...]) -> None:
    assert "secret" not in repr(credentials)
