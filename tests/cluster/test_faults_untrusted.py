"""A thousand annotations made to break out of a real node: none does, each is answered in words, and nobody else waits.

Thirty are pods of the API server. The others are put to the node's runtime as containerd does it: with the program that
was installed, its real runc, and the agent that runs.
"""

import json
import random
import sys
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from fault_node import BrokenCluster

sys.path.insert(0, str(Path(__file__).parents[1] / "node" / "handler" / "support"))

from runc_containers import Container

from breakbulk.errors import BreakbulkError
from breakbulk.node.agent.wording import sentence
from breakbulk.node.annotations import VALUE_MAX
from breakbulk.node.handler.creating import Node, create

pytestmark = [pytest.mark.cluster, pytest.mark.endurance]

THROUGH_API = 30
THROUGH_RUNTIME = 40
ALL = 1000

KEYS = [
    *("breakbulk.dev/environment", "flox.dev/environment", "environment.breakbulk.dev/main"),
    *("breakbulk.dev/skip-containers", "breakbulk.dev/activate-mode", "breakbulk.dev/skip-containers-exec"),
]
PIECES = [
    *("..", "/", "../../..", "/etc/shadow", "/proc/self/root", "~", ".", "\\", "%2e%2e%2f", "$(reboot)", "`id`", ";"),
    *("\n", "\r", "\t", "\x00", "\x1b[2J", "\x7f", "\u202e", "\u2028", "\u200b", "\ufeff", "\u0435", "\U0001d41a"),
    *("ada", "secret", "ada/secret", ":", "@", ":0", ":1", ":-1", ":999999999", "@sha256:", "@sha256:" + "a" * 64),
    *("none", "null", "{}", "[]", '"', "'", "{{.}}", "%s%n", "-", "--", "--root=/", ",", "lowerdir=/", ":upperdir=/"),
    *("localhost/ada/web", "https://example.org/ada/web", "file:///etc", "s3://bucket/ada", "A", "ada/" + "w" * 64),
    *("x" * VALUE_MAX, "ada/" + "x" * 20_000, "/".join(["a"] * 2000), "a~b", "..json", "ada/secret.json", "|", " "),
]
IDENTIFIERS = {
    *("annotation-invalid", "reference-invalid", "environment-unknown", "generation-unknown", "environment-missing"),
    "command-missing",
}


def hostile(count: int) -> Iterator[dict[str, str]]:
    """Yield annotations; the same in every run, so that what is found can be found again.

    None names what another one does: an agent takes a moment before it looks again for what is not there.
    """
    chance = random.Random(5)  # noqa: S311
    seen = {"", "none"}  # these are wishes like any other
    while count:
        value = "".join(chance.choices(PIECES, k=chance.choice((1, 1, 2, 3, 5))))
        if value.strip() not in seen:
            seen.add(value.strip())
            count -= 1
            yield {"breakbulk.dev/environment": f"ada/never-pushed-{count}", chance.choice(KEYS): value}


def test_pods_with_hostile_annotations_say_why_they_do_not_run(broken: BrokenCluster) -> None:
    pods = {f"hostile-{number}": asked for number, asked in enumerate(hostile(THROUGH_API))}
    with broken.leaving_nothing():
        broken.run(*(_annotated(broken.pod(name, "ada/web"), asked) for name, asked in pods.items()))
        broken.push("meanwhile")
        broken.run(broken.pod("meanwhile", "ada/meanwhile"))
        broken.wait_running("meanwhile")
        broken.wait(lambda: _unexplained(broken, pods) == {}, "an event for each that says why")
        broken.remove(*pods, "meanwhile")


def test_one_pod_with_thousands_of_environments_keeps_nobody_waiting(broken: BrokenCluster) -> None:
    greedy = {f"environment.breakbulk.dev/c{number}": f"ada/n{number}" for number in range(3000)}
    broken.push("modest")
    with broken.leaving_nothing():
        broken.run(_annotated(broken.pod("greedy", "ada/web"), greedy))
        broken.wait_event("greedy", "Failed")
        broken.run(broken.pod("modest", "ada/modest"))
        broken.wait_running("modest")
        assert not any("agent-busy" in event.get("message", "") for event in broken.events("modest"))
        broken.remove("greedy", "modest")


