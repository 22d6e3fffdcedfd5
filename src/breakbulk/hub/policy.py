"""What a hub requires of those who change it: kept in `hub.json`, written by whoever keeps the hub.

Clients respect it before they record anything, and the service enforces it. It protects those who push from
forgetting to sign; a machine that runs environments decides by its own configuration, as a hub that is not to be
trusted can say what it likes. Counterparts: `format`, for what else the file says; `Hub.commit`; `trust`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from breakbulk.errors import HubError, IntegrityError, NotFoundError
from breakbulk.hub.format import ensure_format
from breakbulk.hub.layout import HUB
from breakbulk.hub.objects import Objects

__all__ = ["HubPolicy", "read_policy", "requires_signatures", "write_policy"]

_MAX_BYTES = 1 << 20


class HubPolicy(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Whether every change has to be signed."""

    require_signatures: bool = False


def read_policy(objects: Objects) -> HubPolicy:
    """Return what a hub requires, nothing where it says nothing; raise `IntegrityError` `hub-file-damaged`."""
    try:
        return msgspec.convert(_read(objects), HubPolicy)
    except NotFoundError:
        return HubPolicy()
    except msgspec.MsgspecError as error:
        raise _damaged(objects, str(error)) from error


def write_policy(objects: Objects, policy: HubPolicy) -> None:
    """Have a hub require this; what else its file says stays. Raises as `ensure_format` and the backend."""
    ensure_format(objects)
    document = _read(objects) | msgspec.to_builtins(policy)
    objects.replace(HUB, msgspec.json.encode(document))
    objects.settle()


def requires_signatures(where: str) -> HubError:
    """Return the error for what has no signature on a hub that wants one."""
    return HubError(
        "this hub takes nothing that is not signed",
        identifier="hub-requires-signatures",
        where=where,
        hint="`breakbulk key new NAME` makes a key, and what you do from then on is signed; with several keys, "
        "--sign NAME or `signing-key` in config.toml chooses one",
    )


def _read(objects: Objects) -> dict[str, Any]:
    data = objects.get(HUB, limit_bytes=_MAX_BYTES)
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError) as error:
        raise _damaged(objects, str(error)) from error


def _damaged(objects: Objects, why: str) -> IntegrityError:
    return IntegrityError(
        "what the hub requires cannot be read",
        identifier="hub-file-damaged",
        where=f"{objects.url}/{HUB}",
        why=why,
        hint="whoever keeps the hub has to write the file anew; `breakbulk hub policy` writes what it requires",
    )
