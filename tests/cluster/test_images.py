"""The images that a cluster brings along."""

import io
import json
import tarfile
from pathlib import Path

from breakbulk.cluster.images import pause_archive
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
