"""Tar archives: POSIX ustar and pax, GNU long names and sparse files, compressed or not.

Headers are parsed by the standard library, one at a time from a stream; what they say is judged by `names` and `tree`.
Unlike `tarfile`, a header that is damaged is an error and not the end of the archive. Formats: tar(5),
https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from breakbulk.ecosystems.extraction.budget import Budget
from breakbulk.ecosystems.extraction.names import member_path, refusal
from breakbulk.ecosystems.extraction.placing import AS_IS, Placement
from breakbulk.ecosystems.extraction.rules import STRANGER, Limits, Rules
from breakbulk.ecosystems.extraction.streams import PIECE_BYTES, Readable, Stream
from breakbulk.ecosystems.extraction.tree import Attributes, Tree
from breakbulk.ecosystems.interface import Content

__all__ = ["extract_tar", "read_members", "scan_members"]

_CAPABILITY = "SCHILY.xattr.security.capability"
_ZEROS = bytes(PIECE_BYTES)


def extract_tar(
    file: Readable,
    into: Path,
    *,
    archive: str,
    packed_bytes: int,
    rules: Rules = STRANGER,
    placement: Placement = AS_IS,
) -> Content:
    """Extract the tar archive that starts where `file` stands into the empty directory `into`.

    Args:
        file: Compressed or not; read once, forwards.
        into: Made by the caller, used by nobody else.
        archive: The archive's name in errors.
        packed_bytes: Size of the archive, for the ratio.
        rules: What is let through.
        placement: Where members go.

    Raises `ArchiveError`; an `OSError` is that of the target.

    """
    with Tree(into, archive=archive, rules=rules, packed_bytes=packed_bytes) as tree:
        _Extraction(tree, archive, rules, placement).run(file)
    return tree.content


def read_members(file: Readable, *, archive: str, limit_bytes: int, rules: Rules = STRANGER) -> dict[str, bytes]:
    """Return the regular files of a small tar archive by path, read into memory; above the limit it is a bomb."""
    stream = Stream(file, archive=archive, read_limit=rules.limits.header_bytes)
    budget = Budget(Limits(total_bytes=limit_bytes), archive=archive)
    found: dict[str, bytes] = {}
    for member in _members(stream, archive, budget):
        path = member_path(member.name, archive=archive, rules=rules)
        budget.count_member(path)
        if member.isreg():
            budget.count_bytes(member.size)
            found[path] = b"".join(_data(stream, member, archive))
    return found


def scan_members(
    file: Readable,
    *,
    archive: str,
    packed_bytes: int,
    wanted: Callable[[str], bool],
    limit_bytes: int,
    rules: Rules = STRANGER,
) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name of each member of a large tar archive, with the bytes of the regular files that are wanted.

    Nothing is written, so names are judged only of what is wanted. A wanted file above `limit_bytes` is a bomb.
    """
    stream = Stream(file, archive=archive, read_limit=rules.limits.header_bytes)
    budget = Budget(rules.limits, archive=archive, packed_bytes=packed_bytes)
    for member in _members(stream, archive, budget):
        name = member.name.removeprefix("./")
        budget.count_member(name)
        if not (member.isreg() and wanted(name)):
            yield name, None
            continue
        path = member_path(name, archive=archive, rules=rules)
        if member.size > limit_bytes:
            raise refusal("a file is too large", identifier="archive-bomb", archive=archive, member=name)
        budget.count_bytes(member.size)
        yield path, b"".join(_data(stream, member, archive))
    for size in stream.drain():
        budget.count_bytes(size)


