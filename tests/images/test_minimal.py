"""Archives of images that are not made from an environment."""

import gzip
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from breakbulk.images.minimal import stub_archive
from breakbulk.images.stub import DEFAULT_COMMAND, STUB_NAMES


class Archive:
    """What is in an OCI archive; every blob is compared with its digest."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as archive:
            self.files = {member.name: archive.extractfile(member).read() for member in archive}
        for name, data in self.files.items():
            if name.startswith("blobs/"):
                assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"

    def document(self, described: dict[str, Any]) -> Any:
        return json.loads(self.blob(described))

    def blob(self, described: dict[str, Any]) -> bytes:
        data = self.files["blobs/" + described["digest"].replace(":", "/")]
        assert len(data) == described["size"]
        return data

    @property
    def index(self) -> list[dict[str, Any]]:
        return json.loads(self.files["index.json"])["manifests"]


@pytest.fixture
def stub(tmp_path: Path) -> Archive:
    stub_archive(tmp_path / "stub.tar")
    return Archive(tmp_path / "stub.tar")


def test_the_stub_has_both_names_and_one_content(stub: Archive) -> None:
    assert [entry["annotations"]["io.containerd.image.name"] for entry in stub.index] == list(STUB_NAMES)
    assert len({entry["digest"] for entry in stub.index}) == 1


def test_the_stub_is_for_both_architectures_and_its_layer_is_tiny_and_empty(stub: Archive) -> None:
    manifests = stub.document(stub.index[0])["manifests"]
    assert [entry["platform"]["architecture"] for entry in manifests] == ["amd64", "arm64"]
    for entry in manifests:
        manifest = stub.document(entry)
        configuration = stub.document(manifest["config"])
        (layer,) = manifest["layers"]
        plain = gzip.decompress(stub.blob(layer))
        assert layer["size"] < 100
        assert plain == bytes(1024)
        assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
        assert configuration["architecture"] == entry["platform"]["architecture"]
        assert configuration["config"]["Cmd"] == [DEFAULT_COMMAND]


def test_a_stub_made_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        stub_archive(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_nothing_is_left_where_the_stub_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        stub_archive(tmp_path / "absent" / "stub.tar")
    assert list(tmp_path.iterdir()) == []
