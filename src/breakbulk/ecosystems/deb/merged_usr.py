"""Every path of a Debian package below /usr, where Debian has them since the merge of `/bin`, `/sbin` and `/lib*`.

The links `/bin -> usr/bin` and so on come from the base package. They are what makes absolute targets and paths in
programs go on working; a package's own copy of them (base-files, since trixie) is left out. Background:
https://wiki.debian.org/UsrMerge, Debian policy 10.1.
"""

from __future__ import annotations

import posixpath

__all__ = ["MERGED", "MergedUsr", "merged"]

MERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"})
"""Top-level names that are links into /usr."""


def merged(path: str) -> str:
    """Return where a relative path of a package is on a merged system."""
    return f"usr/{path}" if path.split("/", 1)[0] in MERGED else path


class MergedUsr:
    """Places the members of a Debian package (a `Placement`)."""

    def path(self, member: str) -> str | None:
        """Return the path below /usr; None for the root, and for the top-level links themselves."""
        return merged(member) if member and member not in MERGED else None

    def target(self, member: str, target: str) -> str:
        """Return the target of a link that has moved, so that it names what it named before.

        A relative target was written for the unmerged place: from `/bin/x`, `../usr/bin/y` is `/usr/bin/y`, but from
        `/usr/bin/x` it is not.
        """
        place = merged(member)
        if place == member or target.startswith("/"):
            return target
        meant = merged(_resolved(member, target))
        if _resolved(place, target) == meant:
            return target
        return posixpath.relpath(f"/{meant}", f"/{posixpath.dirname(place)}")


def _resolved(link: str, target: str) -> str:
    return posixpath.normpath(f"/{posixpath.dirname(link)}/{target}").lstrip("/")
