"""The images that a cluster brings along."""

import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from own_containerd import own_containerd

from breakbulk.cluster.images import PAUSE_NAME, STUB_NAMES, pause_archive, stub_archive
from breakbulk.cluster.pause import PROGRAMS


def blobs(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {
            member.name.replace("blobs/sha256/", "sha256:"): archive.extractfile(member).read() for member in archive
        }


def test_the_pause_image_runs_the_program_of_its_architecture(tmp_path: Path) -> None:
    pause_archive(tmp_path / "pause.tar", "docker.io/breakbulk/pause:7")
    found = blobs(tmp_path / "pause.tar")
    (named,) = json.loads(found["index.json"])["manifests"]
    assert named["annotations"]["io.containerd.image.name"] == "docker.io/breakbulk/pause:7"
    for entry in json.loads(found[named["digest"]])["manifests"]:
        manifest = json.loads(found[entry["digest"]])
        configuration = json.loads(found[manifest["config"]["digest"]])
        assert configuration["architecture"] == entry["platform"]["architecture"]
        assert configuration["config"]["Entrypoint"] == ["/pause"]
        with tarfile.open(fileobj=io.BytesIO(found[manifest["layers"][0]["digest"]])) as layer:
            (member,) = layer
            assert (member.name, member.mode) == ("pause", 0o755)
            assert layer.extractfile(member).read() == PROGRAMS[configuration["architecture"]]


def test_a_pause_image_made_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        pause_archive(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.fixture
def ctr(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Call `ctr` with a containerd of the test's own."""
    with own_containerd(tmp_path) as containerd:
        yield containerd.ctr


@pytest.mark.cluster
@pytest.mark.parametrize("options", [["--local"], ["--local", "--all-platforms"], []])
def test_containerd_takes_both_under_all_their_names(
    ctr: Callable[..., str], tmp_path: Path, options: list[str]
) -> None:
    stub_archive(tmp_path / "stub.tar")
    pause_archive(tmp_path / "pause.tar")
    for name in ("stub", "pause"):
        ctr("images", "import", *options, tmp_path / f"{name}.tar")
    assert set(ctr("images", "ls", "--quiet").split()) >= {*STUB_NAMES, PAUSE_NAME}
    for name in (*STUB_NAMES, PAUSE_NAME):
        assert "complete" in ctr("images", "check", f"name=={name}")
    assert "linux/amd64,linux/arm64/v8" in ctr("images", "ls", f"name=={STUB_NAMES[0]}")
