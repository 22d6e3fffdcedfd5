from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changes import push

from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import journal_key

Call = Callable[..., Any]


@pytest.fixture
def pushed(hub: Hub) -> Hub:
    """Three environments."""
    push(hub, environment="ada/tickets", installs=("flask", "jq"), packages=12, message="for the desk\x1b[0m")
    push(hub, environment="bob/flask")
    push(hub, environment="ada/tickets", installs=("flask", "jq"), packages=13)
    push(hub, environment="ml/torch")
    return hub


def test_a_new_hub_is_empty(call: Call, variables: dict[str, str]) -> None:
    outcome = call("hub", "list")
    assert (outcome.code, outcome.out) == (0, f"no environments on {variables['BREAKBULK_HUB']} yet\n")


def test_every_environment_is_listed(call: Call, pushed: Hub) -> None:
    _, *rows, total = call("hub", "list").out.splitlines()
    assert [row.split()[:4] for row in rows] == [
        ["ada/tickets", "2", "2", "13"],
        ["bob/flask", "1", "1", "0"],
        ["ml/torch", "1", "1", "0"],
    ]
    assert total == f"3 environments on {pushed.url}"


def test_words_choose_and_rank(call: Call, pushed: Hub) -> None:
    document = call("hub", "list", "FLASK", "--json").document
    assert [one["environment"] for one in document["environments"]] == ["bob/flask", "ada/tickets"]
    assert document["environments"][1]["installs"] == ["flask", "jq"]
    assert call("hub", "list", "flask", "torch").out == f"no environment on {pushed.url} has flask and torch\n"


def test_a_damaged_index_is_an_error_that_says_how_to_mend_it(call: Call, pushed: Hub) -> None:
    path = Path(pushed.url) / journal_key("ml/torch", 1)
    path.chmod(0o644)
    path.write_text("{")
    outcome = call("hub", "list")
    assert outcome.code == 69
    assert outcome.err.startswith("error[index-damaged]: the index of the hub is damaged")
    assert "breakbulk hub check --repair" in outcome.err


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("breakbulk history a", ["ada/tickets"]),
        ("breakbulk show ada/tickets:", ["ada/tickets:2", "ada/tickets:1"]),
        ("breakbulk show b", ["bob/flask"]),
        ("breakbulk switch ada/tickets ''", ["2", "1"]),
        ("breakbulk diff ada/tickets:1 m", ["ml/torch"]),
        ("breakbulk history none", []),
    ],
)
def test_the_shell_completes_environments_and_generations(
    process: Call, pushed: Hub, line: str, offered: list[str]
) -> None:
    words = line.replace("''", "").split(" ")
    completed = process(_BREAKBULK_COMPLETE="bash_complete", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1))
    assert [item.partition(",")[2] for item in completed.out.split()] == offered
