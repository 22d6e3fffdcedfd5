"""Which layout a hub has: `hub.json`, written with the first change and compared before each.

A program that does not know a hub's layout must not write to it, and must not say that an environment is missing which
it only looks for in the wrong place. What else the file holds is for those who know it, so it is left alone.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from breakbulk.errors import HubError, IntegrityError, NotFoundError
from breakbulk.hub.layout import FORMAT, HUB
from breakbulk.hub.objects import Objects

__all__ = ["check_format", "ensure_format", "write_format"]

_MAX_BYTES = 1 << 20


class _HubFile(msgspec.Struct, frozen=True):
    format: int


def check_format(objects: Objects) -> bool:
    """Say whether a hub has a layout yet; raise `HubError` `hub-newer`, `IntegrityError` `hub-file-damaged`."""
    try:
        data = objects.get(HUB, limit_bytes=_MAX_BYTES)
    except NotFoundError:
        return False
    where = f"{objects.url}/{HUB}"
    try:
        found = msgspec.json.decode(data, type=_HubFile)
    except (msgspec.MsgspecError, ValueError) as error:
        raise IntegrityError(
            "the hub does not say which layout it has",
            identifier="hub-file-damaged",
            where=where,
            why=str(error),
            hint=f'write {{"format":{FORMAT}}} to it if all its pushers have this version of Breakbulk',
        ) from error
    if found.format > FORMAT:
        raise HubError(
            f"the hub has layout {found.format}, this program knows up to {FORMAT}",
            identifier="hub-newer",
            where=where,
            hint="install a newer version of Breakbulk",
        )
    return True


def ensure_format(objects: Objects) -> None:
    """Say in a new hub which layout it has; raises as `check_format`."""
    if not check_format(objects):
        write_format(objects)


def write_format(objects: Objects) -> None:
    """Say in a hub that was found without a layout which one it has."""
    with suppress(HubError):  # a service has its own way to say it, and lets nobody else
        objects.create(HUB, msgspec.json.encode(_HubFile(format=FORMAT)))
