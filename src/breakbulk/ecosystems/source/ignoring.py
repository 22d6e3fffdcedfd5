"""Which files of a source do not belong to it: `.gitignore` at every level, and what the manifest excludes.

Semantics are those of gitignore(5): of the patterns that match, the last of the deepest file decides, and what is below
an ignored directory cannot come back. Files of the directories above count too, up to the repository's top. Each rule
set has an identity, so that a decision made once under the same rules need not be made again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

__all__ = ["ALWAYS", "GITIGNORE", "Rules", "read_ignore", "rules_of", "tracked_only"]

ALWAYS = frozenset({".git", ".breakbulk", ".flox", ".venv", "__pycache__", "breakbulk.lock", "breakbulk.toml"})
"""Names that never belong: what Git, Breakbulk and Python keep beside the source. The lock holds the source's digest,
so it cannot be part of it; with the manifest beside it, editing one would change the other's package."""

GITIGNORE = ".gitignore"


class Rules:
    """The rules that apply in one directory; immutable.

    Attributes:
        identity: Equal for equal rules, a digest.
        gitignore: Whether `.gitignore` files count.

    """

    def __init__(
        self, texts: tuple[tuple[str, str], ...], exclude: str, identity: str, *, gitignore: bool = True
    ) -> None:
        self._texts = texts
        self._exclude = exclude
        self.identity = identity
        self.gitignore = gitignore

    def below(self, prefix: str, text: str) -> Rules:
        """Return the rules with those of the `.gitignore` in the directory `prefix` ("" or ending in a slash)."""
        identity = hashlib.sha256(f"{self.identity}\0{prefix}\0{text}".encode("utf-8", "surrogateescape")).hexdigest()
        return Rules((*self._texts, (prefix, text)), self._exclude, identity)

    def ignores(self, path: str) -> bool:
        """Tell whether `path`, relative to the source and with a slash at its end for a directory, is left out."""
        decision = _decision(self._exclude, path)
        for prefix, text in reversed(self._texts):
            if decision is not None:
                break
            # A rule from above the source has its path from there to here as a prefix with a leading slash.
            inner = prefix[1:] + path if prefix.startswith("/") else path[len(prefix) :]
            decision = _decision(text, inner)
        return bool(decision)


def tracked_only() -> Rules:
    """Return the rules of a checkout: what a commit holds belongs to it, whatever its `.gitignore` says."""
    return Rules((), "", "tracked", gitignore=False)


def rules_of(root: Path, exclude: Iterable[str]) -> Rules:
    """Return the rules at the top of the source `root`, before its own `.gitignore`."""
    text = "\n".join(exclude)
    rules = Rules((), text, hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest())
    for directory in _above(root):
        ignore = directory / GITIGNORE
        if ignore.is_file():
            inner = root.relative_to(directory).as_posix()
            rules = rules.below(f"/{inner}/", read_ignore(ignore))
    return rules


def read_ignore(path: Path) -> str:
    """Return the text of a `.gitignore`."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _above(root: Path) -> list[Path]:
    """Return the directories from the top of the repository that `root` is in down to its parent; none outside one."""
    if (root / ".git").exists():
        return []
    for number, directory in enumerate(root.parents):
        if (directory / ".git").exists():
            return list(reversed(root.parents[: number + 1]))
    return []


def _decision(text: str, path: str) -> bool | None:
    """Return what the last pattern of `text` that is about `path` says, None when none is.

    `pathspec` judges whole paths, so its patterns also hit what is below a directory. Whoever walks has judged the
    directory before, and Git does not ask its pattern again: after `!b/`, `**/c` still ignores `b/c`.
    """
    for pattern in _patterns(text) if text else ():
        result = pattern.match_file(path)
        if result is not None and _is_about(result.match, path):
            return pattern.include
    return None


def _is_about(match: re.Match[str], path: str) -> bool:
    whole = match.end() == len(path) or (match[0] == "/" and path.endswith("/"))  # "/" is all there is of `*/`
    if match.groupdict().get("ps_d") is not None:  # the slash of a directory that the pattern names
        return whole
    return not (whole and path.endswith("/"))  # of `a/**` everything below, not the directory itself


@lru_cache(maxsize=256)
def _patterns(text: str) -> tuple[GitIgnoreSpecPattern, ...]:
    """Return the patterns of a `.gitignore`, last first. One that makes no sense matches nothing, as in Git."""
    from pathspec.patterns.gitignore import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    patterns = []
    for line in reversed(text.removeprefix("\ufeff").split("\n")):
        with suppress(GitIgnorePatternError):
            patterns.append(GitIgnoreSpecPattern(line.removesuffix("\r")))
    return tuple(pattern for pattern in patterns if pattern.include is not None)
