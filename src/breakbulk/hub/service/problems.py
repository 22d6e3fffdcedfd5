"""Errors as HTTP answers: RFC 9457 problem details that carry our identifier, where, why and hint.

The status follows from the identifier or the class of an error; the client makes the same error of it again. What
nobody expected becomes `internal-error` and tells nothing but the request's identifier, by which the log finds it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NetworkError, NotFoundError, UsageError

__all__ = ["MEDIA_TYPE", "Problem", "TooManyRequestsError", "problem_of", "problem_of_status", "status_of"]

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:breakbulk:error:"
_BY_IDENTIFIER: Mapping[str, int] = {
    "token-missing": 401,
    "token-unknown": 401,
    "token-expired": 401,
    "token-revoked": 401,
    "object-exists": 412,
    "object-changed": 412,
    "object-too-large": 413,
    "range-unsatisfiable": 416,
    "precondition-missing": 428,
    "rate-limited": 429,
    "hub-full": 507,
    "hub-busy": 503,
    "hub-unreachable": 502,
    "upload-slow": 408,
    "upload-incomplete": 400,
    "object-refused": 422,
    "change-refused": 422,
    "hub-newer": 422,
}
_BY_CLASS: tuple[tuple[type[BreakbulkError], int], ...] = (
    (UsageError, 400),
    (NotFoundError, 404),
    (HubError, 403),
    (IntegrityError, 422),
    (NetworkError, 502),
)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as JSON.

    Attributes:
        type: `urn:breakbulk:error:` and the identifier.
        title: What happened.
        status: As in the status line.
        error: The identifier, which is stable.
        exit_code: With which the command line ends.
        retryable: Whether trying again may help.
        where, why, hint: As on the command line.
        request: Identifier of the request in the service's log.

    """

    type: str
    title: str
    status: int
    error: str
    exit_code: int = 1
    retryable: bool = False
    where: str = ""
    why: str = ""
    hint: str = ""
    request: str = ""


class TooManyRequestsError(HubError):
    """Somebody asks more often than the service lets them; `retry_after_s` is when it will."""

    identifier = "rate-limited"
    retryable = True

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = max(1, math.ceil(retry_after_s))
        super().__init__(
            "there are too many requests at once",
            identifier="rate-limited",
            why=f"the hub answers again in {self.retry_after_s} s",
            hint="wait, or ask whoever keeps the hub for a higher limit",
        )


def status_of(error: BreakbulkError) -> int:
    """Return the HTTP status of an error."""
    by_class = next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 500)
    return _BY_IDENTIFIER.get(error.reference, by_class)


def problem_of(error: BreakbulkError, request: str, place: str) -> Problem:
    """Return an error as problem details; where the hub's objects are (`place`) is nobody's business."""
    return Problem(
        type=TYPE + error.reference,
        title=error.message,
        status=status_of(error),
        error=error.reference,
        exit_code=error.exit_code,
        retryable=error.retryable,
        where=_without(place, error.where),
        why=_without(place, error.why),
        hint=error.hint or "",
        request=request,
    )


def problem_of_status(status: int, why: str, request: str) -> Problem:
    """Return a refusal of the HTTP layer itself (no such path, method, parameter) as problem details."""
    title = HTTPStatus(status).phrase.lower()
    error = "internal-error" if status >= 500 else "request-invalid"
    return Problem(type=TYPE + error, title=title, status=status, error=error, why=why, exit_code=2, request=request)


def _without(place: str, text: str | None) -> str:
    return (text or "").replace(f"{place}/", "").replace(place, "the hub") if place else text or ""
