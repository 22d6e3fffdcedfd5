"""What an examination found: one value for every check of `breakbulk doctor`, on a node or of a cluster.

A check never raises: what cannot be looked at is `unknown`, with why. Whoever makes checks (`kubernetes.examining`,
`node.examining.doctor`) words them; whoever shows them (`cli.commands.doctor`, `cli.commands.node`) does not know what
they are about.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

__all__ = ["Check", "State", "worst"]

State = Literal["ok", "warning", "failed", "unknown"]

_GRAVITY: tuple[State, ...] = ("ok", "unknown", "warning", "failed")


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at.

    Attributes:
        identifier: Stable name of the check, kebab-case.
        what: What was looked at, and what it is: `containerd 2.2.0`.
        state: `failed` hinders pods; a `warning` will or may; `unknown` could not be looked at.
        why: What is wrong with it, or why it could not be looked at.
        fix: What to do, in the imperative; a command where possible.

    """

    identifier: str
    what: str
    state: State
    why: str | None = None
    fix: str | None = None


def worst(checks: Iterable[Check]) -> State:
    """Return the gravest state among checks; `ok` where there are none."""
    return max((check.state for check in checks), key=_GRAVITY.index, default="ok")