class _Extraction:
    """One archive on its way into one tree."""

    def __init__(self, tree: Tree, archive: str, rules: Rules, placement: Placement) -> None:
        self._tree = tree
        self._archive = archive
        self._rules = rules
        self._placement = placement
        self._seen: set[str] = set()

    def run(self, file: Readable) -> None:
        stream = Stream(file, archive=self._archive, read_limit=self._rules.limits.header_bytes)
        for member in _members(stream, self._archive, self._tree.budget):
            self._add(member, stream)
        for size in stream.drain():
            self._tree.budget.count_bytes(size)

    def _add(self, member: tarfile.TarInfo, stream: Stream) -> None:
        name = self._judged(member)
        path = self._placement.path(name)
        if path is None:
            return
        if member.isreg():
            self._tree.file(
                path, _data(stream, member, self._archive), _attributes(member), sparse=member.sparse is not None
            )
        elif member.isdir():
            self._tree.directory(path, _attributes(member))
        elif member.issym():
            self._tree.symbolic_link(path, self._placement.target(name, member.linkname), _attributes(member))
        else:
            self._tree.hard_link(path, self._existing(name, member))

    def _judged(self, member: tarfile.TarInfo) -> str:
        """Return the member's name if it may be what it is and is not there yet; directories may come again."""
        name = member_path(member.name, archive=self._archive, rules=self._rules)
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            device = member.ischr() or member.isblk() or member.isfifo()
            raise refusal(
                "a member is a device or a pipe" if device else "a member is of an unknown type",
                identifier="archive-device" if device else "archive-unsupported",
                archive=self._archive,
                member=member.name,
                why=None if device else f"its type is {member.type!r}",
            )
        if member.isdir():
            return name
        if not name:
            raise refusal(
                "the root of the archive is no directory", identifier="archive-path-escape", archive=self._archive
            )
        if name in self._seen:
            raise refusal(
                "two members of the archive have one name",
                identifier="archive-name-collision",
                archive=self._archive,
                member=name,
            )
        self._seen.add(name)
        return name

    def _existing(self, name: str, member: tarfile.TarInfo) -> str:
        """Return where the file that a hard link names has been put."""
        target = self._placement.path(member_path(member.linkname, archive=self._archive, rules=self._rules))
        if target is None:
            raise refusal(
                "a hard link names a file that is left out",
                identifier="archive-path-escape",
                archive=self._archive,
                member=name,
            )
        return target


def _members(stream: Stream, archive: str, budget: Budget) -> Iterator[tarfile.TarInfo]:
    """Yield the members; of each the data may be read before the next is asked for, the rest is skipped."""
    try:
        # It asks its file for tell() and read() alone as long as nobody calls its other methods.
        tar = tarfile.TarFile(fileobj=cast("BinaryIO", stream), encoding="utf-8", errors="surrogateescape")
        member = cast("tarfile.TarInfo | None", tar.firstmember)  # type: ignore[attr-defined]  # not in typeshed
        while member is not None:
            if member.size < 0 or tar.offset < stream.tell():
                raise tarfile.ReadError("a size is negative")
            yield member
            for chunk in stream.chunks(tar.offset - stream.tell(), member.name):
                budget.count_bytes(len(chunk))
            member = _next(tar)
    except RecursionError as error:
        raise refusal("headers are nested too deeply", identifier="archive-bomb", archive=archive) from error
    except (tarfile.TarError, ValueError, LookupError, ArithmeticError) as error:
        raise refusal(
            "the archive is damaged or cut short", identifier="archive-truncated", archive=archive, why=str(error)
        ) from error


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return tarfile.TarInfo.fromtarfile(tar)
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in typeshed; a block of zeros: the end that every writer makes
        return None


def _data(stream: Stream, member: tarfile.TarInfo, archive: str) -> Iterator[memoryview | bytes]:
    """Yield the bytes of a file, of a sparse one with its holes as zeros."""
    if member.sparse is None:
        yield from stream.chunks(member.size, member.name)
        return
    position = 0
    for offset, size in cast("list[tuple[int, int]]", member.sparse):
        if size == 0:  # GNU tar marks a hole at the end with one
            continue
        if offset < position or size < 0 or offset + size > member.size:
            raise refusal(
                "a sparse file is damaged", identifier="archive-truncated", archive=archive, member=member.name
            )
        yield from _zeros(offset - position)
        yield from stream.chunks(size, member.name)
        position = offset + size
    yield from _zeros(member.size - position)


def _zeros(size: int) -> Iterator[bytes]:
    while size > 0:
        yield _ZEROS[:size]
        size -= PIECE_BYTES


def _attributes(member: tarfile.TarInfo) -> Attributes:
    capability = member.pax_headers.get(_CAPABILITY)
    return Attributes(
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        mtime_ns=int(member.mtime * 1_000_000_000),
        capability=None if capability is None else capability.encode("utf-8", "surrogateescape"),
    )
