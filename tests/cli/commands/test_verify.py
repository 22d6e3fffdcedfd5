"""`breakbulk verify`, as somebody reads it, and as a program does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changes import ENVIRONMENT, push
from signers import signed_push

from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import change_key, object_key
from breakbulk.hub.signing import signer
from breakbulk.settings import Settings

Call = Callable[..., Any]


@pytest.fixture
def signed(call: Call, hub: Hub, variables: dict[str, str]) -> Hub:
    """Two generations, signed by the key ada."""
    call("key", "new", "ada")
    sign = signer(Settings.load(variables))
    signed_push(hub, "1", sign)
    signed_push(hub, "2", sign)
    return hub


def spoil(hub: Hub, key: str, data: bytes) -> None:
    path = Path(hub.url) / key
    path.chmod(0o644)
    path.write_bytes(data)


def test_every_change_is_shown_with_who_signed_it(call: Call, signed: Hub) -> None:
    call("rollback", ENVIRONMENT)
    outcome = call("verify", ENVIRONMENT)
    assert outcome.code == 0
    header, first, _, third, total = outcome.out.splitlines()
    assert header.split() == ["CHANGE", "KIND", "GENERATION", "DIGEST", "WHO", "SIGNED", "BY"]
    assert (first.split()[:3], first.split()[-1]) == (["1", "push", "1"], "ada")
    assert (third.split()[:3], third.split()[-1]) == (["3", "rollback", "1"], "ada")
    assert total == "ada/tickets is as it was recorded; 3 changes, 2 objects"


def test_what_is_wrong_is_named_and_the_exit_code_says_so(call: Call, signed: Hub) -> None:
    lock = signed.recorded(ENVIRONMENT, 1).change.lock
    spoil(signed, object_key(lock.sha256), b"x" * lock.size)
    assert call("verify", ENVIRONMENT, "--quiet").code == 69
    outcome = call("verify", ENVIRONMENT, "--deep", "--json")
    assert outcome.code == 69
    document = outcome.document
    assert (document["good"], document["deep"], document["objects"]) == (False, True, 2)
    first, second = document["changes"]
    assert second["faults"] == []
    assert second["signatures"] == [{"key": first["signatures"][0]["key"], "name": "ada", "verdict": "good"}]
    assert first["faults"][0].startswith(f"the lock: the object {lock.sha256} has the SHA-256 ")


def test_one_generation(call: Call, signed: Hub) -> None:
    document = call("verify", f"{ENVIRONMENT}:1", "--json").document
    assert [change["change"] for change in document["changes"]] == [1]
    assert call("verify", f"{ENVIRONMENT}:1", "--accept").code == 2
    assert call("verify", f"{ENVIRONMENT}:3").code == 72


def test_unsigned_environments_are_whole_too(call: Call, hub: Hub) -> None:
    push(hub)
    outcome = call("verify", ENVIRONMENT)
    assert outcome.code == 0
    assert outcome.out.endswith("1 change, 1 object; 1 not signed by anybody whom this machine believes\n")
    assert call("verify", ENVIRONMENT, BREAKBULK_REQUIRE_SIGNATURES="1").code == 69


def test_a_history_that_was_taken_back_is_accepted_by_hand(call: Call, signed: Hub) -> None:
    assert "accepted change 2" in call("verify", ENVIRONMENT, "--accept").err
    (Path(signed.url) / change_key(ENVIRONMENT, 2)).unlink()
    outcome = call("verify", ENVIRONMENT)
    assert outcome.code == 69
    assert "the hub has taken back what it said: change 2 was seen here" in outcome.out
    outcome = call("verify", ENVIRONMENT, "--accept")
    assert outcome.code == 0
    assert "lost for good: 1 change after that" in outcome.err
    assert call("verify", ENVIRONMENT).code == 0


def test_nothing_runs_that_is_not_as_it_was_signed(call: Call, signed: Hub) -> None:
    required = {"BREAKBULK_REQUIRE_SIGNATURES": "1"}
    key = change_key(ENVIRONMENT, 1)
    spoil(signed, key, (Path(signed.url) / change_key(ENVIRONMENT, 2)).read_bytes())
    for variables in (required, {}):
        outcome = call("run", "-e", f"{ENVIRONMENT}:1", "--", "true", **variables)
        assert outcome.code == 69
    push(signed, "3")
    outcome = call("run", "-e", ENVIRONMENT, "--", "true", **required)
    assert outcome.code == 69
    assert outcome.err.startswith("error[signature-missing]: nobody has signed it\n  where: change 3 of ada/tickets")


def test_the_names_of_others_cannot_move_the_cursor(call: Call, hub: Hub) -> None:
    push(hub, author="eve\x1b[2J")
    assert "\x1b[2J" not in call("verify", ENVIRONMENT).out
