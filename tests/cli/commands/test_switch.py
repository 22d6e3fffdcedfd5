from collections.abc import Callable
from typing import Any

import pytest
from changes import ENVIRONMENT, push

from breakbulk.hub.hub import Hub

Call = Callable[..., Any]


@pytest.fixture
def pushed(hub: Hub) -> Hub:
    """Three generations."""
    for version in "123":
        push(hub, version)
    return hub


def live(hub: Hub) -> int:
    current = hub.current(ENVIRONMENT)
    assert current is not None
    return current.change.generation


def test_a_switch_says_what_is_live_now(call: Call, pushed: Hub) -> None:
    outcome = call("switch", ENVIRONMENT, "1", "--message", "calmer", LOGNAME="grace")
    assert (outcome.code, outcome.out) == (0, "ada/tickets: generation 1 is live, was 3\n")
    assert live(pushed) == 1
    newest = call("history", ENVIRONMENT, "--json").document["changes"][0]
    assert (newest["author"], newest["message"]) == ("grace", "calmer")
    assert newest["command"] == "breakbulk switch ada/tickets 1 --message calmer"


def test_a_switch_to_the_live_generation_says_so(call: Call, pushed: Hub) -> None:
    assert call("switch", ENVIRONMENT, "3").out == "ada/tickets: generation 3 is live already\n"
    assert call("switch", ENVIRONMENT, "3", "--json").document["changed"] is False
    assert pushed.last_number(ENVIRONMENT) == 3


def test_a_rollback_goes_back_step_by_step(call: Call, pushed: Hub) -> None:
    outcome = call("rollback", ENVIRONMENT)
    assert (outcome.code, outcome.out) == (0, "ada/tickets: generation 2 is live, was 3\n")
    assert outcome.err == "next: breakbulk diff ada/tickets (shows what that changed)\n"
    document = call("rollback", ENVIRONMENT, "--json").document
    assert (document["kind"], document["generation"], document["previous"]) == ("rollback", 1, 2)
    outcome = call("rollback", ENVIRONMENT)
    assert outcome.code == 72
    assert outcome.err.startswith("error[rollback-impossible]: ada/tickets had no generation live before 1")
    assert live(pushed) == 1


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("switch", ENVIRONMENT, "4"), 72),
        (("switch", ENVIRONMENT, "0"), 2),
        (("switch", f"{ENVIRONMENT}:2", "1"), 2),
        (("rollback", f"{ENVIRONMENT}:2"), 2),
        (("rollback", "ada/other"), 72),
    ],
)
def test_what_cannot_be_is_refused(call: Call, pushed: Hub, argv: tuple[str, ...], code: int) -> None:
    assert call(*argv).code == code
    assert live(pushed) == 3
