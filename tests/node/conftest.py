"""Nodes of a test's own: real containerds, a real runc, configuration as users have it."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from breakbulk.node.place import NodePlace
from breakbulk.settings import Settings

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "hub" / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cluster" / "support"))

from running_containerd import RunningContainerd  # what stands beside this file

PROGRAMS = max(Settings.load(os.environ).kubernetes.glob("v*/bin"), default=Path("/nothing-is-built"))
"""Where `make kubernetes` puts what it builds."""

CONTAINERDS = [path for path in (PROGRAMS / "containerd", PROGRAMS / "containerd-1.7") if path.exists()]


@pytest.fixture(params=CONTAINERDS or [PROGRAMS / "containerd"], ids=lambda path: path.name)
def containerd(request: pytest.FixtureRequest) -> Path:
    """The containerd of native clusters, and an older one where it was built."""
    program: Path = request.param
    return program


@pytest.fixture
def place(tmp_path: Path, containerd: Path) -> NodePlace:
    """A node in the test's directory; nothing is installed on it."""
    return NodePlace(
        name="node-1",
        state=tmp_path / "state",
        store=tmp_path / "state",
        run=tmp_path / "run",
        runtime=tmp_path / "bin" / "breakbulk-runtime",
        runc=PROGRAMS / "runc",
        containerd_config=tmp_path / "etc" / "config.toml",
        containerd=containerd,
        containerd_socket=tmp_path / "containerd.sock",
    )


@pytest.fixture
def write(place: NodePlace) -> Callable[[Mapping[str, str]], None]:
    """Write files of containerd's configuration by their names; `@` in a text is their directory."""

    def write_files(texts: Mapping[str, str]) -> None:
        directory = place.containerd_config.parent
        for name, text in texts.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("@", str(directory)))

    return write_files


@pytest.fixture
def running(place: NodePlace, tmp_path: Path) -> Iterator[RunningContainerd]:
    """The node's containerd, with everything it writes in the test's directory; the test starts it."""
    place.containerd_config.parent.mkdir(parents=True, exist_ok=True)
    place.containerd_config.write_text(
        f"""version = 3
root = "{tmp_path}/root"
state = "{tmp_path}/containerd"
[grpc]
  address = "{place.containerd_socket}"
[plugins.'io.containerd.internal.v1.opt']
  path = "{tmp_path}/opt"
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
"""
    )
    containerd = RunningContainerd(place, tmp_path / "containerd.log")
    try:
        yield containerd
    finally:
        containerd.stop()
