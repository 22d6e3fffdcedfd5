"""The audit log: who did what, when, from where, and what came of it.

Everything that changes something or is refused is recorded before it is answered; plain reads are in the access log
and the metrics only. Records are appended and never altered: the database itself refuses.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from breakbulk.hub.service.database import Database
from breakbulk.hub.service.registry import DATABASE

__all__ = ["AuditLog", "Entry"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
  number INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, subject TEXT NOT NULL, entry BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS audit_by_subject ON audit (subject, number);
CREATE TRIGGER IF NOT EXISTS audit_unaltered BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_undeleted BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did or tried to do.

    Attributes:
        number: From 1, in order; 0 before it is recorded.
        time: By the service's clock.
        subject: Of the token; empty for nobody known.
        token: Its identifier.
        address: Where the request came from.
        action: What was asked for: method and path, or a command.
        result: `done`, or the identifier of the error.
        request: Identifier of the request, as in the access log.
        detail: What else is known: the environment and generation of a change.

    """

    time: datetime
    action: str
    result: str
    subject: str = ""
    token: str = ""
    address: str = ""
    request: str = ""
    detail: str = ""
    number: int = 0


class AuditLog:
    """The log in a state directory."""

    def __init__(self, state: Path) -> None:
        self._database = Database(state / DATABASE, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def record(self, entry: Entry) -> None:
        """Append an entry; it is on the disk when this returns."""
        self._database.rows(
            "INSERT INTO audit (time, subject, entry) VALUES (?, ?, ?)",
            (entry.time.isoformat(), entry.subject, msgspec.json.encode(entry)),
        )

    def entries(self, *, before: int | None = None, subject: str | None = None, limit: int = 100) -> list[Entry]:
        """Return the newest entries, newest first; `before` is the number of an entry to go on from."""
        rows = self._database.rows(
            "SELECT number, entry FROM audit WHERE number < ? AND (? IS NULL OR subject = ?)"
            " ORDER BY number DESC LIMIT ?",
            (before if before is not None else 1 << 62, subject, subject, limit),
        )
        return [
            msgspec.structs.replace(msgspec.json.decode(entry, type=Entry), number=number) for number, entry in rows
        ]
