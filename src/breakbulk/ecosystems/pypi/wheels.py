"""A verified wheel becomes a tree.

One pass over the archive: each member is decompressed, hashed and written once; its digest is compared with the one
that the wheel's own RECORD promises; the new RECORD is made from the same digests. `extraction.tree` does the writing
and refuses what must not be written, `scheme` says where members go, `records` judges. Nothing of the wheel is executed
or imported. The store compiles the bytecode afterwards and the caller has compared the archive's digest before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipInfo

from breakbulk.ecosystems.extraction.tree import Attributes, Tree
from breakbulk.ecosystems.interface import Unpacked
from breakbulk.ecosystems.pypi.archive_members import ArchiveMembers
from breakbulk.ecosystems.pypi.records import (
    Promise,
    RecordError,
    cached_name,
    check_members,
    parse_record,
    record_text,
)
from breakbulk.ecosystems.pypi.scheme import (
    DistInfoError,
    Scheme,
    dist_info_directory,
    launchers,
    made_by_installation,
    scheme_of,
)

__all__ = ["INSTALLER", "unpack_wheel"]

INSTALLER = b"breakbulk\n"
_FILE = Attributes(mode=0o644)
_PROGRAM = Attributes(mode=0o755)


def unpack_wheel(archive: Path, *, name: str, python: str, tag: str, into: Path, file: str) -> Unpacked:
    """Unpack the wheel of the distribution `name` (normalised) into the empty directory `into`.

    Args:
        archive: The wheel, whose digest has been compared, under any file name.
        name: The distribution that it must hold.
        python: Minor version of the Python it is installed for, such as 3.11.
        tag: Of that Python's bytecode, such as `cpython-311`.
        into: Empty, used by nobody else.
        file: The wheel's own file name, for errors.

    Raises:
        ArchiveError: `wheel-invalid`, `wheel-record-mismatch`, and those of `extraction` (names, links, bombs).
        OSError: The target cannot be written.

    """
    with (
        ArchiveMembers(archive, file) as members,
        Tree(into, archive=file, packed_bytes=members.packed_bytes) as tree,
    ):
        try:
            return _Installation(members, tree, name, python, tag).run()
        except RecordError as error:
            raise members.refuse(
                "the wheel does not hold what its RECORD says", "wheel-record-mismatch", None, str(error)
            ) from error
        except (DistInfoError, UnicodeDecodeError) as error:
            raise members.refuse(
                "the archive is not the wheel it should be", "wheel-invalid", None, str(error)
            ) from error


class _Installation:
    """One wheel on its way into one tree."""

    def __init__(self, members: ArchiveMembers, tree: Tree, name: str, python: str, tag: str) -> None:
        self._members = members
        self._tree = tree
        self._tag = tag
        self._dist_info = dist_info_directory(members.files, name)
        self._scheme: Scheme = scheme_of(self._dist_info, python)
        self._launchers = launchers(self._text("entry_points.txt"), self._scheme.interpreter)
        _check_format(self._text("WHEEL"))

    def run(self) -> Unpacked:
        promises = parse_record(self._text("RECORD"), self._dist_info)
        check_members(promises, self._members.files, self._dist_info)
        scripts = [launcher.name for launcher in self._launchers]
        left_out = made_by_installation(self._members.files.keys(), self._dist_info, scripts)
        for member, info in self._members.files.items():
            if member not in left_out:
                self._install(member, info, promises.get(member))
        for launcher in self._launchers:
            self._tree.file(f"usr/local/bin/{launcher.name}", [launcher.text], _PROGRAM)
        self._tree.file(self._own("INSTALLER"), [INSTALLER], _FILE)
        sources = tuple(sorted(self._sources()))
        self._write_record(sources)
        return Unpacked(content=self._tree.content, bytecode=sources)

    def _install(self, member: str, info: ZipInfo, promise: Promise | None) -> None:
        path = self._scheme.path(member)
        attributes = _PROGRAM if self._members.is_executable(info) else _FILE
        if self._scheme.is_script(member):
            self._install_script(member, path, promise)
        elif promise is not None and promise.algorithm != "sha256":
            self._tree.file(path, self._checked(info, promise), attributes)
        else:
            self._tree.file(path, self._members.chunks(info), attributes)
            if promise is not None:
                _compare(member, promise, self._tree.content[path].content, info.file_size)

    def _install_script(self, member: str, path: str, promise: Promise | None) -> None:
        """Write a program; its first line is made to name the locked Python."""
        data = self._members.read(member)
        if promise is not None:
            _compare(member, promise, hashlib.new(promise.algorithm, data).hexdigest(), len(data))
        if data.startswith(b"#!python"):
            _, newline, rest = data.partition(b"\n")
            data = b"#!" + self._scheme.interpreter.encode() + newline + rest
        self._tree.file(path, [data], _PROGRAM)

    def _checked(self, info: ZipInfo, promise: Promise) -> Iterator[bytes]:
        """Yield a member whose digest is not the one that the tree takes."""
        digest = hashlib.new(promise.algorithm)
        for chunk in self._members.chunks(info):
            digest.update(chunk)
            yield chunk
        _compare(info.filename, promise, digest.hexdigest(), info.file_size)

    def _sources(self) -> Iterator[str]:
        prefix = f"{self._scheme.packages}/"
        return (path for path in self._tree.content if path.startswith(prefix) and path.endswith(".py"))

    def _write_record(self, sources: tuple[str, ...]) -> None:
        record = self._own("RECORD")
        bytecode = [cached_name(source, self._tag) for source in sources]
        text = record_text(self._tree.content, bytecode, record, self._scheme.packages)
        self._tree.file(record, [text.encode()], _FILE)

    def _own(self, name: str) -> str:
        return f"{self._scheme.packages}/{self._dist_info}/{name}"

    def _text(self, name: str) -> str:
        member = f"{self._dist_info}/{name}"
        if member in self._members.files:
            return self._members.read(member).decode("utf-8")
        if name == "entry_points.txt":
            return ""
        raise DistInfoError(f"it has no {name}")


def _check_format(wheel: str) -> None:
    """Refuse a format of wheels that this program does not know (PEP 427: a greater major version)."""
    versions = [line.partition(":")[2].strip() for line in wheel.splitlines() if line.startswith("Wheel-Version:")]
    if not versions or versions[0].partition(".")[0] != "1":
        raise DistInfoError(f"its format is {versions[0] if versions else 'not named'}, known is 1")


def _compare(member: str, promise: Promise, digest: str, size: int) -> None:
    if digest != promise.digest or (promise.size is not None and size != promise.size):
        raise RecordError(f"{member!r} is not what it promises")
