"""Nodes of a test's own: a real agent in a process of its own, with a real hub, whose cluster is a directory.

The API server of these tests is what `Directory` reads and writes: pods are files, what the agent tells are lines. The
real one has tests of its own (`tests/cluster`); here faults can be had that it does not offer.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.node.agent.cluster import PodEvent
from breakbulk.node.agent.pods import pod_of
from breakbulk.node.place import NodePlace
from breakbulk.node.protocol import ask
from breakbulk.node.realising.orders import packed
from breakbulk.settings import Settings

_SEEN_EVERY_S = 0.01


class Directory:
    """A cluster in a directory: `pods/NAME.json`, `told`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        (place / "pods").mkdir(parents=True, exist_ok=True)

    async def pods(self) -> AsyncIterator[PodEvent]:
        known: dict[str, bytes] = {}
        synced = False
        while True:
            files = {path.name: path.read_bytes() for path in (self._place / "pods").glob("*.json")}
            for name, data in files.items():
                if known.get(name) != data:
                    kind = "changed" if name in known else "added"
                    yield PodEvent(kind=kind, pod=pod_of(json.loads(data)))
            for name in known.keys() - files.keys():
                yield PodEvent(kind="deleted", pod=pod_of(json.loads(known[name])))
            if not synced:
                yield PodEvent(kind="synced")
            known, synced = files, True
            await asyncio.sleep(_SEEN_EVERY_S)

    async def pod(self, namespace: str, name: str):
        try:
            return pod_of(json.loads((self._place / "pods" / f"{name}.json").read_bytes()))
        except FileNotFoundError:
            return None

    def event(self, pod, weight, reason, message) -> None:
        self._tell({"event": reason, "pod": pod.name, "weight": weight, "message": message})

    async def set_pod_condition(self, pod, condition) -> None:
        self._tell({"condition": condition.reason, "pod": pod.name, "status": condition.status})

    async def runtimes(self):
        return None

    async def set_node(self, labels, annotations, condition) -> None:
        self._tell({"node": condition.reason, "labels": labels, "annotations": annotations})

    async def forget_node(self, condition) -> None:
        self._tell({"forgotten": condition})

    def _tell(self, line: dict[str, Any]) -> None:
        with (self._place / "told").open("a") as file:
            file.write(json.dumps(line) + "\n")


def until(look: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Return what `look` returns once it is true; fail when that takes too long."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)
    return found


class Node:
    """A node whose agent is started, killed and started again.

    Args:
        directory: Where everything of it is; short, as paths of sockets are.
        settings: Name the hub.

    """

    def __init__(self, directory: Path, settings: Settings, **limits: Any) -> None:
        self.directory = directory
        self.cluster = directory / "cluster"
        self.limits = limits
        nowhere = directory / "nowhere"
        self.place = NodePlace(
            name="node-1",
            state=directory / "state",
            store=directory / "store",
            run=directory / "run",
            runtime=nowhere,
            runc=nowhere,
            containerd_config=nowhere,
            containerd=nowhere,
            containerd_socket=nowhere,
        )
        self.settings = replace(settings, cache=directory / "cache", configuration=directory / "configuration")
        (self.cluster / "pods").mkdir(parents=True)

    @property
    def own_settings(self) -> Settings:
        return replace(self.settings, store=self.place.store)

    @contextmanager
    def agent(self, milestone: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Have an agent while the context lasts; the first process of it that comes to a milestone kills itself."""
        with (self.directory / "log").open("ab") as log:
            started = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("node_agent.py")), str(self.cluster)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._killing(milestone)},
            )
        assert started.stdin is not None
        assert started.stdout is not None
        options = {"place": self.place, "settings": packed(self.settings), "limits": self.limits}
        started.stdin.write(msgspec.json.encode(options, enc_hook=str))
        started.stdin.close()
        try:
            assert started.stdout.readline() == b"ready\n", (self.directory / "log").read_text()
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                started.send_signal(signal.SIGTERM)
            started.stdout.close()
            started.wait(20)

    def _killing(self, milestone: str) -> dict[str, str]:
        if not milestone:
            return {}
        path = os.pathsep.join([str(Path(__file__).with_name("killing")), os.environ.get("PYTHONPATH", "")])
        return {"PYTHONPATH": path, "BREAKBULK_TEST_KILL_AT": f"{milestone} {self.directory / 'killed'}"}

    def pod(self, name: str, *references: str, uid: str = "", **fields: Any) -> str:
        """Have a pod on this node; its containers are called `c0`, `c1`, one for each reference. Returns its uid."""
        uid = uid or f"uid-{name}"
        annotations = {f"environment.breakbulk.dev/c{number}": each for number, each in enumerate(references)}
        metadata = {"name": name, "namespace": "default", "uid": uid, "annotations": annotations}
        metadata |= fields.pop("metadata", {})
        containers = [{"name": f"c{number}"} for number in range(len(references))]
        document = {"metadata": metadata, "spec": {"containers": containers, **fields.pop("spec", {})}, **fields}
        path = self.cluster / "pods" / f"{name}.json"
        path.with_suffix(".half").write_text(json.dumps(document))
        path.with_suffix(".half").rename(path)
        return uid

    def delete(self, name: str) -> None:
        (self.cluster / "pods" / f"{name}.json").unlink()

    def ask(self, name: str, *references: str, within_s: float = 30.0, uid: str = "") -> dict[str, Any]:
        """Ask as the runtime handler does."""
        annotations = {f"environment.breakbulk.dev/c{number}": each for number, each in enumerate(references)}
        asked = {"uid": uid or f"uid-{name}", "namespace": "default", "name": name, "annotations": annotations}
        try:
            return ask(str(self.place.run), {"prepare": asked, "within_s": within_s}, within_s + 10)
        except OSError as error:
            raise AssertionError((self.directory / "log").read_text()) from error

    def told(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return what the agent has told that has these fields."""
        try:
            lines = (self.cluster / "told").read_text().splitlines()
        except FileNotFoundError:
            return []
        said = [json.loads(line) for line in lines]
        return [line for line in said if all(line.get(name) == value for name, value in wanted.items())]

    def record(self, uid: str) -> dict[str, Any] | None:
        try:
            return json.loads((self.place.run / "pods" / f"{uid}.json").read_text())
        except FileNotFoundError:
            return None

    def generations(self) -> list[int]:
        """Return which generations have plans."""
        return sorted(plan["generation"] for plan in self.plans())

    def plans(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted((self.place.state / "plans").glob("*.json")):
            with contextlib.suppress(FileNotFoundError):  # collected meanwhile
                found.append(json.loads(path.read_text()))
        return found

    def pins(self) -> list[str]:
        try:
            return sorted(os.listdir(self.place.store / "roots" / "pins"))
        except FileNotFoundError:
            return []
