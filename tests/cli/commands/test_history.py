from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from changes import ENVIRONMENT, authorship, push

from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import change_key
from breakbulk.hub.names import parse_reference
from breakbulk.hub.switching import switch

Call = Callable[..., Any]


@pytest.fixture
def pushed(hub: Hub) -> Hub:
    """Two generations, and a switch back to the first a moment ago."""
    push(hub, "1", message="first\nwith more to say")
    push(hub, "2", time=datetime.now(UTC) - timedelta(hours=3), author="bob", host="crane")
    switch(hub, parse_reference(f"{ENVIRONMENT}:1"), authorship("2 leaks"))
    return hub


def test_the_newest_comes_first_and_the_live_one_is_marked(call: Call, pushed: Hub) -> None:
    outcome = call("history", ENVIRONMENT)
    assert outcome.code == 0
    header, *rows, total = outcome.out.splitlines()
    assert header.split() == ["GENERATION", "KIND", "WHEN", "WHO", "DIGEST", "MESSAGE"]
    assert [row.split()[:3] for row in rows[:1]] == [["*", "1", "switch"]]
    assert [row.split()[:2] for row in rows[1:]] == [["2", "push"], ["1", "push"]]
    assert rows[0].endswith("2 leaks")
    assert "(3 h ago)" in rows[1]
    assert "bob@crane" in rows[1]
    assert rows[2].endswith("first")
    assert total == "2 generations, 1 is live"


def test_the_document_says_all_that_is_recorded(call: Call, pushed: Hub) -> None:
    document = call("history", ENVIRONMENT, "--json").document
    assert (document["environment"], document["live"], document["generations"]) == (ENVIRONMENT, 1, 2)
    assert document["hub"] == pushed.url
    newest, _, oldest = document["changes"]
    assert (newest["change"], newest["kind"], newest["generation"], newest["previous"]) == (3, "switch", 1, 2)
    assert (newest["message"], newest["signatures"]) == ("2 leaks", [])
    assert oldest["message"] == "first\nwith more to say"
    assert oldest["digest"] == newest["digest"]
    assert oldest["time"] == "2026-01-02T03:04:05Z"


def test_less_and_more_can_be_asked_for(call: Call, pushed: Hub) -> None:
    lines = call("history", ENVIRONMENT, "--limit", "1", "--commands").out.splitlines()
    assert lines[2].strip() == "$ breakbulk push ada/tickets"
    assert lines[3] == "2 generations, 1 is live; 2 earlier changes not shown"
    assert len(lines) == 4


def test_what_others_wrote_does_not_reach_the_terminal_raw(call: Call, hub: Hub) -> None:
    push(hub, message="\x1b[2Jgone\u202e", author="eve\x07", host="h\n*  9", command="breakbulk\r\x1b]0;x\x07")
    outcome = call("history", ENVIRONMENT, "--commands")
    assert not set(outcome.out) & {"\x1b", "\x07", "\r", "\u202e"}
    assert len(outcome.out.splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "code", "identifier"),
    [("ada/other", 72, "environment-unknown"), ("../other", 2, "reference-invalid")],
)
def test_what_is_not_there_is_an_error(call: Call, pushed: Hub, name: str, code: int, identifier: str) -> None:
    outcome = call("history", name, "--json")
    assert outcome.code == code
    assert outcome.document["error"] == identifier


def test_a_history_that_was_altered_is_not_shown(call: Call, pushed: Hub) -> None:
    path = Path(pushed.url) / change_key(ENVIRONMENT, 1)
    path.unlink()
    outcome = call("history", ENVIRONMENT)
    assert (outcome.code, outcome.out) == (69, "")
    assert outcome.err.startswith("error[history-broken]: the history of ada/tickets is broken at change 1")
