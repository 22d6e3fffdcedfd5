"""A real cluster for tests, and short ways to ask it: kubectl, manifests, waiting for what comes to be."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from breakbulk.cluster.drivers import all_names, driver
from breakbulk.cluster.images import PAUSE_NAME
from breakbulk.cluster.model import ClusterRequest, ClusterStatus
from breakbulk.errors import BreakbulkError, NotFoundError
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

Found = TypeVar("Found")

_HOMES = Path(tempfile.gettempdir())
_PREFIX = "bbt-"


@dataclass(frozen=True)
class RunningCluster:
    """One cluster that is up."""

    settings: Settings
    name: str
    kubeconfig: Path

    @property
    def programs(self) -> Path:
        return self.settings.kubernetes / str(self.status().kubernetes) / "bin"

    def status(self) -> ClusterStatus:
        return driver("native", self.settings).status(self.name)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout_s: float = 120) -> str:
        """Return what kubectl prints, on either stream."""
        ended = subprocess.run(
            [self.programs / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.settings.store)},
        )
        if check:
            assert ended.returncode == 0, f"kubectl {' '.join(arguments)}: {ended.stdout}"
        return ended.stdout

    def apply(self, *objects: Mapping[str, Any] | str) -> None:
        """Apply manifests, as YAML or as values."""
        for one in objects:
            text = one if isinstance(one, str) else json.dumps(one)
            self.kubectl("apply", "--server-side", "-f", "-", stdin=text)

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """Return an object, empty when there is none."""
        text = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] = json.loads(text) if text.strip() else {}
        return found

    def wait_for(self, look: Callable[[], Found], *, timeout_s: float = 120, what: str = "") -> Found:
        """Return the first thing that is true; fail with the cluster's events when none comes."""
        deadline = time.monotonic() + timeout_s
        while not (found := look()):
            if time.monotonic() > deadline:
                events = self.kubectl("get", "events", "-A", "--sort-by=.lastTimestamp", check=False)
                raise AssertionError(f"{what or look} did not come to be in {timeout_s:g} s; events:\n{events[-4000:]}")
            time.sleep(0.1)
        return found

    def wait_for_phase(self, pod: str, phase: str = "Running", *, namespace: str = "default") -> dict[str, Any]:
        """Return a pod that has come to a phase."""

        def look() -> dict[str, Any] | None:
            found = self.get("pod", pod, namespace)
            return found if found.get("status", {}).get("phase") == phase else None

        found = self.wait_for(look, what=f"pod {namespace}/{pod} {phase}")
        assert found is not None
        return found


def pause_pod(name: str, node: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a pod that does nothing, of the image that every node has."""
    containers = [{"name": "main", "image": PAUSE_NAME, "imagePullPolicy": "Never"}]
    spec = {
        "containers": containers,
        "terminationGracePeriodSeconds": 0,
        **({"nodeName": node} if node else {}),
        **more,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


@contextmanager
def home_of_clusters() -> Iterator[Settings]:
    """Give settings with a directory of their own, and take down whatever is in it at the end.

    Its path is short, as sockets are below it. What a killed run left is taken down first: its lock is free.
    """
    _take_leftovers_down()
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_HOMES))
    lock = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    settings = settings_in(home)
    try:
        yield settings
    finally:
        take_all_down(settings)
        shutil.rmtree(home)
        os.close(lock)


def settings_in(home: Path) -> Settings:
    """Return settings whose clusters, hub, configuration and cache are below a directory."""
    return replace(
        Settings.load(os.environ),
        store=home,
        cache=home / "cache",
        hub=str(home / "hub"),
        configuration=home / "configuration",
        environment={
            **os.environ,
            "BREAKBULK_HUB": str(home / "hub"),
            "BREAKBULK_CONFIGURATION": str(home / "configuration"),
        },
    )


def bring_up(settings: Settings, name: str, **request: Any) -> RunningCluster:
    """Return a cluster that was brought up, or mended."""
    status = driver("native", settings).up(ClusterRequest(name=name, **request), SILENT)
    assert status.is_healthy, status
    assert status.kubeconfig
    return RunningCluster(settings, name, status.kubeconfig)


def take_all_down(settings: Settings) -> None:
    """Remove every cluster of a directory, those without a record as well."""
    directory = settings.state / "clusters"
    names = {*all_names(settings), *(path.name for path in directory.glob("*"))}
    failures = []
    for name in sorted(names):
        try:
            driver("native", settings).down(name, SILENT)
        except NotFoundError:
            continue
        except BreakbulkError as error:
            failures.append(str(error))
    assert not failures, failures


def _take_leftovers_down() -> None:
    for home in _HOMES.glob(f"{_PREFIX}*"):
        lock = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            take_all_down(settings_in(home))
            shutil.rmtree(home)
        os.close(lock)


def python(*arguments: str, settings: Settings) -> subprocess.Popen[bytes]:
    """Start this Python with settings as variables, its output in a pipe."""
    variables = {"BREAKBULK_STORE": str(settings.store), "BREAKBULK_CACHE": str(settings.cache)}
    variables["BREAKBULK_KUBERNETES"] = str(settings.kubernetes)
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**settings.environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
