"""What happens when containerd starts another process in a container: `kubectl exec`, probes, lifecycle hooks.

containerd describes that process without knowing of the environment. The note that `creating` has left in the bundle
tells variables, directory and groups; what the hook has exported is read from the container's first process. A
container without a note has no environment, and one whose `exec` is to stay outside is left alone.
"""

from __future__ import annotations

import os

from breakbulk.node import json_text
from breakbulk.node.handler import process
from breakbulk.node.handler.bundle import Bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["enter"]

_ENVIRON_MAX = 4 << 20


def enter(place: str, path: str) -> None:
    """Put the process described in the file `path` into the environment of the container whose bundle is `place`."""
    bundle = Bundle(place)
    note = bundle.note()
    if note is None or not note["inside"]:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        made = _inside(json_text.loads(file.read()), note, bundle)
        file.seek(0)
        file.truncate()
        file.write(json_text.dumps(made))


def _inside(wanted: Mapping[str, Any], note: Mapping[str, Any], bundle: Bundle) -> dict[str, Any]:
    given = process.table(wanted.get("env") or ())
    if user := note.get("user"):  # not there for a container that an older handler made
        wanted = process.as_user(wanted, *user)
    made = process.of_user(process.in_directory(wanted, note["directory"]), note["groups"], note["members"])
    made["env"] = process.environ(note["variables"], given, _exported(bundle) if note["hook"] else {})
    return made


def _exported(bundle: Bundle) -> dict[str, str]:
    """Return what the hook has exported; nothing when its container has just ended, which runc then says."""
    from breakbulk.node.handler.hooking import exports

    started_with: Sequence[str] = bundle.read()["process"].get("env") or ()
    try:
        with open(os.path.join(bundle.path, "init.pid"), encoding="ascii") as file:
            first = int(file.read())
        with open(f"/proc/{first}/environ", "rb") as file:
            return exports(started_with, file.read(_ENVIRON_MAX))
    except (OSError, ValueError):
        return {}
