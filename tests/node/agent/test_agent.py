"""The node agent as a real process: what pods get, and what handlers and the cluster are told."""

import json
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from machines import Machine
from nodes import Node, until

from breakbulk.node.protocol import ask, socket_path

pytestmark = pytest.mark.integration


@pytest.fixture
def here() -> Iterator[Path]:
    """A directory with a short name."""
    with tempfile.TemporaryDirectory(prefix="bb") as directory:
        yield Path(directory)


@pytest.fixture
def machine(here: Path, settings) -> Machine:
    """A machine that pushes."""
    return Machine(here / "m", settings)


@pytest.fixture
def node(here: Path, settings) -> Callable[..., Node]:
    """A function that makes the node, with limits of its agent."""
    return lambda **limits: Node(here / "n", settings, **limits)


def pushed(machine: Machine, name: str = "ada/tool", data: str = "one\n") -> str:
    """Push an environment and return its digest."""
    project = machine.directory / name.replace("/", "-")
    if not project.exists():
        project = machine.project(project.name, data=data)
    (project / "tool" / "data").write_text(data)
    return machine.push(project, name).recorded.change.digest.removeprefix("sha256:")


def data_of(plan: dict) -> str:
    return next(path for lower in plan["lowers"] for path in Path(lower).glob("opt/tool/data")).read_text()


def test_a_pod_has_its_environment_before_anybody_asks(machine, node) -> None:
    digest = pushed(machine)
    it = node()
    uid = it.pod("a", "ada/tool", spec={"securityContext": {"runAsGroup": 7}})
    with it.agent():
        until(lambda: it.told(event="EnvironmentReady", pod="a"))
        assert it.ask("a", "ada/tool") == {"ready": True}
        (plan,) = it.plans()
        assert (plan["environment"], plan["generation"], plan["digest"]) == ("ada/tool", 1, digest)
        assert data_of(plan) == "one\n"
        assert plan["vars"] == {"COLOUR": "blue"}
        assert plan["variables"]["BREAKBULK_ENV"] == "ada/tool"
        assert plan["variables"]["PATH"] == plan["path"]
        assert it.record(uid)["digests"] == {"ada/tool": digest}
        assert it.record(uid)["grouped"] == ["c0"]
        assert it.told(condition="EnvironmentReady", pod="a")[-1]["status"] is True
        assert it.told(event="EnvironmentRealising", pod="a")
        assert it.told(node="AgentReady")[0]["labels"]["breakbulk.dev/ready"] == "true"
        shown = {"breakbulk.dev/environments": f"ada/tool@{digest[:12]}"}
        until(lambda: it.told(node="AgentReady", annotations=shown))
        assert it.told(event="EnvironmentRealising", pod="a")[0]["message"].endswith(" are missing")
        assert not [one for one in it.told(event="EnvironmentRealising", pod="a") if "waiting" in one["message"]]
    assert it.told(node="AgentStopped")
    assert not Path(socket_path(str(it.place.run))).exists()


def test_the_last_agent_of_a_node_takes_back_what_was_said_of_it(machine, node) -> None:
    it = node()
    for leaving in (True, False):
        with it.agent():
            until(lambda: it.told(node="AgentReady"))
            if leaving:
                it.place.leaving.touch()
        assert it.told(forgotten="BreakbulkReady")
    assert len(it.told(forgotten="BreakbulkReady")) == 1  # an agent that came all the same stays
    assert it.told(node="AgentStopped")


def test_whoever_asks_before_the_cluster_has_told_is_answered(machine, node) -> None:
    pushed(machine)
    it = node()
    with it.agent():
        assert it.ask("unheard", "ada/tool") == {"ready": True}
        assert it.record("uid-unheard")["name"] == "unheard"


def test_fifty_pods_at_once_are_one_realisation(machine, node) -> None:
    pushed(machine)
    it = node()
    with it.agent(), ThreadPoolExecutor(50) as handlers:
        for number in range(50):
            it.pod(f"p{number}", "ada/tool")
        answers = list(handlers.map(lambda number: it.ask(f"p{number}", "ada/tool"), range(50)))
        assert answers == [{"ready": True}] * 50
        log = (it.directory / "log").read_text()
    assert "Traceback" not in log
    assert len(it.plans()) == 1
    assert len(it.pins()) == 1


