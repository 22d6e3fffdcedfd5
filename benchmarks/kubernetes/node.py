"""A cluster of one node for the benchmarks, the hub that its agent knows, and what one does to a node.

Everything is below the workplace: the hub is a directory, the node's store is its own. Counterparts: `pods`, which asks
the API server, and `bench`, which has content on the hub and in a registry.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from workplace import WORK, breakbulk

__all__ = ["HUB", "Node", "running_node", "wait_until"]

CLUSTER = "bench"
HOME = WORK / "kubernetes"
HUB = WORK / "hub-kubernetes"
_RECENT_S = 65.0
_REMOVED_S = 10.0
_numbers = itertools.count(1)


class Node:
    """The only node of a cluster that is up."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.kubeconfig = Path(status["kubeconfig"])
        self.directory = HOME / "clusters" / CLUSTER
        self.name: str = status["nodes"][0]["name"]
        self.version: str = status["kubernetes"]
        self.gateway = str(ipaddress.IPv4Address(status["nodes"][0]["address"]) - 1)  # of the bridge: this machine

    @cached_property
    def programs(self) -> Path:
        """Where kubectl, crictl, runc and the registry are."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Path(os.environ.get("BREAKBULK_KUBERNETES") or cache / "breakbulk" / "kubernetes") / self.version / "bin"

    @property
    def breakbulk(self) -> Path:
        """What the agent and the handler keep."""
        return self.directory / "nodes" / self.name / "breakbulk"

    @property
    def run(self) -> Path:
        """Where the agent listens."""
        return self._runtime / "breakbulk"

    @property
    def handler(self) -> Path:
        """What containerd calls in the place of runc."""
        return self.breakbulk / "breakbulk-runtime"

    @property
    def _runtime(self) -> Path:
        return Path("/run/breakbulk/clusters", CLUSTER, self.name)

    def kubectl(self, *words: str) -> str:
        """Return what kubectl prints."""
        return _run(self.programs / "kubectl", f"--kubeconfig={self.kubeconfig}", *words)

    def crictl(self, *words: str) -> str:
        """Return what crictl prints, which speaks to containerd as kubelet does."""
        socket = f"unix://{self._runtime / 'containerd.sock'}"
        return _run(self.programs / "crictl", f"--runtime-endpoint={socket}", f"--image-endpoint={socket}",
                    "--timeout=600s", *words)  # fmt: skip

    def trust(self, registry: str) -> None:
        """Have containerd pull from a registry without TLS."""
        directory = self.directory / "configuration" / "registries" / registry
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "hosts.toml").write_text(f'server = "http://{registry}"\n')

    def settle(self) -> None:
        """Return when nothing of earlier pods is left to be removed, and nothing waits to be written to the disk."""
        wait_until(self._no_sandboxes, "sandboxes are removed")
        os.sync()

    def _no_sandboxes(self) -> bool:
        """Remove the sandboxes that have ended, as kubelet would within a minute; say whether none is left."""
        ended = self.crictl("pods", "--namespace=default", "--state=NotReady", "--quiet").split()
        if ended:
            with suppress(SystemExit):  # kubelet is removing one of them
                self.crictl("rmp", *ended)
        return not self.crictl("pods", "--namespace=default", "--quiet").strip()

    def forget_removals(self) -> None:
        """Wait until a removal of tens of thousands of files is not paid for by whoever makes files next.

        ext4 takes no inode that was freed in the last minute, or in the last six if that is not on the disk yet, and
        looks at each of those for every file that it makes (`recently_deleted` in fs/ext4/ialloc.c). containerd removes
        the layers of an image some moments after it has said so.
        """
        self.settle()
        time.sleep(_REMOVED_S)
        os.sync()
        time.sleep(_RECENT_S)

    def empty(self) -> None:
        """Take every package, plan and record from the node, as if no environment had ever been on it.

        They are put aside until the cluster goes, which disturbs less than removing them.
        """
        self._end_agent()
        aside = self.breakbulk.with_name(f"aside-{next(_numbers)}")
        aside.mkdir()
        for path in (self.breakbulk / name for name in ("store", "cache", "plans", "pods")):
            if path.exists():
                path.rename(aside / path.name)
        _up()

    def agent_pid(self) -> int:
        """Return the process of the node agent."""
        components = _cluster("status", "--json")["clusters"][0]["components"]
        return next(int(one["pid"]) for one in components if one["name"] == "breakbulk-agent")

    def realisations(self) -> int:
        """Return how often the agent has realised something since it began, whatever came of it."""
        found = re.findall(r"^breakbulk_node_realisations_total\{.*\} ([0-9.e+]+)$", self._metrics(), re.MULTILINE)
        return round(sum(map(float, found)))

    def _metrics(self) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.gateway}:9464/metrics", timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    def _end_agent(self) -> None:
        process = os.pidfd_open(self.agent_pid())
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            os.close(process)


@contextmanager
def running_node() -> Iterator[Node]:
    """Bring up the cluster with an empty hub; take it down at the end, and first what a killed run has left."""
    _down()
    shutil.rmtree(HUB, ignore_errors=True)
    try:
        yield Node(_up())
    finally:
        _down()
        shutil.rmtree(HUB, ignore_errors=True)


def wait_until(look: Callable[[], object], what: str, timeout_s: float = 300.0) -> None:
    """Return when something is true."""
    deadline = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit(f"after {timeout_s:g} s it is still not so that {what}")
        time.sleep(0.1)


def _up() -> dict[str, Any]:
    return _cluster("up", "--name", CLUSTER, "--nodes", "1", "--json")


def _down() -> None:
    if (HOME / "clusters" / CLUSTER).exists():
        _cluster("down", "--name", CLUSTER, "--json")
    shutil.rmtree(HOME, ignore_errors=True)


def _cluster(*words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        breakbulk("cluster", *words, BREAKBULK_STORE=str(HOME), BREAKBULK_CACHE=str(HOME / "cache"),
                  BREAKBULK_HUB=str(HUB))
    )  # fmt: skip
    return document


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    return done.stdout
