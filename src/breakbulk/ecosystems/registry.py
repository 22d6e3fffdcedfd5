"""Every ecosystem by its name in locks, each imported when it is first asked for.

A realised environment starts without any of them, and that is on the way to every command that a user starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from breakbulk.ecosystems.interface import Ecosystem

__all__ = ["ecosystems"]

_CLASSES = {"pypi": "Pypi", "deb": "Deb", "source": "Source", "archive": "Archive", "nix": "Nix", "hub": "Hub"}


class _Registry(Mapping[str, Ecosystem]):
    """The ecosystems; one object each, as some remember what they have read."""

    def __init__(self) -> None:
        self._made: dict[str, Ecosystem] = {}

    def __getitem__(self, name: str) -> Ecosystem:
        if name not in self._made:
            self._made[name] = getattr(import_module(f"breakbulk.ecosystems.{name}"), _CLASSES[name])()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


@cache
def ecosystems() -> Mapping[str, Ecosystem]:
    """Return every ecosystem by its name in locks."""
    return _Registry()
