"""apt's own configuration, as far as it concerns which index is acceptable and where snapshots are.

Read are `apt.conf.d/*` and `apt.conf` in the syntax of apt.conf(5): scopes in braces and dotted names with `::`. Of
everything else in these files nothing is used: no proxy, no script, no pin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Configuration", "read_configuration"]

_TOKEN = re.compile(r'//[^\n]*|#[^\n]*|/\*.*?\*/|"(?P<text>[^"]*)"|(?P<mark>[{};])|(?P<word>[^\s{};"]+)', re.DOTALL)
_PART = re.compile(r"[A-Za-z0-9_.-]+")
_FALSE = {"no", "false", "without", "off", "disable", "0"}


class Configuration:
    """Values by lower-case dotted name, the last one given counts."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def text(self, name: str) -> str | None:
        """Return the value of `Scope::Name`."""
        return self._values.get(name.lower())

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a yes or no."""
        value = self.text(name)
        return default if value is None else value.lower() not in _FALSE


def read_configuration(directory: Path) -> Configuration:
    """Read the configuration below apt's directory; files that are absent or not readable count as empty."""
    parts = directory / "apt.conf.d"
    files = sorted(path for path in parts.iterdir() if _is_part(path)) if parts.is_dir() else []
    if (main := directory / "apt.conf").is_file():
        files.append(main)
    values: dict[str, str] = {}
    for path in files:
        values.update(_parse(path.read_text(errors="replace")))
    return Configuration(values)


def _is_part(path: Path) -> bool:
    """Say whether apt reads the file: no other extension than `conf`, no odd characters (apt.conf(5))."""
    return path.is_file() and path.suffix in {"", ".conf"} and _PART.fullmatch(path.name) is not None


def _parse(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    scopes: list[str] = []
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        if (word := match["word"]) is not None or (word := match["text"]) is not None:
            words.append(word)
        elif match["mark"] == "{":
            scopes.append(words[0] if words else "")
            words = []
        elif match["mark"] == ";":
            if len(words) > 1:
                values["::".join((*scopes, words[0])).strip(":")] = words[1]
            words = []
        elif match["mark"] == "}":
            scopes = scopes[:-1]
            words = []
    return values
