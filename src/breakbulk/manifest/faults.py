"""A fault in a manifest, before anyone knows in which line it is.

`decoding`, `rules` and `variables` work on values and raise a `Fault` with a key path; `reading`, which has the text,
turns it into a `ManifestError` with file and line. Nothing outside this package sees a `Fault`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from breakbulk.errors import ManifestError

TYPE_CHECKING = False  # typing and tomllib take longer to import than the runtime handler has
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Fault", "KeyPath", "nearest", "parse_key", "render"]

KeyPath = tuple[str | int, ...]
"""Keys from the top of the manifest; an integer is an index into an array."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Fault(Exception):  # noqa: N818  it is no error of the program: reading turns it into one
    """What is wrong at a key path, and the correction.

    Args:
        path: Of the offending key, or of the table in which one is missing.
        problem: What is wrong, following the key path in a sentence: `is not a key of [options]`.
        hint: The correction, in the imperative.
        identifier: Of the `ManifestError` this becomes; None for `manifest-invalid`.

    """

    def __init__(self, path: KeyPath, problem: str, *, hint: str | None = None, identifier: str | None = None) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem
        self.hint = hint
        self.identifier = identifier

    def error(self, where: str | None) -> ManifestError:
        """Return the error for the user; `where` is `file:line`."""
        subject = f"`{render(self.path)}` " if self.path else ""
        return ManifestError(subject + self.problem, identifier=self.identifier, where=where, hint=self.hint)


def render(path: KeyPath) -> str:
    """Return a key path as TOML writes it: `install.pandas.pypi`, `include.environments[1].dir`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{key}" if text else key
    return text


def parse_key(text: str) -> KeyPath | None:
    """Return the key path that `text` writes as TOML does (`install."a.b"`), None when it is none."""
    if "=" in text or not text.isprintable():
        return None
    import tomllib

    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(value, dict):
        [(key, value)] = value.items()
        path.append(key)
    return tuple(path)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `word` was probably meant to be, None when nothing is near."""
    import difflib

    names = list(candidates)
    kebab = word.replace("_", "-").lower()
    if kebab in names:
        return kebab
    near = difflib.get_close_matches(kebab, names, n=1) or difflib.get_close_matches(word, names, n=1)
    return next(iter(near), None)
