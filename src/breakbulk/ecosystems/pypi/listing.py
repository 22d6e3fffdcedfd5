"""Which paths a wheel will own, and with what in them, known before it is downloaded.

Two wheels that own one path with different content are found at lock time by comparing listings. The content of a
member is told apart by CRC-32 and size, which the archive's central directory has; what installation makes or
changes (programs of entry points, first lines of scripts, RECORD) is told apart by what it is made from. Pure.
Counterpart: `wheels`, which puts the same files at the same paths.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from breakbulk.ecosystems.pypi.records import cached_name
from breakbulk.ecosystems.pypi.scheme import launchers, made_by_installation, scheme_of

if TYPE_CHECKING:
    from breakbulk.ecosystems.pypi.facts import Facts

__all__ = ["wheel_content", "wheel_listing"]


def wheel_content(facts: Facts, python: str) -> dict[str, tuple[int, int]]:
    """Return installed path to (CRC-32, size in bytes) of the members that are installed.

    Raises `DistInfoError` for a wheel that cannot be installed.
    """
    scheme = scheme_of(facts.dist_info, python)
    scripts = [launcher.name for launcher in launchers(facts.entry_points, scheme.interpreter)]
    made = made_by_installation({each.path for each in facts.members}, facts.dist_info, scripts)
    return {scheme.path(each.path): (each.crc, each.size) for each in facts.members if each.path not in made}


def wheel_listing(facts: Facts, python: str, tag: str) -> dict[str, str]:
    """Return every path that the wheel will own to a word that tells equal content from different.

    Bytecode is compiled from its source and so differs exactly when the source does.
    """
    scheme = scheme_of(facts.dist_info, python)
    listing = {path: f"{crc:08x}:{size}" for path, (crc, size) in wheel_content(facts, python).items()}
    sources = [path for path in listing if path.startswith(f"{scheme.packages}/") and path.endswith(".py")]
    listing |= {cached_name(path, tag): f"{listing[path]}:{tag}" for path in sources}
    for launcher in launchers(facts.entry_points, scheme.interpreter):
        listing[f"usr/local/bin/{launcher.name}"] = hashlib.sha256(launcher.text).hexdigest()
    for name in ("RECORD", "INSTALLER"):
        listing[f"{scheme.packages}/{facts.dist_info}/{name}"] = f"{facts.dist_info}:{facts.size}"
    return listing
