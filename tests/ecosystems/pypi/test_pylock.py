"""What uv chose is read, and one wheel of each distribution taken."""

from __future__ import annotations

import pytest

from breakbulk.ecosystems.addresses import without_credentials
from breakbulk.ecosystems.pypi.pylock import read_pylock
from breakbulk.ecosystems.pypi.target import Target
from breakbulk.errors import ResolutionError

BOOKWORM = Target("x86_64", "3.11", 36)


def lock_text(*wheels: str, sha256: str = "ab" * 32) -> str:
    entries = ", ".join(
        f'{{ url = "https://u:p@127.0.0.1/{each}", hashes = {{ sha256 = "{sha256}" }} }}' for each in wheels
    )
    return f'[[packages]]\nname = "Demo"\nversion = "1"\nwheels = [{entries}]\n'


def test_the_best_wheel_is_chosen_and_no_credentials_are_kept() -> None:
    text = lock_text("demo-1-py3-none-any.whl", "demo-1-cp311-cp311-manylinux_2_17_x86_64.whl")
    (chosen,) = read_pylock(text, BOOKWORM, [])
    assert chosen.name == "demo"
    assert chosen.file == "demo-1-cp311-cp311-manylinux_2_17_x86_64.whl"
    assert all("u:p" not in address for address in chosen.addresses)


def test_the_highest_build_number_wins_among_equals() -> None:
    text = lock_text("demo-1-1-py3-none-any.whl", "demo-1-2-py3-none-any.whl", "demo-1-py3-none-any.whl")
    assert read_pylock(text, BOOKWORM, [])[0].file == "demo-1-2-py3-none-any.whl"


@pytest.mark.parametrize("wheel", ["demo-1-cp312-cp312-win32.whl", "no wheel name.whl"])
def test_no_wheel_that_suits_is_an_error(wheel: str) -> None:
    with pytest.raises(ResolutionError) as caught:
        read_pylock(lock_text(wheel), BOOKWORM, [])
    assert caught.value.reference == "no-matching-wheel"


def test_a_digest_that_is_none_is_an_error() -> None:
    with pytest.raises(ResolutionError):
        read_pylock(lock_text("demo-1-py3-none-any.whl", sha256="short"), BOOKWORM, [])


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://a:b@127.0.0.1:1/x?y#sha256=z", "https://127.0.0.1:1/x?y"),
        ("https://127.0.0.1/x", "https://127.0.0.1/x"),
        ("file:///x/y%20z.whl", "file:///x/y%20z.whl"),
    ],
)
def test_credentials_and_fragments_are_taken_out(url: str, bare: str) -> None:
    assert without_credentials(url) == bare
