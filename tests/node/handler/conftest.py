"""A node with a real environment in its store, and containers as containerd makes them."""

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[2] / "store" / "support"))

from runc_containers import Container, reaping

from breakbulk.images.configuration import own_variables
from breakbulk.library import Environment
from breakbulk.node import handler
from breakbulk.node.realising.planning import groups_of, own_trees
from breakbulk.node.records import MountPlan, PodRecord
from breakbulk.settings import Settings
from breakbulk.store.removal import remove_tree

SOURCE = Path(handler.__file__).parents[3]
DIGEST = "d" * 64
UID = "6f2f4c0e-7d4f-4a7e-9f7d-0f1f3d1c2b3a"
MANIFEST = """\
[install]
tool = { path = "./tool" }
passwd = { deb = "base-passwd" }

[options]
systems = ["x86_64-linux", "aarch64-linux"]
suite = "bookworm"
"""
TOOL = """\
#!/bin/sh
echo "tool of the environment: $*"
"""


@dataclass
class Realised:
    """What is in a store."""

    store: Path
    lowers: list[Path]
    environment: Environment


@pytest.fixture(scope="session")
def realised(shared_cache: Path) -> Iterator[Realised]:
    """A store with an environment of Debian's smallest, and a source of our own."""
    place = Path(tempfile.mkdtemp(prefix="breakbulk-test-", dir="/var/tmp"))
    project = place / "project"
    (project / "tool" / "bin").mkdir(parents=True)
    (project / "tool" / "bin" / "tool").write_text(TOOL)
    (project / "tool" / "bin" / "tool").chmod(0o755)
    (project / "breakbulk.toml").write_text(MANIFEST)
    settings = replace(
        Settings.load(os.environ),
        store=place / "store",
        cache=shared_cache,
        hub=str(place / "hub"),
        configuration=place / "configuration",
    )
    environment = Environment.open(project, settings)
    environment.relock()
    yield Realised(place / "store", list(environment.realise().lowers), environment)
    remove_tree(place)


@dataclass
class Node:
    """A node: plans and records by which its handler goes, and the containers that are made on it."""

    directory: Path
    realised: Realised
    runc: str
    deadline_s: float = 10.0
    made: list[Container] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def run(self) -> Path:
        return self.directory / "run"

    @property
    def runtime(self) -> Path:
        return self.directory / "breakbulk-runtime"

    def install(self, python: str = sys.executable) -> None:
        """Write the program that containerd calls."""
        for folder in (self.state / "plans", self.run / "pods"):
            folder.mkdir(parents=True, exist_ok=True)
        text = handler.script(
            python,
            str(SOURCE),
            runc=self.runc,
            state=str(self.state),
            run=str(self.run),
            store=str(self.realised.store),
            deadline_s=self.deadline_s,
        )
        self.runtime.write_text(text)
        self.runtime.chmod(0o755)

    def plan(self, environment: str = "ada/tool", digest: str = DIGEST, **fields: Any) -> MountPlan:
        """Write a plan of what is realised, with some fields as a test wants them."""
        lowers = self.realised.lowers
        variables = own_variables(environment, self.realised.environment.manifest, own_trees(lowers))
        given = {
            "lowers": [str(lower) for lower in lowers],
            "path": variables["PATH"],
            "variables": variables,
            "vars": {},
            "command": ["tool", "by", "default"],
            "groups": groups_of(lowers),
        }
        plan = MountPlan(environment=environment, generation=3, digest=digest, **{**given, **fields})
        plan.write(str(self.state))
        return plan

    def record(self, digests: dict[str, str] | None = None, **fields: Any) -> None:
        """Write the record of the pod."""
        given = {
            "uid": UID,
            "namespace": "default",
            "name": "pod-1",
            "digests": {"ada/tool": DIGEST} if digests is None else digests,
        }
        PodRecord(**{**given, **fields}).write(str(self.run))

    def mounts(self) -> list[str]:
        """Return what is mounted of this node, and of its store."""
        places = (str(self.directory), str(self.realised.store))
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if any(place in line for place in places)]

    def container(
        self, *args: str, environment: str | None = "ada/tool", prepared: bool = True, **fields: Any
    ) -> Container:
        """Make a container whose pod names an environment."""
        annotations = {"breakbulk.dev/environment": environment} if environment else {}
        annotations |= fields.pop("annotations", {})
        words = {"args": args} if args else {}
        container = Container(self.directory, self.runtime, annotations=annotations, **words, **fields)
        self.made.append(container)
        if prepared:
            container.prepare()
        return container


@pytest.fixture(scope="session")
def runc() -> str:
    """The real runc: that of `make kubernetes`, or where that has not been called, the system's."""
    built = sorted(map(str, Settings.load(os.environ).kubernetes.glob("v*/bin")))
    found = shutil.which("runc", path=":".join([*reversed(built), os.environ["PATH"], "/usr/sbin", "/sbin"]))
    assert found, "runc is missing: apt-get install runc, or make kubernetes"
    return found


@pytest.fixture
def node(realised: Realised, runc: str) -> Iterator[Node]:
    """A node with a plan and a record of `ada/tool`; nothing of its containers stays."""
    directory = Path(tempfile.mkdtemp(prefix="breakbulk-test-", dir="/var/tmp"))
    directory.chmod(0o755)
    node = Node(directory, realised, runc)
    node.install()
    node.plan()
    node.record()
    with reaping():
        yield node
        for container in node.made:
            container.delete()
    _remove_cgroups()
    assert node.mounts() == []
    remove_tree(directory)


def _remove_cgroups() -> None:
    for folder in [Path("/sys/fs/cgroup/breakbulk-test"), *Path("/sys/fs/cgroup").glob("*/breakbulk-test")]:
        with contextlib.suppress(OSError):
            folder.rmdir()


@pytest.fixture(scope="session")
def image(realised: Realised) -> Path:
    """The layer of an image with a shell and the basic programs."""
    layer = realised.store.parent / "image"
    for lower in reversed(realised.lowers):
        if lower.name.partition("-")[2].startswith(("base-2", "bash-", "coreutils-", "dash-", "lib")):
            subprocess.run(["cp", "-a", f"{lower}/.", layer], check=True)
    return layer


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Return a function that waits for what nobody tells of."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it did not come true within 30 s"
            select.select([], [], [], 0.01)

    return wait
