"""What whoever runs a service decides: each option with its unit, default and reason."""

from __future__ import annotations

from pathlib import Path

import msgspec

from breakbulk.hub.service.limits import Rate

__all__ = ["Options"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of one service.

    Attributes:
        state: Directory of tokens, audit log, catalogue and uploads at work.
        public_read: Whether everybody may read everything.
        public_metrics: Whether `/metrics` needs no token.
        secure_cookies: Whether sign-ins are only sent over TLS; set it behind a proxy that does TLS.
        largest_object_bytes: Of content; a prepared package of CUDA libraries has about 3 GB.
        per_token: Requests of one token; a push or pull of a large environment sends about 1,000 at once.
        per_address: Requests without a token, from one address.
        failures: Wrong tokens from one address: guessing is hopeless, and this keeps it out of the logs.
        poll_s: Seconds after which changes that came another way are noticed.

    """

    state: Path
    public_read: bool = False
    public_metrics: bool = False
    secure_cookies: bool = False
    largest_object_bytes: int = 8 << 30
    per_token: Rate = Rate(per_s=500.0, burst=5000.0)
    per_address: Rate = Rate(per_s=50.0, burst=500.0)
    failures: Rate = Rate(per_s=10 / 60, burst=10.0)
    poll_s: float = 2.0
