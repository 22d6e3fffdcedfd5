"""A download in the making: what it says of itself, and what another process finds of it."""

import hashlib
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.store.partial import open_partial

PIECES = st.lists(st.one_of(st.binary(max_size=100), st.integers(0, 400_000).map(lambda size: b"x" * size)), max_size=6)


@given(before=PIECES, after=PIECES)
def test_the_next_process_goes_on_with_everything_that_was_added(tmp_path_factory, before, after) -> None:
    path = tmp_path_factory.mktemp("cache") / "partial" / "wheel"
    with closing(open_partial(path)) as partial:
        for piece in before:
            partial.append(piece)
    assert path.read_bytes() == b"".join(before)
    with closing(open_partial(path)) as partial:
        assert partial.size == len(b"".join(before))
        for piece in after:
            partial.append(piece)
        whole = b"".join((*before, *after))
        assert (partial.size, partial.digest) == (len(whole), hashlib.sha256(whole).hexdigest())
        assert path.read_bytes() == whole, "what has been compared is in the file"


def test_what_was_held_back_is_thrown_away_too(tmp_path) -> None:
    with closing(open_partial(tmp_path / "wheel")) as partial:
        partial.append(b"wrong" * 100_000)
        partial.append(b"wrong")
        partial.restart()
        partial.append(b"right")
        assert partial.digest == hashlib.sha256(b"right").hexdigest()
    assert (tmp_path / "wheel").read_bytes() == b"right"


def test_a_killed_process_loses_little(tmp_path) -> None:
    path = tmp_path / "wheel"
    with closing(open_partial(path)) as partial:
        for _ in range(300):
            partial.append(b"x" * 1000)
        assert path.stat().st_size >= 1 << 18, "a process that is killed loses a quarter of a megabyte at most"
