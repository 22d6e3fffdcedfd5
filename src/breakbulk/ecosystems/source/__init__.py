"""The user's own sources, in a directory or a Git repository: archives made here, and locked like all others.

`selection` says which files belong (`ignoring`) and what they are, fast, as every `run` asks (`remembered`, `changes`);
`packing` makes a tree's archive, `projects` a Python project's wheel, `git` and `commits` get a commit's files,
`making` keeps what was made, `products` joins them, `ecosystem` is what the rest of Breakbulk sees.

Names are imported when they are asked for: a `run` that only compares need not wait for what makes archives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from breakbulk.ecosystems.source.changes import anchored, changed_source
    from breakbulk.ecosystems.source.ecosystem import Source

__all__ = ["Source", "anchored", "changed_source"]


def __getattr__(name: str) -> Any:
    if name == "Source":
        from breakbulk.ecosystems.source.ecosystem import Source

        return Source
    if name in __all__:
        from breakbulk.ecosystems.source import changes

        return getattr(changes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
