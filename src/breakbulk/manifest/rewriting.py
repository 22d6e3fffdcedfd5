"""Change pieces of a manifest's text: insert, replace and cut installs, and leave every other byte as it is.

TOML libraries that keep comments move them about when entries come and go, so the pieces that `locating.dissect` finds
are changed in place. All functions take a text that is a valid manifest; whether the result says what it should is for
the caller, `editing`, to check.
"""

from __future__ import annotations

import json
import re
from typing import Any

from breakbulk.manifest.faults import KeyPath
from breakbulk.manifest.locating import Piece, dissect

__all__ = ["add_comment", "changed", "inserted", "removed", "statement"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_COMMENT_LINES = re.compile(r"(?:[ \t]*#[^\n]*\n)*")


def changed(text: str, name: str, descriptor: dict[str, Any]) -> str:
    """Return `text` with the values of an install replaced where they stand."""
    path = ("install", name)
    whole = next((p for p in dissect(text) if p.path == path and p.kind != "header"), None)
    if whole is not None:
        return text[: whole.value] + _inline(descriptor) + text[whole.end :]
    pieces = [p for p in dissect(text) if p.path[:2] == path and p.kind == "pair"]
    gone = {p.path[2] for p in pieces} - descriptor.keys()
    for key in gone:
        text = removed(text, (*path, key))
    for key, value in descriptor.items():
        text = _set(text, (*path, key), value)
    return text


def _set(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return `text` with one key of a descriptor set; a new one goes below its siblings and looks like them."""
    pieces = [p for p in dissect(text) if p.path[:2] == path[:2] and p.kind == "pair"]
    if not pieces:  # a header without pairs
        header = next(p for p in dissect(text) if p.path == path[:2])
        return _insert_line(text, _line_end(text, header.end), f"{path[2]} = {_value(value)}")
    present = next((p for p in pieces if p.path == path), None)
    if present is not None:
        return text[: present.value] + _value(value) + text[present.end :]
    sibling = pieces[-1]
    prefix = text[sibling.start : sibling.value].rpartition(".")
    key = "".join(prefix[:2]) + path[2] if prefix[1] else path[2]
    indent = text[_line_start(text, sibling.start) : sibling.start]
    return _insert_line(text, _line_end(text, sibling.end), f"{indent}{key} = {_value(value)}")


def inserted(text: str, name: str, descriptor: dict[str, Any]) -> str:
    """Return `text` with a new install below those that are there."""
    pieces = dissect(text)
    root = next((p for p in pieces if p.path == ("install",) and p.kind == "pair"), None)
    if root is not None:
        return _inserted_inline(text, root, statement(name, descriptor))
    headers = [p for p in pieces if p.kind == "header"]
    table = next((p for p in headers if p.path == ("install",)), None)
    if table is not None:
        line = _line(text, statement(name, descriptor), table, pieces)
        return _insert_line(text, _end_of_table(text, table, pieces), line)
    dotted = [p for p in pieces if p.path[0] == "install" and p.kind == "pair" and not _inside(p, headers)]
    if dotted:
        return _insert_line(text, _line_end(text, dotted[-1].end), f"install.{statement(name, descriptor)}")
    return _inserted_table(text, statement(name, descriptor))


def add_comment(text: str, comment: str) -> str:
    """Return `text` with a comment line below the installs of its table `[install]`, at the top where it has none."""
    pieces = dissect(text)
    table = next((p for p in pieces if p.path == ("install",) and p.kind == "header"), None)
    if table is None:
        return _insert_line(text, 0, f"# {comment}")
    return _insert_line(text, _end_of_table(text, table, pieces), f"# {comment}")


def _inserted_inline(text: str, root: Piece, entry: str) -> str:
    closing = root.end - 1
    before = text[:closing].rstrip()
    separator = " " if before.endswith("{") else ", "
    return f"{before}{separator}{entry} }}{text[root.end :]}"


def _inserted_table(text: str, entry: str) -> str:
    """Return `text` with a table `[install]` at its end."""
    newline = _newline(text)
    if text and not text.endswith("\n"):
        text += newline
    gap = newline if text.strip() else ""
    return f"{text}{gap}[install]{newline}{entry}{newline}"


def _line(text: str, entry: str, table: Piece, pieces: list[Piece]) -> str:
    """Return `entry` indented like the pairs of `table`."""
    sibling = next((p for p in _pairs_of(table, pieces)), table)
    return text[_line_start(text, sibling.start) : sibling.start] + entry


def _end_of_table(text: str, table: Piece, pieces: list[Piece]) -> int:
    """Return the offset behind the last pair of `table`, or behind the comments that explain an empty one."""
    pairs = _pairs_of(table, pieces)
    if pairs:
        return _line_end(text, pairs[-1].end)
    end = _line_end(text, table.end)
    comments = _COMMENT_LINES.match(text, end)
    after = comments.end() if comments else end
    # Comments without a blank line before the next header are that header's.
    return end if text[after : after + 1] == "[" else after


def _pairs_of(table: Piece, pieces: list[Piece]) -> list[Piece]:
    following = [p.start for p in pieces if p.kind == "header" and p.start > table.start]
    limit = min(following, default=None)
    return [p for p in pieces if p.kind == "pair" and p.start > table.start and (limit is None or p.start < limit)]


def _inside(piece: Piece, headers: list[Piece]) -> bool:
    return any(header.start < piece.start for header in headers)


def removed(text: str, path: KeyPath) -> str:
    """Return `text` without everything at `path`: pairs, tables, entries of inline tables."""
    pieces = dissect(text)
    inline = next((p for p in pieces if p.path == path and p.kind == "inline"), None)
    if inline is not None:
        return _removed_inline(text, inline)
    spans = []
    for piece in pieces:
        if piece.path[: len(path)] == path and piece.kind == "pair":
            spans.append((_line_start(text, piece.start), _line_end(text, piece.end)))
        elif piece.path[: len(path)] == path and piece.kind == "header":
            last = max([piece.end, *(p.end for p in _pairs_of(piece, pieces))])
            spans.append((_line_start(text, piece.start), _line_end(text, last)))
    for start, end in reversed(_disjoint(spans)):
        text = _cut(text, start, end)
    return text


def _removed_inline(text: str, piece: Piece) -> str:
    """Return `text` without an entry of an inline table and the comma that goes with it."""
    before, after = text[: piece.start].rstrip(), text[piece.end :].lstrip()
    if after.startswith(","):
        return text[: piece.start] + after[1:].lstrip()
    return f"{before.removesuffix(',').rstrip()} {after}"


def _disjoint(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return `spans` in order, those inside another left out."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if not result or start >= result[-1][1]:
            result.append((start, end))
    return result


def _cut(text: str, start: int, end: int) -> str:
    """Return `text` without a span of lines; of blank lines on both sides of it those before stay."""
    before, after = text[:start], text[end:]
    if not before.strip() or before.endswith(("\n\n", "\n\r\n")):
        after = re.sub(r"\A(?:[ \t]*\r?\n)+", "", after)
    return before + after


def _insert_line(text: str, at: int, line: str) -> str:
    newline = _newline(text)
    before = text[:at] if at == 0 or text[at - 1] == "\n" else text[:at] + newline
    return f"{before}{line}{newline}{text[at:]}"


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Return the offset behind the line that holds `at`, its newline included."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def statement(name: str, descriptor: dict[str, Any]) -> str:
    """Return an install as one line: `jq.deb = "jq"`, with more keys `jq = { deb = "jq", version = "1.6*" }`."""
    key = name if _BARE_KEY.fullmatch(name) else _value(name)
    if len(descriptor) == 1:
        [(only, value)] = descriptor.items()
        return f"{key}.{only} = {_value(value)}"
    return f"{key} = {_inline(descriptor)}"


def _inline(descriptor: dict[str, Any]) -> str:
    """Return a descriptor as an inline table; what the package is comes before where and how it is installed."""
    keys = sorted(descriptor, key=lambda key: key in {"systems", "priority"})
    return "{ " + ", ".join(f"{key} = {_value(descriptor[key])}" for key in keys) + " }"


def _value(value: Any) -> str:
    """Return a value as TOML; what JSON writes of strings, numbers, booleans and lists of them is TOML as well."""
    return json.dumps(value, ensure_ascii=False)
