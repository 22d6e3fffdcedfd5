"""Who does something to an environment on a hub, as the history shows it: the only place that asks the machine."""

from __future__ import annotations

import platform
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from breakbulk.cli.invocation import Invocation

if TYPE_CHECKING:
    from breakbulk.hub.records import Authorship

__all__ = ["authorship"]


def authorship(invocation: Invocation, message: str = "") -> Authorship:
    """Return who runs this command, on which machine, when and with which words."""
    from breakbulk.hub.records import Authorship

    return Authorship(
        author=_author(invocation),
        host=platform.node(),
        command=shlex.join(["breakbulk", *invocation.argv]),
        time=datetime.now(UTC),
        message=message,
    )


def _author(invocation: Invocation) -> str:
    """Return the name that the environment gives, as Git and Flox do it, else that of the account."""
    import getpass

    for variable in ("BREAKBULK_AUTHOR", "LOGNAME", "USER"):
        if name := invocation.environ.get(variable):
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in many containers
        return "unknown"
