"""Room is made on a node, and nothing that a pod names or may name goes: real agents, stores, collections."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from machines import Machine
from nodes import Node, until

from breakbulk.node.realising.orders import Collect, packed
from breakbulk.node.realising.prewarming import prewarm

pytestmark = pytest.mark.integration
PRESSED = {"disk_high_percent": 0.002, "disk_low_percent": 0.001}
"""However empty the disk is, there is too little room."""


@pytest.fixture
def here() -> Iterator[Path]:
    """A directory with a short name."""
    with tempfile.TemporaryDirectory(prefix="bb") as directory:
        yield Path(directory)


@pytest.fixture
def generations(here: Path, settings) -> Callable[[int], None]:
    """A function that pushes so many generations of `ada/tool`, each with a package of its own."""

    def push(number: int) -> None:
        machine = Machine(here / "m", settings)
        project = machine.project()
        for each in range(1, number + 1):
            (project / "tool" / "data").write_text(f"{each}\n")
            machine.push(project)

    return push


@pytest.fixture
def node(here: Path, settings) -> Node:
    return Node(here / "n", settings)


def collection(node: Node, **wanted) -> subprocess.Popen[bytes]:
    """Start a collection as an agent does."""
    order = Collect(
        **{
            "state": str(node.place.state),
            "settings": packed(node.own_settings),
            "free_bytes": 1 << 60,
            "history": 3,
            "recent_s": 0.0,
            "parent": os.getpid(),
            **wanted,
        }
    )
    started = subprocess.Popen(
        [sys.executable, "-P", "-m", "breakbulk.node.realising.collecting"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert started.stdin is not None
    started.stdin.write(msgspec.json.encode(order))
    started.stdin.close()
    return started


def collected(started: subprocess.Popen[bytes]) -> dict:
    assert started.stdout is not None
    with started.stdout:
        outcome = msgspec.json.decode(started.stdout.read().splitlines()[-1])
    assert started.wait(30) == 0
    assert outcome.get("error") is None, outcome
    return outcome["result"]


def here_of(node: Node, *references: str) -> None:
    """Have generations on the node, in this order, that no pod names."""
    for reference in references:
        prewarm(reference, node.place, node.own_settings)


def trees(node: Node) -> list[str]:
    """Return the packages of environments, without base packages."""
    return [name for name in os.listdir(node.place.store / "packages") if "-tool-" in name]


def whole(node: Node) -> None:
    """Assert that whatever has a plan has its packages."""
    for plan in node.plans():
        assert all(Path(lower).is_dir() for lower in plan["lowers"])


def test_an_agent_makes_room_and_keeps_what_pods_name(node, generations) -> None:
    generations(4)
    here_of(node, *(f"ada/tool:{number}" for number in (1, 2, 3, 4)))
    node.pod("a", "ada/tool:1")
    with node.agent():
        assert node.ask("a", "ada/tool:1")["ready"]
    assert node.generations() == [1, 2, 3, 4]
    node.limits = PRESSED
    with node.agent():
        until(lambda: node.generations() == [1])
        until(lambda: len(trees(node)) == 1)
        assert node.ask("a", "ada/tool:1")["ready"]
        node.pod("b", "ada/tool:2")
        assert node.ask("b", "ada/tool:2")["ready"]
    whole(node)


@pytest.fixture
def small_disk(node) -> Iterator[None]:
    """The store of the node on a disk with room for one of the environments."""
    node.place.store.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "breakbulk-test", node.place.store], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", node.place.store], check=True)


def test_a_disk_that_is_full_in_the_middle_is_told_and_heals(node, here, settings, small_disk) -> None:
    machine = Machine(here / "m", settings)
    project = machine.project()
    for _ in range(2):
        (project / "tool" / "data").write_bytes(os.urandom(3_500_000))
        machine.push(project)
    node.pod("a", "ada/tool:1")
    node.limits = {"disk_high_percent": 99.9, "disk_low_percent": 40.0}
    with node.agent():
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        node.pod("b", "ada/tool:2")
        answer = node.ask("b", "ada/tool:2")
        assert (answer["error"], answer["retry"]) == ("disk-full", True)
        until(lambda: node.told(event="EnvironmentFailed", pod="b"))
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        node.delete("a")
        until(lambda: node.told(event="EnvironmentReady", pod="b"), within_s=240)
        assert node.generations() == [2]
    whole(node)


def test_history_goes_before_what_was_used_of_late(node, generations) -> None:
    generations(4)
    here_of(node, *(f"ada/tool:{number}" for number in (1, 2, 3, 4)))
    collected(collection(node, free_bytes=0, recent_s=1e6))
    assert node.generations() == [1, 2, 3, 4]
    collected(collection(node, free_bytes=0, history=2))
    assert node.generations() == [3, 4]
    whole(node)


def test_what_a_pod_names_outlives_any_number_of_later_digests(node, generations) -> None:
    generations(5)
    node.pod("a", "ada/tool:1", "ada/tool:2", "ada/tool:3")
    with node.agent():
        assert node.ask("a", "ada/tool:1", "ada/tool:2", "ada/tool:3")["ready"]
    here_of(node, "ada/tool:4", "ada/tool:5")
    collected(collection(node, history=1))
    assert node.generations() == [1, 2, 3, 5]
    whole(node)


def test_pods_start_beside_collections_that_never_rest(node, generations) -> None:
    generations(3)
    with node.agent():
        for turn in range(12):
            reference, name = f"ada/tool:{turn % 3 + 1}", f"p{turn}"
            running = collection(node, history=1)
            node.pod(name, reference)
            assert node.ask(name, reference)["ready"]
            digest = node.record(f"uid-{name}")["digests"][reference]
            again = collection(node, history=1)
            collected(running)
            collected(again)
            (plan,) = [plan for plan in node.plans() if plan["digest"] == digest]
            assert all(Path(lower).is_dir() for lower in plan["lowers"])
            node.delete(name)
            if turn % 2:
                until(lambda: not node.pins())


@pytest.mark.parametrize("milestone", ["plans-removed", "collection-staged", "collection-hidden", "collection-removed"])
def test_a_collection_that_is_killed_harms_nobody(node, generations, milestone) -> None:
    generations(3)
    here_of(node, *(f"ada/tool:{number}" for number in (2, 3, 1)))
    node.pod("a", "ada/tool:2")
    with node.agent():
        assert node.ask("a", "ada/tool:2")["ready"]
    node.limits = PRESSED
    with node.agent(milestone):
        until((node.directory / "killed").exists)
        assert node.ask("a", "ada/tool:2")["ready"]
        node.pod("b", "ada/tool:3")
        assert node.ask("b", "ada/tool:3")["ready"]
        assert {2, 3} <= set(node.generations())
    collected(collection(node, history=1))
    assert os.listdir(node.place.store / "staging") == []
    whole(node)


@pytest.mark.parametrize(
    "milestone",
    ["store-prepared", "claims-taken", "stage-made", "tree-unpacked", "tree-named", "claims-released",
     "composition-written", "node-realised", "node-pinned", "plan-written"],
)  # fmt: skip
def test_a_realisation_that_is_killed_is_done_again(node, generations, milestone) -> None:
    generations(1)
    node.pod("a", "ada/tool")
    with node.agent(milestone):
        until(lambda: node.told(event="EnvironmentReady", pod="a"))
        assert (node.directory / "killed").exists()
        assert node.ask("a", "ada/tool") == {"ready": True}
    whole(node)
    assert os.listdir(node.place.store / "staging") == []
