"""Who may do what to which object, and what an object must be to be accepted.

Guarantees: content is what its name says; a change is the one that follows the newest, refers to what is there, was
made by whom it says, and is signed where the hub wants that; what is derived from changes is written by the service
alone; nothing that a generation needs can be removed but by a collection. Counterparts: `keys`, `admission`,
`objects_api`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from breakbulk.errors import HubError, IntegrityError, NotFoundError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.records import Blob, Change
from breakbulk.hub.service.admission import CheckSigned, admit_change, admit_publication
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.keys import Key, parse_key, parse_prefix

__all__ = ["LayoutPolicy", "Policy", "Received"]

_RECORD_BYTES = 8 << 20
_READ_BY_COLLECTORS = {"objects", "prepared", "leases"}


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A body that has come in whole: its bytes, or the file they are in; size in bytes and SHA-256."""

    data: bytes | Path
    size: int
    sha256: str

    def content(self) -> bytes:
        """Return the bytes."""
        return self.data.read_bytes() if isinstance(self.data, Path) else self.data


class Policy(Protocol):
    """What a service asks before it does something; every method raises `HubError` and others to refuse."""

    def parse(self, text: str) -> Key:
        """Return the key that `text` is."""

    def check_read(self, caller: Caller, key: Key) -> None:
        """Refuse to show an object."""

    def check_list(self, caller: Caller, prefix: str) -> Callable[[str], bool]:
        """Refuse to list, or return which of the keys found the caller may see."""

    def check_write(self, caller: Caller, key: Key, *, replace: bool) -> int:
        """Refuse to write an object before its bytes are read, or return the most bytes that it may have."""

    def admit(self, caller: Caller, key: Key, received: Received) -> Change | bool:
        """Refuse what came in; return the change that it is, True to write it, False when it counts as there."""

    def check_delete(self, caller: Caller, key: Key) -> None:
        """Refuse to remove an object."""


class LayoutPolicy:
    """The rules for the layout of a hub.

    Args:
        hub: The hub that is served.
        largest_object_bytes: Of content.
        check_signed: Raises where the hub wants a signature that a record does not have.

    """

    def __init__(self, hub: Hub, *, largest_object_bytes: int, check_signed: CheckSigned) -> None:
        self._hub = hub
        self._largest_object_bytes = largest_object_bytes
        self._check_signed = check_signed

    def parse(self, text: str) -> Key:
        """Return the key that `text` is; raise `NotFoundError` `key-unknown`."""
        return parse_key(text)

    def check_read(self, caller: Caller, key: Key) -> None:
        """Let readers read, and a push look at its own lease, whose name nobody else knows."""
        if key.family != "lease":
            caller.check("read", key.owner)
        elif not caller.permits("push"):
            caller.check("collect")

    def check_list(self, caller: Caller, prefix: str) -> Callable[[str], bool]:
        """Let readers list their environments; digests of content are known from changes or not at all."""
        top, owner = parse_prefix(prefix)
        if top in _READ_BY_COLLECTORS:
            caller.check("collect")
            return lambda _key: True
        caller.check("read", owner)
        return lambda key: self._may_see(caller, key)

    def check_write(self, caller: Caller, key: Key, *, replace: bool) -> int:
        """Let nothing be replaced but leases, the marker of a collection and the hub's own document."""
        if replace and key.family not in {"lease", "collecting", "hub"}:
            raise HubError(
                "objects of this kind are never replaced",
                identifier="object-immutable",
                where=key.text,
                hint="send `If-None-Match: *`",
            )
        if key.family == "collecting":
            caller.check("collect")
        elif key.family == "hub" and replace:
            caller.check("admin")
        elif key.family in {"change", "journal", "digest"}:
            if not caller.permits("switch", key.owner):
                caller.check("push", key.owner)
        else:
            caller.check("push", key.owner)
        return self._largest_object_bytes if key.family == "content" else _RECORD_BYTES

    def admit(self, caller: Caller, key: Key, received: Received) -> Change | bool:
        """Accept what is right for its key.

        Raises:
            IntegrityError: `digest-mismatch`, content that is not what its name says.
            HubError, IntegrityError: see `admission`.

        """
        if key.family == "content":
            _compare(key, received)
        elif key.family == "change":
            return admit_change(self._hub, key, received.content(), caller, self._check_signed)
        elif key.family == "package":
            return admit_publication(self._hub, key, received.content(), caller, self._check_signed)
        elif key.family == "prepared":
            self._check_pointer(key, received.content())
        elif key.family in {"journal", "digest", "snapshot"} or (key.family == "hub" and not caller.permits("admin")):
            return False
        return True

    def check_delete(self, caller: Caller, key: Key) -> None:
        """Let collections remove what they may, and a push its own lease, whose name nobody else knows."""
        if key.family == "lease" and caller.permits("push"):
            return
        if key.family == "elsewhere":
            caller.check("push", key.owner)
            return
        if key.family not in {"content", "prepared", "lease", "collecting"}:
            raise HubError("objects of this kind are never removed", identifier="object-immutable", where=key.text)
        caller.check("collect")

    def _may_see(self, caller: Caller, text: str) -> bool:
        try:
            key = parse_key(text)
        except NotFoundError:
            return False
        return caller.permits("read", key.owner)

    def _check_pointer(self, key: Key, data: bytes) -> None:
        try:
            blob = msgspec.json.decode(data, type=Blob)
            present = self._hub.objects.stat(object_key(blob.sha256))
        except (msgspec.MsgspecError, IntegrityError) as error:
            raise _refused(key, str(error)) from error
        if present is None or present.size != blob.size:
            raise _refused(key, "it names an object that is not here")


def _compare(key: Key, received: Received) -> None:
    if received.sha256 != key.digest:
        raise IntegrityError(
            "the bytes that arrived are not those of the object's name",
            where=key.text,
            why=f"{received.size} bytes with SHA-256 {received.sha256}",
            hint="run the command again",
        )


def _refused(key: Key, why: str) -> HubError:
    return HubError("the hub does not accept this object", identifier="object-refused", where=key.text, why=why)
