"""Parts of a real node are killed: pods end running all the same, nothing is left, and no other pod is hurt."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from fault_node import PATIENCE_S, BrokenCluster

from breakbulk.cluster.mounts import unmount_below
from breakbulk.node.realising.orders import Collect, packed
from breakbulk.store.removal import remove_tree

pytestmark = [pytest.mark.cluster, pytest.mark.endurance]

ROUNDS = int(os.environ.get("BREAKBULK_TEST_FAULT_ROUNDS", "1"))
"""How often each part is killed, at another moment each time."""

COLLECTING_S = float(os.environ.get("BREAKBULK_TEST_COLLECTING_S", "60"))
"""For how long pods start while room is made."""


def passing(seconds: float) -> None:
    """Let time pass: the moment is what is tried."""
    threading.Event().wait(seconds)


def test_a_node_that_pods_come_to_and_go_from_is_as_before(broken: BrokenCluster) -> None:
    with broken.leaving_nothing():
        broken.run(broken.pod("a", "ada/web"))
        broken.wait_running("a")
        broken.remove("a")


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("part", ["breakbulk-agent", "containerd", "kubelet"])
def test_pods_that_start_while_a_part_is_killed_all_run(broken: BrokenCluster, part: str, number: int) -> None:
    new = f"killed-{part}-{number}"
    broken.push(new)
    moment_s = random.uniform(0, 3)  # noqa: S311 - any moment
    pods = {f"{new}-{each}": reference for each, reference in enumerate(["ada/web", f"ada/{new}"] * 2)}
    with broken.leaving_nothing():
        broken.run(*(broken.pod(name, reference) for name, reference in pods.items()))
        passing(moment_s)
        broken.kill(part)
        broken.mend()
        broken.wait_running(*pods)
        broken.remove(*pods)


def test_pods_that_end_while_a_part_is_killed_are_gone(broken: BrokenCluster) -> None:
    pods = [f"ending-{each}" for each in range(3)]
    with broken.leaving_nothing():
        broken.run(*(broken.pod(name, "ada/web") for name in pods))
        broken.wait_running(*pods)
        for name, part in zip(pods, ("breakbulk-agent", "containerd", "kubelet"), strict=True):
            broken.cluster.kubectl("delete", "pod", name, "--wait=false")
            passing(random.uniform(0, 1))  # noqa: S311 - any moment
            broken.kill(part)
            broken.mend()
        broken.remove(*pods)


def test_a_node_that_starts_anew_without_the_hub_runs_what_it_ran(broken: BrokenCluster) -> None:
    with broken.leaving_nothing(restarted=True):
        broken.run(broken.pod("again", "ada/web"))
        broken.wait_running("again")
        before = {name: starts(broken, name) for name in ("canary-1", "canary-2", "again")}
        had = digests(broken)
        broken.push("web")  # what comes now is for pods that come later
        broken.gate.shut()
        try:
            restart_first_node(broken)
            for name in ("canary-1", "again"):
                broken.wait(lambda name=name: starts(broken, name)[0] == before[name][0] + 1, f"{name} again")
            broken.wait_running("canary-1", "again")
        finally:
            broken.gate.open()
        assert starts(broken, "canary-2") == before["canary-2"]
        assert digests(broken) == had
        broken.remove("again", "canary-1")  # kubelet keeps what is left of a container that has been started again
        broken.run(broken.pod("canary-1", "ada/web"))
        broken.wait_running("canary-1")


def digests(broken: BrokenCluster) -> dict[str, dict[str, str]]:
    """Return what environments meant to each pod of the first node."""
    records = map(msgspec.json.decode, map(Path.read_bytes, (broken.node().runtime / "breakbulk/pods").iterdir()))
    return {record["name"]: record["digests"] for record in records}


def starts(broken: BrokenCluster, pod: str) -> tuple[int, str]:
    """Return how often the container of a pod has been started again, and which it is."""
    (status,) = broken.pods()[pod]["status"]["containerStatuses"]
    return status["restartCount"], status.get("containerID", "")


def restart_first_node(broken: BrokenCluster) -> None:
    """Leave of the first node what a restart of its machine leaves: files, but no process, and nothing in memory."""
    node = broken.node()
    broken.hierarchies.kill(f"{broken.place.control_group}/{node.name}")
    unmount_below(node.runtime / "containerd")
    unmount_below(node.kubelet)
    for directory in (node.runtime / "containerd", node.runtime / "runc", node.runtime / "breakbulk"):
        remove_tree(directory)
    broken.mend()


def test_pods_start_while_room_is_made(broken: BrokenCluster) -> None:
    generations = [broken.push("room") for _ in range(12)]  # of which the one that was used last stays in any case
    began_s = time.monotonic()
    removed = [0]
    failures: list[BaseException] = []

    def going_on() -> bool:
        passed_s = time.monotonic() - began_s
        return passed_s < COLLECTING_S or (not removed[0] and passed_s < COLLECTING_S + PATIENCE_S)

    def repeat(act: Callable[[int], None]) -> None:
        number = 0
        try:
            while going_on() and not failures:
                act(number)
                number += 1
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    def collect(_number: int) -> None:
        removed[0] += collection(broken)

    def come_and_go(number: int) -> None:
        name = f"{threading.current_thread().name}-{number}"
        broken.run(broken.pod(name, random.choice(generations), restartPolicy="Never"))  # noqa: S311 - any
        broken.wait_running(name)
        broken.cluster.kubectl("delete", "pod", name, "--wait=false")

    with broken.leaving_nothing():
        workers = [threading.Thread(target=repeat, args=[collect])]
        workers += [threading.Thread(target=repeat, args=[come_and_go], name=f"room-{each}") for each in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failures:
            raise failures[0]
        broken.wait(lambda: not any(name.startswith("room-") for name in broken.pods()), "all pods gone")
    assert removed[0], "nothing was ever removed"
    said = broken.cluster.kubectl("get", "events", "-o", "custom-columns=:.involvedObject.name,:.reason,:.message")
    wrong = [
        line
        for line in said.splitlines()
        if line.startswith("room-") and ("EnvironmentFailed" in line or "fix:" in line)
    ]
    assert wrong == []


def collection(broken: BrokenCluster) -> int:
    """Have everything removed that no pod of the first node needs, as its agent does; return how many packages."""
    node = broken.node()
    settings = replace(broken.cluster.settings, store=node.breakbulk / "store", cache=node.breakbulk / "cache")
    order = Collect(
        state=str(node.breakbulk),
        settings=packed(settings),
        free_bytes=1 << 50,
        history=1,
        recent_s=0.0,
        parent=os.getpid(),
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "breakbulk.node.realising.collecting"],
        input=msgspec.json.encode(order),
        capture_output=True,
        check=True,
    )
    outcome = msgspec.json.decode(done.stdout.splitlines()[-1])
    assert outcome.get("error") is None, outcome
    assert outcome["result"]["faults"] == []
    return int(outcome["result"]["removed"])
