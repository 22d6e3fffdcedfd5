"""From an environment that is realised to the plan by which the runtime handler mounts it.

What it sets and runs is what an image of the same environment would (`images.configuration`), so that a pod behaves
alike with the one and the other. Nothing of whoever realised it gets into a plan: no address, no credentials.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.images.configuration import own_variables
from breakbulk.manifest.schema import ContainerizeConfig
from breakbulk.node.records import MountPlan

if TYPE_CHECKING:
    from breakbulk.hub.records import Change
    from breakbulk.manifest.schema import Manifest

__all__ = ["groups_of", "members_of", "own_trees", "plan_of"]


def plan_of(change: Change, manifest: Manifest, lowers: Sequence[Path]) -> MountPlan:
    """Return the plan of a generation.

    Args:
        change: Which.
        manifest: Composed.
        lowers: Directories of its packages, the top one first.

    """
    variables = own_variables(change.environment, manifest, own_trees(lowers))
    config = manifest.containerize.config or ContainerizeConfig()
    return MountPlan(
        environment=change.environment,
        generation=change.generation,
        digest=change.digest.removeprefix("sha256:"),
        lowers=[str(lower) for lower in lowers],
        path=variables["PATH"],
        variables=variables,
        vars=dict(manifest.vars),
        hook=manifest.hook.on_activate or "",
        command=list(config.cmd or ()),
        working_directory=config.working_dir or "",
        groups=groups_of(lowers),
        members=members_of(lowers),
        user=config.user or "",
    )


def own_trees(lowers: Iterable[Path]) -> list[str]:
    """Return the names below /opt that have programs, sorted."""
    found: set[str] = set()
    for lower in lowers:
        try:
            names = os.listdir(lower / "opt")
        except (FileNotFoundError, NotADirectoryError):
            continue
        found.update(name for name in names if (lower / "opt" / name / "bin").is_dir())
    return sorted(found)


def groups_of(lowers: Sequence[Path]) -> dict[str, int]:
    """Return the group of each user id, as the topmost /etc/passwd has it (passwd(5)); of two entries the first."""
    found: dict[str, int] = {}
    for _, _, user, group, *_ in _entries(lowers, "passwd", fields=7):
        if user.isdecimal() and group.isdecimal():
            found.setdefault(str(int(user)), int(group))
    return found


def members_of(lowers: Sequence[Path]) -> dict[str, list[int]]:
    """Return which other groups a user id is a member of, as the topmost /etc/group has it (group(5))."""
    memberships: dict[str, list[int]] = {}
    for name, _, group, members in _entries(lowers, "group", fields=4):
        for member in members.split(",") if group.isdecimal() else ():
            if member != name:
                memberships.setdefault(member, []).append(int(group))
    names: dict[str, str] = {}
    for name, _, user, *_ in _entries(lowers, "passwd", fields=7):
        if user.isdecimal():
            names.setdefault(str(int(user)), name)
    return {user: memberships[name] for user, name in names.items() if name in memberships}


def _entries(lowers: Sequence[Path], name: str, *, fields: int) -> list[list[str]]:
    """Return the lines of the topmost file of this name below /etc, less those that have not as many fields."""
    for lower in lowers:
        path = lower / "etc" / name
        if path.is_file() and not path.is_symlink():
            text = path.read_text(encoding="utf-8", errors="replace")
            return [line for line in (line.split(":") for line in text.splitlines()) if len(line) == fields]
    return []