def test_a_pod_keeps_what_it_got_and_a_new_one_gets_what_is_live(machine, node) -> None:
    first = pushed(machine)
    it = node()
    it.pod("old", "ada/tool")
    with it.agent():
        assert it.ask("old", "ada/tool")["ready"]
        second = pushed(machine, data="two\n")
        it.pod("new", "ada/tool")
        assert it.ask("new", "ada/tool")["ready"]
    with it.agent():
        for name, digest in (("old", first), ("new", second)):
            assert it.ask(name, "ada/tool")["ready"]
            assert it.record(f"uid-{name}")["digests"] == {"ada/tool": digest}
    assert sorted(data_of(plan) for plan in it.plans()) == ["one\n", "two\n"]


def test_a_machine_that_starts_anew_gives_pods_what_they_had(machine, node) -> None:
    first = pushed(machine)
    it = node()
    it.pod("a", "ada/tool")
    with it.agent():
        assert it.ask("a", "ada/tool")["ready"]
    for path in (it.place.run / "pods").iterdir():  # it is in memory
        path.unlink()
    pushed(machine, data="two\n")
    with it.agent():
        assert it.ask("a", "ada/tool")["ready"]
        assert it.record("uid-a")["digests"] == {"ada/tool": first}


def test_what_is_present_starts_without_the_hub(machine, node) -> None:
    digest = pushed(machine)
    it = node()
    it.pod("a", f"ada/tool@sha256:{digest}")
    with it.agent():
        assert it.ask("a", f"ada/tool@sha256:{digest}")["ready"]
    hub = Path(it.settings.hub)
    hub.rename(hub.with_name("away"))
    with it.agent():
        it.pod("b", f"ada/tool@sha256:{digest}")
        assert it.ask("b", f"ada/tool@sha256:{digest}")["ready"]
        it.pod("c", "ada/tool")
        assert it.ask("c", "ada/tool")["ready"] is False


def test_two_environments_with_one_lock_have_plans_of_their_own(machine, node) -> None:
    digest = pushed(machine)
    assert pushed(machine, "bob/tool") == digest
    it = node()
    with it.agent():
        it.pod("a", "ada/tool", "bob/tool")
        assert it.ask("a", "ada/tool", "bob/tool")["ready"]
    assert [plan["variables"]["BREAKBULK_ENV"] for plan in it.plans()] == ["ada/tool", "bob/tool"]


def test_what_does_not_exist_is_told_with_a_fix_and_heals_when_it_comes(machine, node) -> None:
    pushed(machine, "ada/other")
    it = node()
    it.pod("a", "ada/tool")
    with it.agent():
        answer = it.ask("a", "ada/tool")
        assert (answer["ready"], answer["error"], answer["retry"]) == (False, "environment-unknown", True)
        assert "fix:" in answer["message"]
        (told, *_) = it.told(event="EnvironmentFailed", pod="a")
        assert told["weight"] == "Warning"
        assert told["message"].startswith("environment-unknown: ")
        pushed(machine)
        until(lambda: it.told(event="EnvironmentReady", pod="a"))
        assert it.ask("a", "ada/tool") == {"ready": True}


def test_another_annotation_is_looked_up_at_once(machine, node) -> None:
    pushed(machine)
    it = node()
    it.pod("a", "ada/wrong")
    with it.agent():
        until(lambda: it.told(event="EnvironmentFailed", pod="a"))
        it.pod("a", "ada/tool")
        until(lambda: len(it.plans()) == 1, within_s=10)
        assert it.ask("a", "ada/tool") == {"ready": True}


@pytest.mark.parametrize("reference", ["../../etc", "Ada/Tool", "ada/tool@sha256:12", "ada/tool:0", "x" * 4000])
def test_what_cannot_be_a_name_is_refused_in_words(node, reference) -> None:
    it = node()
    it.pod("a", reference)
    with it.agent():
        answer = it.ask("a", reference)
        assert (answer["ready"], answer["error"], answer["retry"]) == (False, "reference-invalid", False)
        assert it.plans() == []


def test_a_pod_that_goes_leaves_nothing(machine, node) -> None:
    pushed(machine)
    it = node()
    uid = it.pod("a", "ada/tool")
    with it.agent():
        assert it.ask("a", "ada/tool")["ready"]
        assert len(it.pins()) == 1
        it.delete("a")
        until(lambda: it.record(uid) is None and not it.pins())
        assert not (it.place.state / "pods" / f"{uid}.json").exists()
        assert len(it.plans()) == 1


def test_a_pod_that_has_run_to_its_end_holds_nothing(machine, node) -> None:
    pushed(machine)
    it = node()
    uid = it.pod("a", "ada/tool")
    with it.agent():
        assert it.ask("a", "ada/tool")["ready"]
        it.pod("a", "ada/tool", status={"phase": "Succeeded"})
        until(lambda: it.record(uid) is None and not it.pins())


