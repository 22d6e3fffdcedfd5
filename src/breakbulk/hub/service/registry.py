"""The tokens and sign-ins that a service knows: stored as digests, found by their public identifiers.

A revocation counts from the next request on, also in another process. Counterparts: `tokens`, `callers`.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from breakbulk.errors import HubError, NotFoundError
from breakbulk.hub.service.database import Database
from breakbulk.hub.service.tokens import Token, check_usable, digest_of, identifier_of, same

__all__ = ["DATABASE", "SESSION_LIFETIME", "Registry"]

DATABASE = "service.sqlite"
SESSION_LIFETIME = timedelta(hours=12)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (identifier TEXT PRIMARY KEY, digest BLOB NOT NULL, token BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sessions (digest BLOB PRIMARY KEY, identifier TEXT NOT NULL, expires TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, secret TEXT NOT NULL) STRICT;
"""


class Registry:
    """The tokens in a state directory."""

    def __init__(self, state: Path) -> None:
        self._database = Database(state / DATABASE, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def secret(self, name: str) -> str:
        """Return a random secret of the service's own, the same one from its first use on."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, secrets.token_hex(32)))
            found: str = connection.execute("SELECT secret FROM secrets WHERE name = ?", (name,)).fetchone()[0]
        return found

    def add(self, token: Token, text: str) -> None:
        """Keep a new token by the digest of its text."""
        self._database.rows(
            "INSERT INTO tokens VALUES (?, ?, ?)", (token.identifier, digest_of(text), msgspec.json.encode(token))
        )

    def tokens(self) -> tuple[Token, ...]:
        """Return every token there ever was, oldest first."""
        found = (_token(row[0]) for row in self._database.rows("SELECT token FROM tokens"))
        return tuple(sorted(found, key=lambda token: (token.created, token.identifier)))

    def token(self, identifier: str) -> Token | None:
        """Return a token by its identifier, None when there is none."""
        rows = self._database.rows("SELECT token FROM tokens WHERE identifier = ?", (identifier,))
        return _token(rows[0][0]) if rows else None

    def revoke(self, identifier: str, now: datetime) -> Token:
        """Revoke a token and end its sign-ins; raise `NotFoundError` `token-unknown`. Again is no error."""
        with self._database.writing() as connection:
            row = connection.execute("SELECT token FROM tokens WHERE identifier = ?", (identifier,)).fetchone()
            if row is None:
                raise NotFoundError(
                    f"there is no token {identifier[:40]!r}",
                    identifier="token-not-found",
                    hint="`breakbulk hub token list` shows them",
                )
            token = _token(row[0])
            if token.revoked is None:
                token = msgspec.structs.replace(token, revoked=now)
            connection.execute(
                "UPDATE tokens SET token = ? WHERE identifier = ?", (msgspec.json.encode(token), identifier)
            )
            connection.execute("DELETE FROM sessions WHERE identifier = ?", (identifier,))
        return token

    def find(self, text: str, now: datetime) -> Token:
        """Return the token with this text.

        Raises:
            HubError: `token-unknown`, `token-expired`, `token-revoked`.

        """
        identifier = identifier_of(text)
        rows = self._database.rows("SELECT digest, token FROM tokens WHERE identifier = ?", (identifier or "",))
        if not rows or not same(rows[0][0], digest_of(text)):
            raise HubError(
                "the hub does not know this token",
                identifier="token-unknown",
                hint="`breakbulk hub login` stores another one; ask whoever keeps the hub",
            )
        token = _token(rows[0][1])
        check_usable(token, now)
        return token

    def begin_session(self, token: Token, now: datetime) -> tuple[str, datetime]:
        """Return the secret of a new sign-in, which ends with its token at the latest, and when it ends."""
        secret = secrets.token_urlsafe(32)
        expires = min(now + SESSION_LIFETIME, token.expires or now + SESSION_LIFETIME)
        with self._database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE expires <= ?", (_stamp(now),))
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?)", (digest_of(secret), token.identifier, _stamp(expires))
            )
        return secret, expires

    def end_session(self, secret: str) -> None:
        """End a sign-in."""
        self._database.rows("DELETE FROM sessions WHERE digest = ?", (digest_of(secret),))

    def session(self, secret: str, now: datetime) -> Token | None:
        """Return the token behind a sign-in; None when it has ended or the token is good no more."""
        rows = self._database.rows(
            "SELECT token FROM sessions JOIN tokens USING (identifier) WHERE sessions.digest = ? AND expires > ?",
            (digest_of(secret), _stamp(now)),
        )
        token = _token(rows[0][0]) if rows else None
        return token if token is not None and token.state(now) == "valid" else None


def _token(data: bytes) -> Token:
    return msgspec.json.decode(data, type=Token)


def _stamp(time: datetime) -> str:
    """Return a time as text whose order is that of times."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}"
