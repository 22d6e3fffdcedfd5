"""What became of each line of something imported, as values: no line is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

__all__ = ["Fate", "Imported", "Remark"]

Fate = Literal["taken", "approximated", "left"]


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one thing: `taken` means the same, `approximated` nearly, `left` is for the user to do.

    Attributes:
        fate: One of the three.
        line: Where it stands, None where there are no lines.
        source: What stands there, shortened, without credentials.
        result: What it became, or why it did not and what to do.

    """

    fate: Fate
    line: int | None
    source: str
    result: str


class Imported(msgspec.Struct, frozen=True):
    """The text of a manifest, and the remarks in the order of what was read."""

    text: str
    remarks: tuple[Remark, ...]

    def of(self, fate: Fate) -> Iterable[Remark]:
        """Return the remarks of one fate."""
        return (remark for remark in self.remarks if remark.fate == fate)
