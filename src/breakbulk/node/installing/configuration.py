"""Changes to the text of containerd's configuration files that leave everything else as a person wrote it.

Pure. What is ours stands between two comments, so that it is found again whatever became of the rest: `with_block` and
`without_block` undo each other, byte for byte. Counterparts: `runtimes` makes what is put in, `registration` decides
where.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

__all__ = [
    "BEGIN",
    "imports_of",
    "is_silent",
    "template_of",
    "version_of",
    "with_block",
    "with_imports",
    "without_block",
]

BEGIN = "# >>> breakbulk: written by `breakbulk node install`, removed by `breakbulk node uninstall`"
_END = "# <<< breakbulk"
_BLOCK = re.compile(rf"\n?^{re.escape(BEGIN)}$.*?^{re.escape(_END)}$\n?", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"^#.*DO NOT EDIT\. Use (\S+\.tmpl) instead", re.MULTILINE)
_TABLE = re.compile(r"^\s*\[", re.MULTILINE)
_IMPORTS = re.compile(r"""^\s*(?:imports|"imports"|'imports')\s*=""", re.MULTILINE)


def with_block(text: str | None, block: str) -> str:
    """Return the text with our block at its end; where there was no file, the block is all there is."""
    before = "" if text is None else f"{text}\n"
    return f"{before}{BEGIN}\n{block.strip()}\n{_END}\n"


def without_block(text: str) -> str | None:
    """Return the text as it was before our block was put in, None when there was no file.

    What somebody has written below the block stays.
    """
    found = _BLOCK.search(text)
    if found is None:
        return text
    before, after = text[: found.start()], text[found.end() :]
    if not before and not after and not found[0].startswith("\n"):
        return None
    return before + ("\n" if before and after and not before.endswith("\n") else "") + after


def version_of(text: str) -> int | None:
    """Return the version that a file says it has, None when it says none; raise `tomllib.TOMLDecodeError`."""
    version = tomllib.loads(text).get("version")
    return version if isinstance(version, int) else None


def imports_of(text: str) -> list[str]:
    """Return the patterns of files that a file imports; raise `tomllib.TOMLDecodeError`."""
    imports = tomllib.loads(text).get("imports")
    return [each for each in imports if isinstance(each, str)] if isinstance(imports, list) else []


def is_silent(text: str) -> bool:
    """Say whether a file has neither a version nor a table; raise `tomllib.TOMLDecodeError`."""
    document = tomllib.loads(text)
    return "version" not in document and not any(isinstance(value, dict) for value in document.values())


def template_of(text: str) -> str | None:
    """Return the name of the template that a file is written from when Kubernetes starts, as k3s and RKE2 say it."""
    found = _HEADER.search(text)
    return found[1] if found else None


def with_imports(text: str, imports: Sequence[str]) -> str:
    """Return the text with other imports, everything else unchanged.

    Raises:
        ValueError: The text is of a kind that cannot be changed without rewriting it.

    """
    line = f"imports = [{', '.join(_literal(path) for path in imports)}]\n"
    found = _statement(text)
    changed = text[: found[0]] + line + text[found[1] :] if found else line + text
    if _parsed(changed) != {**_parsed(text), "imports": list(imports)}:
        raise ValueError("the imports of this file cannot be told from the rest of it")
    return changed


def _statement(text: str) -> tuple[int, int] | None:
    """Return where the assignment of imports begins and ends; it can only be before the first table."""
    table = _TABLE.search(text)
    for begin in _IMPORTS.finditer(text, 0, table.start() if table else len(text)):
        end = begin.start()
        while end < len(text):
            newline = text.find("\n", end)
            end = len(text) if newline < 0 else newline + 1
            try:
                tomllib.loads(text[begin.start() : end])
            except tomllib.TOMLDecodeError:
                continue
            return begin.start(), end
    return None


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error)) from error


def _literal(path: str) -> str:
    if "'" in path or not path.isprintable():
        raise ValueError(f"a path that TOML cannot have as it is: {path!r}")
    return f"'{path}'"
