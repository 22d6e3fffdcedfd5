"""A layer is the same bytes each time, and tells a damaged tree from a good one."""

import gzip
import hashlib
import tarfile
from pathlib import Path

import pytest

from breakbulk.ecosystems.interface import Entry
from breakbulk.errors import IntegrityError, UsageError
from breakbulk.images.archiving import write_layer
from breakbulk.images.content import Leaf


def on_disk(path: Path, data: bytes, **fields) -> Leaf:
    path.write_bytes(data)
    entry = Entry("file", 0o4755, hashlib.sha256(data).hexdigest(), len(data), 5, 6, fields.pop("capability", None))
    return Leaf(entry=entry, source=str(path), mtime_s=7, **fields)


def test_what_is_archived_is_what_comes_out(tmp_path: Path) -> None:
    data, capability = b"x" * 3_000_001, b"\x01\x00\x00\x02\x00 \x00\x00" + b"\x00" * 12
    leaves = {
        "d": Leaf(entry=Entry("directory", 0o1777, ""), source=b""),
        "d/file": on_disk(tmp_path / "a", data, capability=capability),
        "d/same": on_disk(tmp_path / "a", data, same_as="d/file"),
        "d/link": Leaf(entry=Entry("link", 0o777, "file"), source=b""),
        "d/\udcff": on_disk(tmp_path / "b", b""),
        "d/" + "n" * 150: on_disk(tmp_path / "c", b"long"),
    }
    layer = write_layer("all", leaves, tmp_path / "layer")
    again = write_layer("all", leaves, tmp_path / "again")
    packed = (tmp_path / "layer").read_bytes()
    assert packed == (tmp_path / "again").read_bytes()
    assert (layer.digest, layer.size) == (hashlib.sha256(packed).hexdigest(), len(packed))
    assert layer.plain_digest == again.plain_digest == hashlib.sha256(gzip.decompress(packed)).hexdigest()
    with tarfile.open(tmp_path / "layer") as archive:
        found = {member.name: member for member in archive}
        assert list(found) == list(leaves)
        file = found["d/file"]
        assert (file.mode, file.uid, file.gid, file.mtime, file.uname) == (0o4755, 5, 6, 7, "")
        assert file.pax_headers["SCHILY.xattr.security.capability"].encode("utf-8", "surrogateescape") == capability
        extracted = archive.extractfile(file)
        assert extracted is not None
        assert extracted.read() == data
        assert (found["d/same"].islnk(), found["d/same"].linkname) == (True, "d/file")
        assert (found["d/link"].issym(), found["d/link"].linkname) == (True, "file")


@pytest.mark.parametrize("damage", [b"y" * 10, b"x" * 9, b"x" * 11, b""])
def test_a_tree_that_was_changed_never_becomes_an_image(tmp_path: Path, damage: bytes) -> None:
    leaf = on_disk(tmp_path / "a", b"x" * 10)
    (tmp_path / "a").write_bytes(damage)
    with pytest.raises(IntegrityError) as raised:
        write_layer("one", {"a": leaf}, tmp_path / "layer")
    assert raised.value.reference == "tree-damaged"
    assert str(tmp_path / "a") in str(raised.value)


def test_a_name_that_removes_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        write_layer("one", {"d/.wh.x": on_disk(tmp_path / "a", b"x")}, tmp_path / "layer")
    assert raised.value.reference == "image-name-reserved"