def test_what_went_while_no_agent_was_there_is_tidied(machine, node) -> None:
    pushed(machine)
    it = node()
    it.pod("a", "ada/tool")
    with it.agent():
        assert it.ask("a", "ada/tool")["ready"]
    it.delete("a")
    for place in (it.place.run, it.place.state):
        os.utime(place / "pods" / "uid-a.json", (1, 1))
    with it.agent():
        until(lambda: it.record("uid-a") is None and not it.pins())


def test_a_debug_container_is_known(machine, node) -> None:
    pushed(machine)
    it = node()
    uid = it.pod("a", "ada/tool", spec={"ephemeralContainers": [{"name": "debug"}]})
    with it.agent():
        assert it.ask("a", "ada/tool")["ready"]
        asked = {"uid": uid, "namespace": "default", "name": "a"}
        answers = {
            name: ask(str(it.place.run), {"ephemeral": {**asked, "container": name}}, 5)["ephemeral"]
            for name in ("c0", "debug")
        }
        assert answers == {"c0": False, "debug": True}
        assert it.record(uid)["ephemeral"] == ["debug"]


def test_questions_that_are_none_are_answered(node) -> None:
    it = node()
    with it.agent():
        for line in (b"what?\n", b"{}\n", b'{"format": 2, "prepare": {}}\n', b'{"format": 1, "prepare": []}\n', b"\n"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(socket_path(str(it.place.run)))
                connection.sendall(line)
                assert json.loads(connection.makefile("rb").readline())["error"] == "agent-question-unknown"
        assert it.ask("a") == {"ready": True}


def children_of(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def held_up(it: Node) -> int:
    """Lock the store as a collection does, so that realisations wait; returns what to close."""
    import fcntl

    (it.place.store / "locks").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(it.place.store / "locks" / "claims", os.O_RDWR | os.O_CREAT)
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    return descriptor


def test_a_realisation_ends_with_the_last_pod_that_waits_for_it(machine, node) -> None:
    pushed(machine)
    it = node()
    with it.agent() as agent:
        lock = held_up(it)
        for name in ("a", "b"):
            it.pod(name, "ada/tool")
        until(lambda: len(children_of(agent.pid)) == 1)
        (child,) = children_of(agent.pid)
        answer = it.ask("a", "ada/tool", within_s=0.5)
        assert (answer["error"], answer["retry"]) == ("environment-realising", True)
        assert "ada/tool:1" in answer["message"]
        it.delete("a")
        with ThreadPoolExecutor(1) as handlers:
            asked = handlers.submit(it.ask, "b", "ada/tool")
            assert children_of(agent.pid) == [child]
            it.delete("b")
            assert asked.result()["error"] == "pod-ending"
        until(lambda: not children_of(agent.pid))
        os.close(lock)
        it.pod("c", "ada/tool")
        assert it.ask("c", "ada/tool") == {"ready": True}


def test_an_agent_told_to_end_does_so_at_once_with_its_children(machine, node) -> None:
    pushed(machine)
    it = node()
    with it.agent() as agent:
        lock = held_up(it)
        it.pod("a", "ada/tool")
        (child,) = until(lambda: children_of(agent.pid))
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(5) == 0
        assert not Path(f"/proc/{child}").exists()
        os.close(lock)
    with it.agent():
        assert it.ask("a", "ada/tool") == {"ready": True}


def test_an_agent_that_is_killed_takes_its_children_along_and_the_next_goes_on(machine, node) -> None:
    pushed(machine)
    it = node()
    it.pod("a", "ada/tool")
    with it.agent() as agent:
        lock = held_up(it)
        (child,) = until(lambda: children_of(agent.pid))
        agent.kill()
        agent.wait(10)
        until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text())
        os.close(lock)
    with it.agent():
        assert it.ask("a", "ada/tool") == {"ready": True}


def test_a_child_that_is_killed_is_told_and_tried_again(machine, node) -> None:
    pushed(machine)
    it = node()
    it.pod("a", "ada/tool")
    with it.agent() as agent:
        lock = held_up(it)
        (child,) = until(lambda: children_of(agent.pid))
        os.kill(child, signal.SIGKILL)
        os.close(lock)
        until(lambda: it.told(event="EnvironmentFailed", pod="a"))
        assert "realisation-died" in it.told(event="EnvironmentFailed")[0]["message"]
        until(lambda: it.told(event="EnvironmentReady", pod="a"))


def test_there_is_one_agent_for_a_node(node) -> None:
    it = node()
    with it.agent(), pytest.raises(AssertionError, match="agent-running"), it.agent():
        pass
    assert it.place.run.stat().st_mode & 0o777 == 0o700 or (it.place.run / "pods").stat().st_mode & 0o777 == 0o700
