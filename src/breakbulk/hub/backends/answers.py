"""What an object store's answer means, read from obstore's exceptions. Pure.

obstore tells kinds of failure apart only in its texts: an HTTP status, the code of an XML answer, the kind of a broken
connection. They are read here and nowhere else, and `tests/hub/backends/test_answers.py` provokes each of them with a
real client, so a version that words them differently is noticed. Nothing else of the text is repeated: addresses can
hold the signature of a shared link, bodies the access key.
"""

from __future__ import annotations

import re

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.hub.backends import faults

__all__ = ["Answer", "PlaceError", "read_answer"]

_STATUS = re.compile(r"status code: (\d{3})(?: ([A-Za-z ]+))?")
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,80})</Code>")
_BUCKET = re.compile(r"bucket does not exist", re.IGNORECASE)
_KIND = re.compile(r"kind: (Connect|Timeout|Interrupted|Request|Decode|Body)\b")
_KINDS = {"Connect": "no connection", "Timeout": "no answer in time", "Decode": "not an answer of an object store"}
_BROKEN = "the connection broke off"

_SEARCH = re.compile(
    # Where machines in clouds have credentials, and how a failure to exchange some for a token begins.
    r"169\.254\.|/latest/(?:api/token|meta-data)|metadata\.google\.internal|token (?:request|file)|credential",
    re.IGNORECASE,
)
_SKEWED = {"RequestTimeTooSkewed", "RequestExpired"}
_DENIED = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId", "AuthenticationFailed"}
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_FULL = re.compile(r"Quota|NoSpace|StorageFull|InsufficientStorage", re.IGNORECASE)
_BUSY = {409, 425, 429, 503}
_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}


class PlaceError(Exception):
    """What a place said, without what must not be shown: the cause of an error of ours."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A failure as a place told it.

    Attributes:
        status: HTTP status, None when there was no answer.
        reason: Its words.
        code: The code of the error in the body, if there is one.
        kind: Kind of a failed connection.
        detail: The first line of anything else.
        credentials: Whether it was the search for credentials that failed.

    """

    status: int | None = None
    reason: str = ""
    code: str = ""
    kind: str = ""
    detail: str = ""
    credentials: bool = False

    @property
    def again(self) -> bool:
        """Whether the same request can succeed later."""
        if self.credentials or _FULL.search(self.code) or self.code in _DENIED | _SKEWED | _NO_BUCKET:
            return False
        return self.status in _AGAIN if self.status is not None else bool(self.kind)

    @property
    def certain(self) -> bool:
        """Whether the place did not do what was asked: without an answer, or with a 5xx, it may have."""
        return self.status is not None and self.status < 500

    @property
    def why(self) -> str:
        """The failure in words."""
        if self.credentials:
            return "no credentials could be had"
        if self.status is not None:
            return f"answered {self.status} {self.reason}".strip() + (f" ({self.code})" if self.code else "")
        return _KINDS.get(self.kind, _BROKEN) if self.kind else self.detail

    def fault(self, where: str) -> BreakbulkError:
        """Return the error of ours; `where` is the place and the key."""
        if self.credentials or self.code in _DENIED or self.status in {401, 403}:
            return faults.skewed(where, self.why) if self.code in _SKEWED else faults.denied(where, self.why)
        if self.status == 507 or _FULL.search(self.code):
            return faults.full(where, self.why)
        if self.code in _NO_BUCKET:
            return faults.no_bucket(where)
        if self.status in _BUSY:
            return faults.busy(where, self.why)
        if self.again:
            return faults.unreachable(where, self.why)
        return faults.refused(where, self.why)


def read_answer(error: Exception) -> Answer:
    """Return what an exception of obstore says."""
    text = str(error)
    status, code, kind = _STATUS.search(text), _CODE.search(text), _KIND.search(text)
    return Answer(
        status=int(status[1]) if status else None,
        reason=(status[2] or "").strip() if status else "",
        code=code[1] if code else "NoSuchBucket" if _BUCKET.search(text) else "",
        kind=kind[1] if kind and not status else "",
        detail="" if status or kind else re.sub(r"\w+://\S+", "...", text.partition("\n")[0])[:200],
        credentials=_SEARCH.search(text.partition("\n")[0]) is not None and not code,
    )