def _annotated(pod: dict[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
    pod["metadata"]["annotations"] |= annotations
    return pod


def _unexplained(broken: BrokenCluster, pods: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the pods without an event that names an identifier, and a way to mend it."""
    said = [(event["involvedObject"]["name"], event.get("message", "")) for event in broken.listed("events")]
    explained = {name for name, words in said if "fix: " in words and any(f"{each}: " in words for each in IDENTIFIERS)}
    running = {name for name, pod in broken.pods().items() if pod["status"]["phase"] == "Running"}
    assert not running & pods.keys(), "something hostile runs"
    return {name: asked for name, asked in pods.items() if name not in explained}


def test_a_thousand_hostile_annotations_never_reach_runc(broken: BrokenCluster, tmp_path: Path) -> None:
    here = broken.node()
    node = Node(
        state=str(here.breakbulk), run=str(here.runtime / "breakbulk"), store=f"{here.breakbulk}/store", deadline_s=20
    )
    before = _files(broken)
    bundle = Container(tmp_path, here.breakbulk / "breakbulk-runtime", annotations={})
    bundle.prepare()
    try:
        for number, annotations in enumerate(islice(hostile(ALL), THROUGH_API, None)):
            if number < THROUGH_RUNTIME:
                _refused_by_program(broken, tmp_path / str(number), annotations)
            else:
                _refused(bundle, node, annotations, "sandbox" if number % 2 else "container")
        assert _files(broken) == before
    finally:
        bundle.delete()
    broken.push("after")
    with broken.leaving_nothing():
        broken.run(broken.pod("after", "ada/after"))
        broken.wait_running("after")
        assert not any("agent-busy" in event.get("message", "") for event in broken.events("after"))
        broken.remove("after")


def _refused_by_program(broken: BrokenCluster, directory: Path, annotations: dict[str, str]) -> None:
    directory.mkdir()
    program = broken.node().breakbulk / "breakbulk-runtime"
    container = Container(directory, program, annotations=annotations, uid=str(uuid.uuid4()))
    container.prepare()
    try:
        ended = container.create()
        assert ended.status != 0, annotations
        assert not container.known
        _check_words(ended.message.removeprefix("breakbulk: "), annotations)
    finally:
        container.delete()


def _refused(bundle: Container, node: Node, annotations: dict[str, str], kind: str) -> None:
    configuration = json.loads(json.dumps(bundle.configuration))
    configuration["annotations"] |= annotations | {
        "io.kubernetes.cri.container-type": kind,
        "io.kubernetes.cri.sandbox-uid": str(uuid.uuid4()),
    }
    file = bundle.bundle / "config.json"
    file.write_text(json.dumps(configuration))
    written, mounts = file.read_bytes(), _mounts(bundle)
    with pytest.raises(BreakbulkError) as raised:
        create(str(bundle.bundle), node)
    _check_words(f"{raised.value.reference}: {sentence(raised.value)}", annotations)
    assert file.read_bytes() == written
    assert _mounts(bundle) == mounts


def _check_words(message: str, annotations: dict[str, str]) -> None:
    identifier, _, words = message.partition(": ")
    assert identifier in IDENTIFIERS, (message, annotations)
    assert "fix: " in words, message
    assert message.isprintable()
    assert len(message) < 1024


def _mounts(bundle: Container) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(bundle.directory) in line]


def _files(broken: BrokenCluster) -> list[str]:
    """Return everything that the first node keeps of environments, but for what its agent says of itself."""
    here = broken.node()
    kept = (here.breakbulk / "plans", here.breakbulk / "pods", here.breakbulk / "store", here.runtime / "breakbulk")
    return sorted(str(path) for directory in kept for path in directory.rglob("*"))
