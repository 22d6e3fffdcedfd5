"""Seal statements for a hub: have them signed, and go without a signature only where the hub takes that.

It spares a pusher the way to a hub that would refuse, and keeps those who forget to sign from a hub in a directory,
which refuses nothing. Counterparts: `policy`, for what a hub requires; `signing`, for what signs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from breakbulk.hub.objects import Objects
from breakbulk.hub.policy import HubPolicy, read_policy, requires_signatures
from breakbulk.hub.statements import Signature, encode_envelope

__all__ = ["Sealing", "Signer", "nobody"]

Signer = Callable[[bytes], tuple[Signature, ...]]
"""Signs a payload: gives no signature, one, or several."""


def nobody(_payload: bytes) -> tuple[Signature, ...]:
    """Sign nothing."""
    return ()


class Sealing:
    """What seals for one hub, whose policy is read once, and only when something is not signed."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def seal(self, payload: bytes, sign: Signer, about: str) -> bytes:
        """Return the envelope of a statement about `about`; raise `HubError` `hub-requires-signatures`."""
        signatures = sign(payload)
        if not signatures and self._policy.require_signatures:
            raise requires_signatures(f"{about} on {self._objects.url}")
        return encode_envelope(payload, signatures)

    @cached_property
    def _policy(self) -> HubPolicy:
        return read_policy(self._objects)
