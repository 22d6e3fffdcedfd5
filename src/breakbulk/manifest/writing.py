"""Write a whole manifest as text: what several files said together, as one that means the same anywhere.

Comments are gone with the files; what is written is read back and compared before it is handed on. Counterparts:
`reading`, and `rewriting`, which changes a text that a person wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from breakbulk.manifest.reading import MANIFEST_NAME, parse_manifest, to_builtins
from breakbulk.manifest.schema import Manifest

__all__ = ["manifest_text"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def manifest_text(manifest: Manifest, title: str) -> str:
    """Return the text of a manifest, `title` as a comment on top."""
    values = to_builtins(manifest)
    lines = [f"# {title}"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, table in values.items():
        if isinstance(table, dict):
            lines += ["", f"[{_key(key)}]", *_pairs(table)]
    text = "\n".join(lines) + "\n"
    if to_builtins(parse_manifest(text, MANIFEST_NAME)) != values:
        msg = "a manifest that was written does not read back as it was"
        raise AssertionError(msg)
    return text


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table; a script in several lines stays one that a person can read."""
    for name, value in table.items():
        long = isinstance(value, str) and "\n" in value
        yield f"{_key(name)} = {_long(value) if long else _value(value)}"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(value: str) -> str:
    """Return a basic string: what JSON escapes is escaped likewise, but for the one control character it lets pass."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _long(value: str) -> str:
    """Return a multi-line basic string, whose first line break TOML drops."""
    lines = (_string(line)[1:-1] for line in value.split("\n"))
    return '"""\n' + "\n".join(lines) + '"""'
