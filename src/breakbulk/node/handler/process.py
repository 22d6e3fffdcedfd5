"""What a container with an environment runs, from what containerd wants to run and the plan of the environment. Pure.

As with an image whose configuration has the environment's variables, working directory, command and users: what the
pod says comes on top. containerd has filled in what an image without any would have, and that gives way: its PATH, the
directory `/`, the group 0.
"""

from __future__ import annotations

from breakbulk.errors import ManifestError
from breakbulk.images.stub import DEFAULT_COMMAND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from breakbulk.node.records import MountPlan

__all__ = ["arguments", "as_user", "defaults", "environ", "in_directory", "of_user", "table"]

_CONTAINERD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TO_EXPAND = ("$", "\\", "`")


def defaults(plan: MountPlan, given: Mapping[str, str], home: str) -> dict[str, str]:
    """Return the variables of the environment: what every one sets, and `vars` over it.

    Args:
        plan: Of the environment.
        given: Variables of the pod; `vars` may refer to them.
        home: What HOME is where nobody sets it.

    Raises:
        ManifestError: Values that cannot be expanded, as `manifest.variables.expand`.

    """
    fixed = {"PATH": plan.path, **plan.variables}
    if not any(mark in value for value in plan.vars.values() for mark in _TO_EXPAND):
        return {**fixed, **plan.vars}
    from breakbulk.manifest.variables import expand

    try:
        return {**fixed, **expand(plan.vars, {"HOME": home, **fixed, **given})}
    except ManifestError as error:
        error.where = error.where or f"vars of {plan.environment}:{plan.generation}"
        raise


def table(entries: Iterable[str]) -> dict[str, str]:
    """Return the variables of `NAME=value` entries, the last of each name, less the PATH that containerd sets."""
    found = dict(entry.partition("=")[::2] for entry in entries)
    if found.get("PATH") == _CONTAINERD_PATH:
        del found["PATH"]
    return found


def environ(*layers: Mapping[str, str]) -> list[str]:
    """Return `NAME=value` entries of several tables, the later over the earlier."""
    merged: dict[str, str] = {}
    for layer in layers:
        merged.update(layer)
    return [f"{name}={value}" for name, value in merged.items()]


def arguments(plan: MountPlan, given: Sequence[str]) -> list[str]:
    """Return program and arguments; raise `ManifestError` `command-missing` when neither pod nor plan has any."""
    if list(given) != [DEFAULT_COMMAND]:
        return list(given)
    if not plan.command:
        raise ManifestError(
            "neither the pod nor its environment says what to run",
            identifier="command-missing",
            where=f"{plan.environment}:{plan.generation}",
            hint="set `command` in the pod's container, or `containerize.config.cmd` in the manifest and push again",
        )
    return list(plan.command)


def in_directory(process: Mapping[str, Any], directory: str) -> dict[str, Any]:
    """Return the process with the environment's working directory, where the pod has none."""
    return {**process, "cwd": directory} if directory and process.get("cwd", "/") == "/" else dict(process)


def as_user(process: Mapping[str, Any], user: int, group: int | None) -> dict[str, Any]:
    """Return the process as one of the environment's user; of a group, unless that is None and left to `of_user`.

    containerd has put root there, group 0 and that as first of the additional groups, as the pod says nothing.
    """
    changed = {**(process.get("user") or {}), "uid": user}
    if group is not None:
        changed |= {"gid": group, "additionalGids": [group, *(changed.get("additionalGids") or ())[1:]]}
    return {**process, "user": changed}


def of_user(
    process: Mapping[str, Any], groups: Mapping[str, int], members: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Return the process with the groups of its user.

    containerd looks into the image, where nobody is, and so puts 0 as group and as first of the additional groups.

    Args:
        process: As containerd wants it.
        groups: The group of a user id, where the pod has none: /etc/passwd of the environment.
        members: Groups that a user id is a member of as well: its /etc/group.

    """
    user = dict(process.get("user") or {})
    number = str(user.get("uid", 0))
    additional = list(user.get("additionalGids") or ())
    group = groups.get(number, 0)
    if group and user.get("gid", 0) == 0:
        user["gid"] = group
        if additional[:1] == [0]:
            additional[0] = group
    additional += [each for each in members.get(number, ()) if each not in additional]
    return {**process, "user": {**user, **({"additionalGids": additional} if additional else {})}}
