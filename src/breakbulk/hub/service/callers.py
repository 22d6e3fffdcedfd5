"""Who asks: a request's token or sign-in, and what it allows.

A caller without a token may read where the service is public, and nothing else. Sign-ins of the pages read only, so
that no page of another origin can have a browser change anything. Counterparts: `registry`, `policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from breakbulk.errors import HubError
from breakbulk.hub.service.registry import Registry
from breakbulk.hub.service.tokens import Token, Verb

__all__ = ["SESSION_COOKIE", "Caller", "identify"]

SESSION_COOKIE = "breakbulk_session"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever sent a request.

    Attributes:
        address: Where it came from.
        token: None for somebody unknown.
        public: Whether everybody may read.
        browsing: Whether it is the sign-in of a page.

    """

    address: str
    token: Token | None = None
    public: bool = False
    browsing: bool = False

    @property
    def subject(self) -> str:
        """The token's subject, empty for somebody unknown."""
        return self.token.subject if self.token else ""

    @property
    def identity(self) -> str:
        """What its requests are counted by."""
        return f"token {self.token.identifier}" if self.token else f"address {self.address}"

    def permits(self, verb: Verb, owner: str | None = None) -> bool:
        """Say whether the caller may do `verb` to what `owner` has; without an owner, to what belongs to nobody."""
        if verb == "read" and self.public:
            return True
        return self.token is not None and self.token.permits(verb, owner) and (verb == "read" or not self.browsing)

    def check_known(self) -> None:
        """Raise `HubError` `token-missing` for somebody unknown, before anything is said of what they ask for."""
        if self.token is None and not self.public:
            raise self.refusal("read")

    def check(self, verb: Verb, owner: str | None = None) -> None:
        """Raise `HubError` `token-missing` or `token-scope` where the caller may not."""
        if not self.permits(verb, owner):
            raise self.refusal(verb, owner)

    def refusal(self, verb: Verb, owner: str | None = None) -> HubError:
        """Return the error that says which permission is missing."""
        if self.token is None:
            return HubError(
                "the hub wants a token",
                identifier="token-missing",
                hint="`breakbulk hub login` stores one; machines set BREAKBULK_HUB_TOKEN",
            )
        scope = f"{verb!r} for {owner}" if owner else repr(verb)
        return HubError(
            f"the token does not permit {scope}",
            identifier="token-scope",
            where=self.token.identifier,
            why=f"it is for {', '.join(self.token.verbs)} of {', '.join(self.token.owners)}",
            hint="ask whoever keeps the hub for one that does",
        )


def identify(
    registry: Registry,
    headers: Mapping[str, str],
    cookies: Mapping[str, str],
    address: str,
    *,
    public: bool,
    now: datetime,
) -> Caller:
    """Return who sent a request with these headers (lower-case names) and cookies.

    Raises:
        HubError: `token-unknown`, `token-expired`, `token-revoked`; a token that is no good is never taken for none.

    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme:
        token = registry.find(text.strip() if scheme.lower() == "bearer" else "", now)
        return Caller(address=address, token=token, public=public)
    if secret := cookies.get(SESSION_COOKIE):
        return Caller(address=address, token=registry.session(secret, now), public=public, browsing=True)
    return Caller(address=address, public=public)
