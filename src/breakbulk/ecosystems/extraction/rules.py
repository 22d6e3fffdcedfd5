"""What an archive may hold, as values: one set of rules per kind of archive.

`names`, `tree`, `tar` and `zip` are the ones who apply them.
"""

from __future__ import annotations

import msgspec

__all__ = ["DEBIAN", "OWN", "STRANGER", "Limits", "Rules"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Where an archive becomes a bomb.

    Attributes:
        total_bytes: Of all files together, unpacked; the largest wheels known unpack to about 5 GiB.
        members: Files, directories and links.
        ratio: Unpacked to packed size, judged once `ratio_from_bytes` are unpacked; texts reach about 50.
        ratio_from_bytes: Below this nothing is worth a ratio: a small archive of zeros is harmless.
        path_bytes: Length of a member's name in UTF-8; leaves room in PATH_MAX (4096) for the store's own path.
        component_bytes: NAME_MAX of the usual file systems.
        depth: Components of a name.
        header_bytes: Of one member's extended header, which is held in memory.

    """

    total_bytes: int = 64 << 30
    members: int = 1_000_000
    ratio: int = 250
    ratio_from_bytes: int = 256 << 20
    path_bytes: int = 3072
    component_bytes: int = 255
    depth: int = 100
    header_bytes: int = 64 << 10


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What is let through, and how it is written.

    Attributes:
        faithful: Keep modes, modification times and, as root, static owners and file capabilities. Otherwise files
            are 0644 or 0755, directories 0755, all of time 0, and belong to whoever unpacks.
        allow_setuid: Let setuid and setgid programs in; the bits reach the disk only where the owner can be set.
        allow_case: Names may differ by nothing but case, as in the terminal database and in kernel headers.
        allow_backslash: As systemd's unit names have it.
        allow_identical: A path may come twice under different names of the archive, if it is the same both times.
        limits: Where it becomes a bomb.

    """

    faithful: bool = False
    allow_setuid: bool = False
    allow_case: bool = False
    allow_backslash: bool = False
    allow_identical: bool = False
    limits: Limits = Limits()


STRANGER = Rules()
"""For wheels and archives at an address."""

OWN = Rules(allow_case=True, allow_backslash=True)
"""For archives made here from the user's own sources, whose file system took the names already."""

DEBIAN = Rules(faithful=True, allow_setuid=True, allow_case=True, allow_backslash=True, allow_identical=True)
"""For Debian packages, signed for by the archive's index; Debian policy section 10."""
