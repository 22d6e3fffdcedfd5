"""RECORD: what a wheel says it holds, and what an installation says it has put where.

Reads a wheel's RECORD and judges members by it; makes the RECORD of the installed tree, which is true of every file in
it. Pure. Format: https://packaging.python.org/specifications/recording-installed-packages/ (PEP 376, 427).
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import posixpath
from collections.abc import Iterable, Mapping

import msgspec

from breakbulk.ecosystems.interface import Content

__all__ = ["Promise", "RecordError", "cached_name", "parse_record", "record_text"]

_WEAK = {"md5", "sha1"}  # PEP 376 had them, PEP 427 forbids what is weaker than sha256


class RecordError(ValueError):
    """Says in what a RECORD and its wheel differ."""


class Promise(msgspec.Struct, frozen=True):
    """What RECORD says of one member: the digest under `algorithm`, in hexadecimal, and the size if given."""

    algorithm: str
    digest: str
    size: int | None


def parse_record(text: str, dist_info: str) -> dict[str, Promise | None]:
    """Return what RECORD promises of every path; None of RECORD itself and its signatures, which have no digest.

    Raises `RecordError` for a line that is none, a path that comes twice, or a digest that is missing or weak.
    """
    unsigned = {f"{dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    promises: dict[str, Promise | None] = {}
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise RecordError(f"it is not a table: {error}") from error
    for row in rows:
        if not row:
            continue
        if len(row) != 3:
            raise RecordError(f"{row[0]!r} has {len(row)} columns instead of 3")
        path, digest, size = row
        if path in promises:
            raise RecordError(f"{path!r} is named twice")
        promises[path] = None if path in unsigned else _promise(path, digest, size)
    return promises


def check_members(promises: Mapping[str, Promise | None], members: Iterable[str], dist_info: str) -> None:
    """Raise `RecordError` unless RECORD names exactly the members."""
    unsigned = {f"{dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    present = set(members)
    if unnamed := sorted(present - promises.keys() - unsigned):
        raise RecordError(f"it does not name {_some(unnamed)}")
    if absent := sorted(path for path in promises.keys() - present - unsigned if not path.endswith("/")):
        raise RecordError(f"it names {_some(absent)}, which the wheel does not have")


def cached_name(source: str, tag: str) -> str:
    """Return where the bytecode of `source` is (PEP 3147)."""
    directory, _, name = source.rpartition("/")
    stem = name.removesuffix(".py")
    return posixpath.join(directory, "__pycache__", f"{stem}.{tag}.pyc")


def record_text(content: Content, bytecode: Iterable[str], record: str, packages: str) -> str:
    """Return the RECORD of an installed tree.

    Args:
        content: The tree, without RECORD itself.
        bytecode: Paths of the bytecode that will be compiled into it; listed without digest, as the format allows.
        record: The path of RECORD.
        packages: The directory to which paths in RECORD are relative.

    """
    rows = [
        (_relative(path, packages), f"sha256={_base64(entry.content)}", str(entry.size))
        for path, entry in content.items()
        if entry.kind == "file"
    ]
    rows += [(_relative(path, packages), "", "") for path in (*bytecode, record)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue()


def _promise(path: str, digest: str, size: str) -> Promise:
    algorithm, separator, encoded = digest.partition("=")
    if not separator or algorithm in _WEAK or algorithm not in hashlib.algorithms_available:
        raise RecordError(f"it has no digest of {path!r} that can be relied on")
    try:
        decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return Promise(algorithm, decoded.hex(), int(size) if size else None)
    except (binascii.Error, ValueError) as error:
        raise RecordError(f"its line of {path!r} cannot be read") from error


def _relative(path: str, packages: str) -> str:
    prefix = f"{packages}/"
    return path[len(prefix) :] if path.startswith(prefix) else posixpath.relpath(path, packages)


def _base64(digest: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode("ascii")


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(repr(path) for path in paths[:3]) + more
