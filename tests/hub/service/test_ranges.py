import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import HubError
from breakbulk.hub.service.ranges import choose, limited

DATA = bytes(range(10))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", DATA),
        ("bytes=3-", DATA[3:]),
        ("bytes=3-5", DATA[3:6]),
        ("bytes=9-9", DATA[9:]),
        ("bytes=0-999", DATA),
        ("bytes=-3", DATA[-3:]),
        ("bytes=-999", DATA),
    ],
)
def test_one_range(header: str, expected: bytes) -> None:
    part = choose(header, len(DATA))
    assert part is not None
    assert DATA[part.start : part.end] == expected
    assert b"".join(limited(iter([DATA[part.start : part.start + 2], DATA[part.start + 2 :]]), part.length)) == expected
    assert part.content_range == f"bytes {part.start}-{part.end - 1}/10"


@pytest.mark.parametrize("header", ["", "bytes=", "bytes=-", "bytes=1-2,4-5", "items=1-2", "bytes=5-3", "bytes=a-b"])
def test_what_is_not_understood_means_everything(header: str) -> None:
    assert choose(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_what_is_not_there(header: str) -> None:
    with pytest.raises(HubError, match="range-unsatisfiable"):
        choose(header, 10)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 20))
def test_a_part_is_never_outside(first: int, last: int, size: int) -> None:
    try:
        part = choose(f"bytes={first}-{last}", size)
    except HubError:
        assert first >= size
        return
    assert part is None or 0 <= part.start < part.end <= size
