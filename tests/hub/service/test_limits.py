import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.hub.service.limits import Limiter, Rate, parse_rate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    limiter = Limiter(Rate(per_s=2, burst=3), clock)
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limiter.take("b") == 0
    clock.now = 0.5
    assert limiter.take("a") == 0
    assert limiter.take("a") == 0.5
    clock.now = 1000.0
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_looking_takes_nothing() -> None:
    limiter = Limiter(Rate(per_s=1, burst=1), Clock())
    assert [limiter.wait_s("a"), limiter.wait_s("a"), limiter.take("a"), limiter.wait_s("a")] == [0, 0, 0, 1]


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_never_more_than_burst_and_rate_allow(pauses: list[float]) -> None:
    clock = Clock()
    limiter = Limiter(Rate(per_s=3, burst=5), clock)
    granted = 0
    for pause in pauses:
        clock.now += pause
        granted += limiter.take("a") == 0
    assert granted <= 5 + 3 * clock.now + 1e-6


@pytest.mark.parametrize(
    ("text", "expected"), [("500/s:5000", (500, 5000)), ("10/min", (1 / 6, 10)), ("1/h:3", (1 / 3600, 3))]
)
def test_rates_as_text(text: str, expected: tuple[float, float]) -> None:
    assert parse_rate(text) == Rate(*expected)


@pytest.mark.parametrize("text", ["", "5", "5/d", "/s", "0/s", "-1/s", "5/s:0", "nan/s", "x/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_rate(text)
