"""Debian versions in dpkg's order.

A version is `[epoch:]upstream[-revision]` (Debian policy 5.6.12, deb-version(7)). `key` turns it into a value whose
ordinary order is dpkg's, so that sorting and comparing cost one conversion per distinct version. Counterpart of
`relations`, whose operators are decided here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

__all__ = ["Operator", "VersionKey", "compare", "is_version", "key", "satisfies"]

Operator = Literal["<<", "<=", "=", ">=", ">>"]
VersionKey = tuple[int, tuple[object, ...], tuple[object, ...]]

_PAIR = re.compile(r"([^0-9]*)([0-9]*)")
_VALID = re.compile(r"(?:[0-9]+:)?[0-9A-Za-z.+~:-]+")
_TILDE, _END = -1, 0
_AFTER_LETTERS = 256


def is_version(text: str) -> bool:
    """Say whether `text` has only the characters of a version."""
    return _VALID.fullmatch(text) is not None


@lru_cache(maxsize=1 << 17)
def key(version: str) -> VersionKey:
    """Return a value that sorts as dpkg sorts `version`; never raises."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _part_key(upstream), _part_key(revision)


def compare(left: str, right: str) -> int:
    """Return -1, 0 or 1 as `left` is older than, equal to or newer than `right`."""
    left_key, right_key = key(left), key(right)
    return (left_key > right_key) - (left_key < right_key)


def satisfies(version: str, operator: Operator, wanted: str) -> bool:
    """Say whether `version` stands in the relation `operator` to `wanted` (Debian policy 7.1)."""
    order = compare(version, wanted)
    match operator:
        case "<<":
            return order < 0
        case "<=":
            return order <= 0
        case "=":
            return order == 0
        case ">=":
            return order >= 0
        case ">>":
            return order > 0


def _part_key(part: str) -> tuple[object, ...]:
    """Return alternating non-digits and numbers, closed by an end that is older than anything but a tilde.

    An absent number is zero, so that nothing equals "0" and 1.0 is the same version as 1.0-0.
    """
    pairs: list[object] = []
    for letters, digits in _PAIR.findall(part):
        if not letters and not digits:
            break
        pairs += (_letters_key(letters), int(digits or 0))
    return (*(pairs or ((_END,), 0)), (_END,))


@lru_cache(maxsize=4096)
def _letters_key(letters: str) -> tuple[int, ...]:
    return (*(_order(character) for character in letters), _END)


def _order(character: str) -> int:
    if character == "~":
        return _TILDE
    return ord(character) if character.isalpha() else ord(character) + _AFTER_LETTERS
