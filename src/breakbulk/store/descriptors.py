"""File descriptors that are closed together, as `contextlib.ExitStack` would, which takes longer to import.

Every start of a container waits for what the runtime handler imports.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Descriptors"]


class Descriptors:
    """What is kept open until the end of a `with`."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[int] = []

    def keep(self, descriptor: int) -> int:
        """Return the descriptor, which is closed at the end."""
        self._kept.append(descriptor)
        return descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._kept:
            os.close(self._kept.pop())
