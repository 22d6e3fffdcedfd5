"""One request as the outermost layer sees it: what is known of it while it is answered. Counterpart: `edge`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from breakbulk.hub.service.callers import Caller

__all__ = ["SCOPE_KEY", "Visit", "visit_of"]

SCOPE_KEY = "breakbulk"


@dataclass
class Visit:
    """A request at work.

    Attributes:
        request: Its identifier, in the log, the audit log and every answer.
        address: Where it came from.
        caller: Who sent it, once that is known.
        place: Address of the hub that is served, which answers do not tell.
        error: Identifier of the error it was answered with.
        status: Of the answer.
        sent_bytes: Of the answer's body.

    """

    request: str
    address: str
    caller: Caller
    place: str = ""
    error: str = ""
    status: int = 0
    sent_bytes: int = 0


def visit_of(scope: Mapping[str, Any]) -> Visit:
    """Return the visit that an ASGI scope belongs to."""
    visit: Visit = scope[SCOPE_KEY]
    return visit
