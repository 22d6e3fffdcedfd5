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
        author=_known_as(invocation) or _author(invocation),
        host=platform.node(),
        command=shlex.join(["breakbulk", *invocation.argv]),
        time=datetime.now(UTC),
        message=message,
    )


def _known_as(invocation: Invocation) -> str:
    """Return who we are to a hub service, which records what we do under that name only; empty for other hubs."""
    objects = invocation.hub.objects
    if not objects.url.startswith(("http://", "https://")):
        return ""
    from breakbulk.hub.backends.service import ServiceObjects

    return objects.subject if isinstance(objects, ServiceObjects) else ""


def _author(invocation: Invocation) -> str:
    """Return the name that the environment gives, as Git and Flox do it, else that of the account."""
    import getpass

    for variable in ("LOGNAME", "USER"):
        if name := invocation.environ.get(variable):
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in many containers
        return "unknown"
