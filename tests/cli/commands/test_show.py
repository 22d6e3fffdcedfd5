from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changes import ENVIRONMENT, locked, push

from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key

Call = Callable[..., Any]


@pytest.fixture
def pushed(hub: Hub) -> Hub:
    """Two generations; the live one has variables and services."""
    push(hub, "1", message="first", installs=("jq",))
    manifest = {"vars": {"B": "1", "A": "secret"}, "services": {"web": {"command": "x"}, "auto-start": True}}
    push(hub, lock=locked("2", **manifest), installs=("jq",), message="second")
    return hub


def test_the_live_generation_is_shown(call: Call, pushed: Hub) -> None:
    outcome = call("show", ENVIRONMENT)
    assert outcome.code == 0
    heading, *lines = outcome.out.splitlines()
    facts = dict(line.split("  ", 1) for line in lines[: lines.index("")])
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    assert heading == "ada/tickets:2"
    assert facts["live"] == "yes; 2 generations"
    assert facts["message"] == "second"
    assert facts["push"].endswith("by ada@engine")
    assert facts["signatures"] == "none"
    assert facts["system"] == "x86_64-linux: 1 package, 1.0 kB"
    assert (facts["variables"], facts["services"], facts["installs"]) == ("A, B", "web", "jq")
    assert facts["run it"] == "breakbulk run -e ada/tickets:2 -- COMMAND"
    assert "secret" not in outcome.out
    assert lines[lines.index("") + 2].split() == ["jq", "2", "deb", "1.0", "kB", "MIT"]


def test_an_earlier_generation_says_what_is_live(call: Call, pushed: Hub) -> None:
    lines = call("show", f"{ENVIRONMENT}:1").out.splitlines()
    assert lines[0] == "ada/tickets:1"
    assert lines[1].split("  ")[-1].strip() == "no, 2 is; 2 generations"


def test_the_document_holds_every_package(call: Call, pushed: Hub) -> None:
    document = call("show", f"{ENVIRONMENT}:1", "--json").document
    assert (document["generation"], document["live"], document["generations"]) == (1, 2, 2)
    system = document["systems"]["x86_64-linux"]
    assert (system["prepared"], system["python"], system["size_bytes"]) == (False, None, 1000)
    assert [package["id"] for package in system["packages"]] == ["deb:jq"]
    assert document["digest"].startswith("sha256:")


def test_a_digest_can_be_asked_for(call: Call, pushed: Hub) -> None:
    digest = call("show", f"{ENVIRONMENT}:1", "--json").document["digest"]
    assert call("show", f"{ENVIRONMENT}@{digest}", "--json").document["generation"] == 1


def test_a_system_that_is_not_locked_is_an_error(call: Call, pushed: Hub) -> None:
    outcome = call("show", ENVIRONMENT, "--system", "aarch64-linux")
    assert outcome.code == 66
    assert "it is for x86_64-linux" in outcome.err


def test_a_lock_that_was_altered_is_named(call: Call, pushed: Hub) -> None:
    current = pushed.current(ENVIRONMENT)
    assert current is not None
    path = Path(pushed.url) / object_key(current.change.lock.sha256)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-2])
    outcome = call("show", ENVIRONMENT)
    assert (outcome.code, outcome.out) == (69, "")
    assert str(path) in outcome.err
