"""Archives made to order, and their extraction into a directory of the test's own."""

import io
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from breakbulk.ecosystems.extraction import AS_IS, STRANGER, Placement, Rules, extract
from breakbulk.ecosystems.interface import Content

Members = Iterable[tuple[dict[str, Any], bytes]]
Extract = Callable[..., Content]
KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


def _tar_of(members: Members, *, mode: str = "w:", format_: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of members, each the fields of its `TarInfo` and its bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=format_) as tar:  # type: ignore[call-overload]
        for fields, data in members:
            info = tarfile.TarInfo()
            info.size = len(data)
            for name, value in fields.items():
                setattr(info, name, value)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _zip_of(members: Members) -> bytes:
    """The same as a zip, as far as it can say it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for fields, data in members:
            kind = fields.get("type", tarfile.REGTYPE)
            info = zipfile.ZipInfo("x")
            info.filename = fields["name"] + ("/" if kind == tarfile.DIRTYPE else "")
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (KINDS[kind] | fields.get("mode", 0o644)) << 16
            opened.writestr(info, fields["linkname"] if kind == tarfile.SYMTYPE else data)
    return buffer.getvalue()


def _extract_bytes(
    data: bytes, into: Path, rules: Rules = STRANGER, placement: Placement = AS_IS, archive: str = "x.tar"
) -> Content:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return extract(Path(file.name), into, archive=archive, rules=rules, placement=placement)


@pytest.fixture(scope="session")
def tar_of() -> Callable[..., bytes]:
    return _tar_of


@pytest.fixture(scope="session")
def zip_of() -> Callable[..., bytes]:
    return _zip_of


@pytest.fixture(scope="session")
def extract_bytes() -> Callable[..., Content]:
    return _extract_bytes


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """An empty directory with a neighbour that must never change."""
    (tmp_path / "neighbour").write_text("untouched")
    directory = tmp_path / "tree"
    directory.mkdir()
    return directory
