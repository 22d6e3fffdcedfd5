"""When room has to be made, and how much."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.node.realising.pressure import Disk, history_needed, look


def test_nothing_goes_below_the_upper_limit_and_then_down_to_the_lower() -> None:
    def excess(free: int) -> int:
        return Disk(total_bytes=1000, free_bytes=free).excess_bytes(high_percent=85, low_percent=75)

    assert [excess(free) for free in (1000, 151, 150, 100, 0)] == [0, 0, 100, 150, 250]


@given(st.integers(1, 10**15), st.floats(0, 1), st.floats(1, 99), st.floats(0.1, 1))
def test_after_as_much_has_gone_there_is_no_pressure(total, share, low, distance) -> None:
    disk = Disk(total_bytes=total, free_bytes=int(total * share))
    high = low + distance
    excess = disk.excess_bytes(high_percent=high, low_percent=low)
    after = Disk(total_bytes=total, free_bytes=disk.free_bytes + excess + 1)
    assert after.excess_bytes(high_percent=high, low_percent=low) == 0


def test_the_disk_of_a_store_that_is_not_there_yet(tmp_path: Path) -> None:
    disk = look(tmp_path / "not" / "yet")
    assert 0 < disk.free_bytes <= disk.total_bytes
    assert 0 <= disk.used_percent < 100


def test_what_was_used_of_late_is_kept() -> None:
    used = {"a": [1.0, 50.0, 60.0, 70.0, 80.0], "b": [2.0]}
    assert history_needed(used, since_s=50, least=3) == 4
    assert history_needed(used, since_s=100, least=3) == 3
    assert history_needed({}, since_s=0, least=1) == 1
