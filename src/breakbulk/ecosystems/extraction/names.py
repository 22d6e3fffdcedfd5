"""What a member of an archive may be called.

Names are judged as text before anything is written: a name that is absolute, climbs, or cannot be told from another is
refused, never repaired, as a repaired name is a second meaning. Pure; `tree` keeps the names apart on disk.
"""

from __future__ import annotations

import re
import unicodedata

from breakbulk.ecosystems.extraction.rules import Rules
from breakbulk.errors import ArchiveError

__all__ = ["collision_key", "link_target", "member_path", "refusal"]

# Controls (C0, DEL, C1), line and paragraph separators, and the marks that reorder text on a terminal. Lone surrogates
# stand for bytes that are no UTF-8, which Debian policy 10.10 and the formats of wheels forbid.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def refusal(
    message: str, *, identifier: str, archive: str, member: str | None = None, why: str | None = None
) -> ArchiveError:
    """Return the error that names archive and member, the member safe to print."""
    where = archive if member is None else f"{archive}: {_printable(member)}"
    return ArchiveError(
        message, identifier=identifier, where=where, why=why, hint=_HINTS.get(identifier, _DEFAULT_HINT)
    )


def member_path(raw: str, *, archive: str, rules: Rules) -> str:
    """Return the relative path a member's name stands for, "" for the root itself.

    Only `.` components and empty ones are dropped. Raises `ArchiveError`: `archive-name-invalid`,
    `archive-path-escape`, `archive-bomb`.
    """
    _check_characters(raw, raw, archive, rules)
    if raw.startswith("/"):
        raise refusal("a member has an absolute path", identifier="archive-path-escape", archive=archive, member=raw)
    parts = [part for part in raw.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise refusal("a member's path climbs with '..'", identifier="archive-path-escape", archive=archive, member=raw)
    _check_lengths(raw, parts, archive, rules)
    return "/".join(parts)


def link_target(path: str, target: str, *, archive: str, rules: Rules) -> str:
    """Return `target` if the symbolic link at `path` stays inside the root it will be seen in.

    An absolute target is one of that root, as in any Debian package; a relative one must not climb above it. What a
    link points at is never opened here: writing through a link is refused by `tree`.
    """
    _check_characters(target, path, archive, rules)
    if not target or len(target.encode()) > rules.limits.path_bytes:
        why = "its target is empty" if not target else "its target is too long"
        raise refusal(
            "a symbolic link cannot be made", identifier="archive-name-invalid", archive=archive, member=path, why=why
        )
    depth = 0 if target.startswith("/") else path.count("/")
    for part in target.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            raise refusal(
                "a symbolic link leaves the tree",
                identifier="archive-symlink-escape",
                archive=archive,
                member=path,
                why=f"its target is {_printable(target)}",
            )
    return target


def collision_key(path: str, rules: Rules) -> str:
    """Return what two names have in common that someone could take for one.

    Canonical equivalence (NFC) always; unless `allow_case`, compatibility equivalence (NFKC) and case too.
    """
    if rules.allow_case:
        return path if path.isascii() else unicodedata.normalize("NFC", path)
    return path.lower() if path.isascii() else unicodedata.normalize("NFKC", path).casefold()


def _check_characters(text: str, member: str, archive: str, rules: Rules) -> None:
    found = _UNPRINTABLE.search(text)
    if found is None and (rules.allow_backslash or "\\" not in text):
        return
    character = "\\" if found is None else found[0]
    raise refusal(
        "a member's name holds a character that names must not have",
        identifier="archive-name-invalid",
        archive=archive,
        member=member,
        why=f"the character is U+{ord(character):04X}",
    )


def _check_lengths(raw: str, parts: list[str], archive: str, rules: Rules) -> None:
    limits = rules.limits
    size = len(raw.encode())
    if len(parts) > limits.depth:
        why = f"it has {len(parts)} components, allowed are {limits.depth}"
    elif size <= min(limits.component_bytes, limits.path_bytes):  # almost all: no component is longer than the whole
        return
    elif size > limits.path_bytes:
        why = f"it has {size} bytes, allowed are {limits.path_bytes}"
    elif max((len(part.encode()) for part in parts), default=0) > limits.component_bytes:
        why = f"a component has more than {limits.component_bytes} bytes"
    else:
        return
    raise refusal("a member's name is too long", identifier="archive-bomb", archive=archive, member=raw[:200], why=why)


def _printable(text: str) -> str:
    return "".join(mark if mark.isprintable() else f"\\u{ord(mark):04x}" for mark in text)


_HINTS = {
    "archive-truncated": "download it again; if that does not help, it was published damaged",
    "archive-unsupported": "repack it as .tar.zst, .tar.gz or .zip",
    "archive-bomb": "check where the archive comes from; a tree this large can be given as several archives",
    "archive-name-collision": "have it published with names that differ by more than case or Unicode form",
}
_DEFAULT_HINT = "do not use this archive; tell those who publish it"
