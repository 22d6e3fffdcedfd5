r"""What is mounted at a place, from the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) or a part of it.

containerd mounts the file system of a container before it calls the runtime; which directories that overlay has is only
in this table. Paths there have `\ooo` for blanks and backslashes, options also for commas. An overlay tells its lower
layers in one `lowerdir=a:b`, with backslashes of its own, or, since Linux 6.8, in a `lowerdir+=a` each; containerd
makes long lists relative to the directory that holds all snapshots, which is two above the upper directory. Pure.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Overlay", "mount_points", "overlay_at", "overlay_of"]


class Overlay:
    """An overlay that can be written.

    Attributes:
        lowers: Absolute, the first on top; they need not exist by these names (those of user namespaces do not).
        upper: Where changes go.
        work: Overlay's own.

    """

    __slots__ = ("lowers", "upper", "work")

    def __init__(self, lowers: list[str], upper: str, work: str) -> None:
        self.lowers = lowers
        self.upper = upper
        self.work = work

    @property
    def snapshots(self) -> str:
        """The directory that holds this snapshot, and all others of the same snapshotter."""
        return os.path.dirname(os.path.dirname(self.upper))


def overlay_at(table: bytes, path: str) -> Overlay | None:
    """Return the topmost mount at `path`, None when it is no overlay with an upper directory."""
    point = os.fsencode(path)
    for line in reversed(table.split(b"\n")):
        fields = line.split(b" ")
        if len(fields) > 4 and _plain(fields[4]) == point:
            kind, _, options = fields[fields.index(b"-", 5) + 1 :][:3]
            return overlay_of(options) if kind == b"overlay" else None
    return None


def overlay_of(text: bytes) -> Overlay | None:
    """Return the overlay with these options, as the table has them; None when it has no upper directory."""
    options = [each.partition(b"=")[::2] for each in text.split(b",")]
    single = {name.decode(errors="replace"): os.fsdecode(_plain(value)) for name, value in options}
    upper, work = single.get("upperdir", ""), single.get("workdir", "")
    if not (upper.startswith("/") and work.startswith("/")):
        return None
    snapshots = os.path.dirname(os.path.dirname(upper))
    lowers = [os.path.join(snapshots, os.fsdecode(lower)) for lower in _lowers(options)]
    return Overlay(lowers, upper, work)


def mount_points(table: bytes) -> set[str]:
    """Return every place where something is mounted."""
    lines = (line.split(b" ") for line in table.split(b"\n"))
    return {os.fsdecode(_plain(fields[4])) for fields in lines if len(fields) > 4}


def _lowers(options: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for name, value in options:
        if name == b"lowerdir":
            yield from _listed(value)
        elif name == b"lowerdir+":
            yield _plain(value)


def _listed(value: bytes) -> list[bytes]:
    if b"\\" not in value:
        return [each for each in value.split(b":") if each]
    from breakbulk.node.mount_escapes import listed

    return listed(value)


def _plain(escaped: bytes) -> bytes:
    if b"\\" not in escaped:
        return escaped
    from breakbulk.node.mount_escapes import plain

    return plain(escaped)
