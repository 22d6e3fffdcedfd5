"""A server is asked again while that may help."""

import pytest

from breakbulk.ecosystems import repeating
from breakbulk.ecosystems.repeating import lasting, repeated
from breakbulk.errors import NetworkError, NotFoundError


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(repeating.time, "sleep", taken.append)
    return taken


class Server:
    """Raises these errors one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_what_may_pass_is_tried_again_after_growing_pauses(pauses: list[float]) -> None:
    server = Server(*(NetworkError("busy") for _ in range(9)))
    assert repeated(server, tries=10) == "answer"
    assert server.asked == 10
    assert all(later > earlier for earlier, later in zip(pauses[:3], pauses[2:5], strict=True))
    assert max(pauses) <= 16


def test_the_last_error_is_raised_when_the_tries_are_spent(pauses: list[float]) -> None:
    with pytest.raises(NetworkError, match="second"):
        repeated(Server(NetworkError("first"), NetworkError("second")), tries=2)
    assert len(pauses) == 1


@pytest.mark.parametrize("error", [lasting(NetworkError("refused", where="x", hint="y")), NotFoundError("absent")])
def test_what_lasts_is_not_tried_again(error: Exception, pauses: list[float]) -> None:
    server = Server(error)
    with pytest.raises(type(error)):
        repeated(server, tries=5)
    assert (server.asked, pauses) == (1, [])


def test_a_lasting_error_says_the_same() -> None:
    error = NetworkError("what", identifier="id", where="where", why="why", hint="hint")
    found = lasting(error)
    assert isinstance(found, NetworkError)
    assert found.as_dict() == error.as_dict() | {"retryable": False}
