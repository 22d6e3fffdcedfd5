"""The service's own SQLite files: opened so that several threads and processes use one at the same time.

Write-ahead logging lets `breakbulk hub token` work beside a running service. Files are readable by their owner only.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from breakbulk.errors import StoreError

__all__ = ["Database"]

_BUSY_S = 10.0


class Database:
    """One SQLite file; may be used from several threads.

    Args:
        path: Made with its directory when it is not there.
        schema: Statements that make what is missing.

    Raises:
        StoreError: `service-state`, it cannot be opened.

    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(schema)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                "the state of the service cannot be opened",
                identifier="service-state",
                where=str(path),
                why=str(error),
                hint="`--state` names another directory; it must be writable by whoever runs the service",
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query, or of one statement that writes."""
        with self._lock:
            return self._connection.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Do several statements as one: all of them or none."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
