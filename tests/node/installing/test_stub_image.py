"""The stub image on a node, with a containerd of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_containerd import OwnContainerd, own_containerd

from breakbulk.errors import PlatformError
from breakbulk.images.stub import STUB_NAMES
from breakbulk.node.installing.stub_image import import_stub, missing_stubs
from breakbulk.node.place import NodePlace


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnContainerd]:
    with own_containerd(tmp_path_factory.mktemp("containerd")) as started:
        yield started


def place(directory: Path, containerd: Path, socket: Path) -> NodePlace:
    return NodePlace(
        name="n1",
        state=directory,
        store=directory,
        run=directory,
        runtime=directory / "runtime",
        runc=directory / "runc",
        containerd_config=directory / "config.toml",
        containerd=containerd,
        containerd_socket=socket,
    )


@pytest.mark.cluster
def test_the_stub_is_brought_once_and_pinned(containerd: OwnContainerd, tmp_path: Path) -> None:
    here = place(tmp_path, containerd.program, containerd.socket)
    assert import_stub(here) == list(STUB_NAMES)
    assert import_stub(here) == []
    listed = containerd.ctr("images", "ls", f"name=={STUB_NAMES[1]}")
    assert "io.cri-containerd.pinned=pinned" in listed
    containerd.ctr("images", "label", STUB_NAMES[1], "io.cri-containerd.pinned=")
    assert missing_stubs(here) == [STUB_NAMES[1]]
    assert import_stub(here) == [STUB_NAMES[1]]
    containerd.ctr("images", "rm", *STUB_NAMES)
    assert import_stub(here) == list(STUB_NAMES)


@pytest.mark.cluster
def test_the_command_says_what_it_did(containerd: OwnContainerd, tmp_path: Path) -> None:
    containerd.ctr("images", "rm", *STUB_NAMES)
    words = ("node", "stub", "--containerd", containerd.program, "--containerd-socket", containerd.socket, "--json")
    done = subprocess.run(
        [sys.executable, "-m", "breakbulk", *words], capture_output=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    assert json.loads(done.stdout)["imported"] == list(STUB_NAMES)


def test_a_containerd_that_is_away_is_an_error_with_another_way(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as caught:
        import_stub(place(tmp_path, tmp_path / "containerd", tmp_path / "socket"))
    assert caught.value.reference == "stub-not-imported"
    assert "--output" in (caught.value.hint or "")
