"""Environments of many packages are mounted in few layers once nobody waits for anything: real agents and stores."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import MANIFEST, Machine
from nodes import Node, until

from breakbulk.node.realising.prewarming import prewarm
from breakbulk.store.bundle import is_merged, trees_of
from breakbulk.store.collection import collect
from breakbulk.store.layout import Layout
from breakbulk.store.verification import set_aside

pytestmark = pytest.mark.integration
PARTS = 60
LAYERS = PARTS + 2
"""With `tool` and the base package."""


@pytest.fixture
def here() -> Iterator[Path]:
    """A directory with a short name."""
    with tempfile.TemporaryDirectory(prefix="bb") as directory:
        yield Path(directory)


@pytest.fixture
def machine(here: Path, settings) -> Machine:
    """A machine that has pushed an environment of many packages, twice; one of them has changed."""
    machine = Machine(here / "m", settings)
    sources = "".join(f'part{number} = {{ path = "./part{number}" }}\n' for number in range(PARTS))
    project = machine.project(manifest=MANIFEST.replace("[vars]", f"{sources}\n[vars]"))
    for number in range(PARTS):
        (project / f"part{number}").mkdir()
        (project / f"part{number}" / "data").write_text(f"{number}\n")
    machine.push(project)
    (project / "part7" / "data").write_text("changed\n")
    machine.push(project)
    return machine


@pytest.fixture
def node(here: Path, settings) -> Node:
    return Node(here / "n", settings)


def layers(node: Node, generation: int = 1) -> list[Path]:
    """Return the layers of a plan."""
    return next([Path(lower) for lower in plan["lowers"]] for plan in node.plans() if plan["generation"] == generation)


def whole(node: Node, generation: int = 1) -> None:
    """Assert that a plan names all packages of its environment, in whatever layers."""
    lowers = layers(node, generation)
    assert all(lower.is_dir() for lower in lowers)
    assert len(trees_of(Layout(node.place.store), lowers)) == LAYERS
    for number in range(PARTS):
        [data] = [path for lower in lowers for path in lower.glob(f"opt/part{number}/data")]
        assert data.read_text() == ("changed\n" if (number, generation) == (7, 2) else f"{number}\n")


def test_what_a_pod_uses_is_merged_when_it_is_quiet_and_the_next_generation_shares_it(machine, node) -> None:
    node.pod("a", "ada/tool:1")
    with node.agent():
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        assert len(layers(node)) == LAYERS
        until(lambda: is_merged(layers(node)))
        assert len(layers(node)) < LAYERS // 3
        whole(node)
        node.pod("b", "ada/tool:2")
        assert node.ask("b", "ada/tool:2") == {"ready": True}
        assert len(set(layers(node)) - set(layers(node, 2))) == 1
        whole(node, 2)
        until(lambda: is_merged(layers(node, 2)))
        whole(node, 2)
    with node.agent():
        assert node.ask("a", "ada/tool:1") == {"ready": True}
    whole(node)


@pytest.mark.parametrize("name", ["a" * 200 + "/tool", "ADA/Tool", "ada/../tool", "ada/tool/more"])
def test_a_name_that_no_environment_has_ends_no_agent(machine, node, name) -> None:
    node.pod("hostile", f"{name}@sha256:{'0' * 64}")
    node.pod("a", "ada/tool:1")
    with node.agent() as agent:
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        until(lambda: is_merged(layers(node)))
        assert agent.poll() is None
    assert "a part of the agent failed" not in (node.directory / "log").read_text()


@pytest.mark.parametrize("milestone", ["bundle-recorded", "layers-merged", "plan-merged"])
def test_who_is_killed_while_it_merges_leaves_a_plan_that_is_whole(machine, node, milestone) -> None:
    node.pod("a", "ada/tool:1")
    with node.agent(milestone):
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        until((node.directory / "killed").exists)
        whole(node)
        assert node.ask("a", "ada/tool:1") == {"ready": True}
    with node.agent():
        until(lambda: is_merged(layers(node)))
    whole(node)


def test_a_collection_keeps_bundles_while_a_pod_names_what_they_are_of(machine, node) -> None:
    layout = Layout(node.place.store)
    node.pod("a", "ada/tool:1")
    with node.agent():
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        until(lambda: is_merged(layers(node)))
        assert collect(layout, history=0).faults == ()
        whole(node)
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        node.delete("a")
        until(lambda: not node.pins())
        assert collect(layout, history=0).faults == ()
    assert [*layout.packages.iterdir(), *layout.bundles.iterdir(), *layout.records.iterdir()] == []


def test_what_a_repair_has_taken_from_a_running_pod_is_there_when_its_runtime_asks(machine, node) -> None:
    node.pod("a", "ada/tool:1")
    layout = Layout(node.place.store)
    with node.agent():
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        until(lambda: is_merged(layers(node)))
        with set_aside(layout, trees_of(layout, layers(node))[3].name):
            pass
        assert not all(lower.is_dir() for lower in layers(node))
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        whole(node)


def test_what_is_prewarmed_is_merged_at_once(machine, node) -> None:
    prewarm("ada/tool:1", node.place, node.own_settings)
    assert is_merged(layers(node))
    whole(node)


def test_a_store_without_room_for_more_links_leaves_the_plan_as_it_was(machine, node) -> None:
    node.pod("a", "ada/tool:1")
    with node.agent():
        assert node.ask("a", "ada/tool:1") == {"ready": True}
        bundles = node.place.store / "bundles"
        bundles.rmdir()
        bundles.touch()
        until(lambda: "layers stay as they are" in (node.directory / "log").read_text())
        bundles.unlink()
        bundles.mkdir()
        assert node.ask("a", "ada/tool:1") == {"ready": True}
    whole(node)
    assert os.listdir(node.place.store / "staging") == []
