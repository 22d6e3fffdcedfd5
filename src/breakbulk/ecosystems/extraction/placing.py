"""Where the members of an archive go in the tree: stripped of leading components, below a directory.

Pure. Placement comes after `names` has judged the member, and before `tree` writes it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["AS_IS", "Placement", "Stripped"]


class Placement(Protocol):
    """Decides where members go."""

    def path(self, member: str) -> str | None:
        """Return the path in the tree, None to leave the member out."""

    def target(self, member: str, target: str) -> str:
        """Return the target of the symbolic link `member`, adapted to where it has been put."""


class Stripped(msgspec.Struct, frozen=True):
    """Drops `strip` leading components and puts the rest below `below`, as `tar --strip-components` does."""

    strip: int = 0
    below: str = ""

    def path(self, member: str) -> str | None:
        """Return the path in the tree, None for what is shorter than `strip` or is the root."""
        rest = "/".join(member.split("/")[self.strip :])
        if not rest:
            return None
        return f"{self.below}/{rest}" if self.below else rest

    def target(self, member: str, target: str) -> str:  # noqa: ARG002
        """Return the target as it is: all that is beside the link has moved along with it."""
        return target


AS_IS = Stripped()
"""Everything where the archive has it."""
