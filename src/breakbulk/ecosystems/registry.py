"""Every ecosystem by its name in locks, each imported when it is first asked for.

A realised environment starts without any of them, and that is on the way to every command that a user starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from breakbulk.ecosystems.interface import Ecosystem

if TYPE_CHECKING:
    from breakbulk.ecosystems.hub.catalogue import Catalogue

__all__ = ["ecosystems", "with_catalogue"]

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


class _Catalogued(_Registry):
    """The shared ecosystems, but for `hub`, which knows a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self._catalogue = catalogue

    def __getitem__(self, name: str) -> Ecosystem:
        if name != "hub":
            return ecosystems()[name]
        from breakbulk.ecosystems.hub import Hub

        return Hub(self._catalogue)


def with_catalogue(catalogue: Catalogue) -> Mapping[str, Ecosystem]:
    """Return every ecosystem, with that of packages of a hub asking `catalogue` for archives."""
    return _Catalogued(catalogue)


@cache
def ecosystems() -> Mapping[str, Ecosystem]:
    """Return every ecosystem by its name in locks."""
    return _Registry()
