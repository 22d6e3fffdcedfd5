"""What of an address may be asked for, and what may be shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.addresses import local_path, shown, without_credentials

WORDS = st.text("abcxyz019-._~%", min_size=1)


@given(st.tuples(WORDS, WORDS, WORDS, WORDS))
def test_credentials_and_signatures_are_never_shown(words: tuple[str, str, str, str]) -> None:
    user, password, path, signature = (f"<{word}>" for word in words)
    url = f"https://{user}:{password}@host.example:8443/{path}?signature={signature}#sha256=0"
    assert without_credentials(url) == f"https://host.example:8443/{path}?signature={signature}"
    assert shown(url) == f"https://host.example:8443/{path}"


@pytest.mark.parametrize(
    ("url", "path"), [("file:///srv/a%20b", Path("/srv/a b")), ("https://h/x", None), ("FILE:/x", Path("/x"))]
)
def test_files_of_this_machine(url: str, path: Path | None) -> None:
    assert local_path(url) == path
