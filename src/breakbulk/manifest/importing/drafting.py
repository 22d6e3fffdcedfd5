"""The text of a manifest under construction: installs with unique ids, comments between them, options below."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from breakbulk.errors import ManifestError, NotFoundError
from breakbulk.manifest.decoding import encode
from breakbulk.manifest.reading import MANIFEST_NAME, parse_manifest
from breakbulk.manifest.rewriting import statement
from breakbulk.manifest.schema import Install

__all__ = ["DEFAULT_SUITE", "DEFAULT_SYSTEMS", "Draft", "read_text", "read_toml", "without_credentials"]

DEFAULT_SUITE = "bookworm"
DEFAULT_SYSTEMS = ("x86_64-linux",)

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_TOML_LINE = re.compile(r"line (\d+)")


class Draft:
    """Collects lines in the order in which they are found."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._installs: list[str] = []
        self._places: dict[str, int] = {}
        self._options: dict[str, Any] = {}
        self._option_comments: list[str] = []

    def install(self, name: str, install: Install) -> str:
        """Add an install under `name`, or `name-2` where that is taken, and return its id."""
        free = next(i for i in (name, *(f"{name}-{n}" for n in range(2, 10_000))) if i not in self._places)
        self._places[free] = len(self._installs)
        self._installs.append(statement(free, encode(install)))
        return free

    def change(self, install_id: str, install: Install) -> None:
        """Put `install` in the place of the one that has this id."""
        self._installs[self._places[install_id]] = statement(install_id, encode(install))

    def comment(self, text: str) -> None:
        """Add a comment between the installs."""
        self._installs.extend(f"# {line}" for line in _printable(text).splitlines())

    def suggest(self, name: str, install: Install) -> None:
        """Add an install as a comment, to be uncommented."""
        self.comment(statement(name, encode(install)))

    def option(self, key: str, value: Any) -> None:
        """Set an option."""
        self._options[key] = value

    def option_comment(self, text: str) -> None:
        """Add a comment to the options."""
        self._option_comments.append(f"# {_printable(text)}")

    def text(self, suite: str, systems: Sequence[str]) -> str:
        """Return the manifest, which has been read back."""
        options = {"systems": list(systems), "suite": suite, **self._options}
        lines = [
            f"# {_printable(self._title)}",
            "",
            "[install]",
            *self._installs,
            "",
            "[options]",
            *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in options.items()),
            *self._option_comments,
        ]
        text = "\n".join(lines) + "\n"
        parse_manifest(text, MANIFEST_NAME)
        return text


def read_text(path: Path) -> str:
    """Return a file's text; raise `NotFoundError` or `ManifestError` (`import-unreadable`)."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(f"{path.name} does not exist", identifier="import-not-found", where=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{path.name} cannot be read", identifier="import-unreadable", where=str(path), why=str(error)
        ) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's values; raise like `read_text`, or `ManifestError` (`import-syntax`) with the line."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        line = _TOML_LINE.search(str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise ManifestError(
            f"{path.name} is not valid TOML", identifier="import-syntax", where=where, why=str(error)
        ) from error


def without_credentials(text: str) -> str:
    """Return a line that may hold addresses as an error may show it."""
    return _CREDENTIALS.sub("", text)


def _printable(text: str) -> str:
    """Return `text` without control characters, which TOML allows in no comment."""
    return "".join(character for character in text if character.isprintable() or character == "\n")
