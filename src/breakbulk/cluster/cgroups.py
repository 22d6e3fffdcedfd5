"""Control groups: which hierarchies this machine has, groups of ours in every one of them, and who is in there.

A process that starts in a group stays in it with all of its children, whatever they do; so the groups of a cluster know
every shim and container, and a killed `up` can lose nobody. Kubelet wants its group in every hierarchy: one for each
controller (version 1, cgroups(7)), one for all (version 2), or both kinds side by side.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from breakbulk.errors import ClusterError, PlatformError

__all__ = ["Hierarchies", "Hierarchy", "parse_hierarchies"]

_KILL_TIMEOUT_S = 30.0
_POLL_S = 0.02
_NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "pids")
_PASSED_ON = {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"}
_NEEDED_UNIFIED = ("cpu", "cpuset", "memory", "pids")


@dataclass(frozen=True)
class Hierarchy:
    """One tree of groups: where it is mounted, and its controllers where it is of version 1."""

    mount: Path
    controllers: frozenset[str] = frozenset()
    is_unified: bool = False


class Hierarchies:
    """All trees of groups of this machine.

    Args:
        hierarchies: What `parse_hierarchies` finds in `/proc/self/mountinfo`.

    """

    def __init__(self, hierarchies: Iterable[Hierarchy]) -> None:
        self._all = tuple(hierarchies)

    @classmethod
    def of_machine(cls) -> Hierarchies:
        """Return those that are mounted here.

        Raises:
            PlatformError: `cgroups-unavailable`: kubelet would not find the controllers that it needs.

        """
        found = cls(parse_hierarchies(Path("/proc/self/mountinfo").read_text(encoding="utf-8")))
        missing = found.missing_controllers()
        if missing:
            raise _unavailable(f"no control group has {', '.join(missing)}")
        return found

    @property
    def is_unified(self) -> bool:
        """Whether controllers are those of version 2."""
        return not any(one.controllers for one in self._all)

    def missing_controllers(self) -> list[str]:
        """Return the controllers that kubelet needs and nothing here has."""
        if self.is_unified:
            present = {name for one in self._all for name in _words(one.mount / "cgroup.controllers")}
            return [name for name in _NEEDED_UNIFIED if name not in present]
        present = {name for one in self._all for name in one.controllers}
        return [name for name in _NEEDED if name not in present]

    def ensure(self, group: str) -> None:
        """Make a group, and those above it, in every hierarchy.

        Raises:
            PlatformError: `cgroups-unavailable`: the machine does not let us.

        """
        try:
            for hierarchy in self._all:
                _ensure(hierarchy, group)
        except OSError as error:
            raise _unavailable(f"{error.filename}: {error.strerror}") from error

    def entrances(self, group: str) -> list[Path]:
        """Return the files that a process writes to when it joins a group everywhere."""
        return [one.mount / group / "cgroup.procs" for one in self._all]

    def processes(self, group: str) -> set[int]:
        """Return all processes of a group and of those below, in any hierarchy."""
        return {process for one in self._all for process in _processes(one.mount / group)}

    def members(self, group: str) -> set[int]:
        """Return the processes of a group itself, not of those below."""
        if not self._all:
            return set()
        first = next((one for one in self._all if one.controllers), self._all[0])
        return set(_numbers(first.mount / group / "cgroup.procs"))

    def kill(self, group: str) -> None:
        """Kill everybody in a group and below, until nobody is left.

        Raises:
            ClusterError: `process-stays`: somebody does not end, which only the kernel can cause.

        """
        deadline = time.monotonic() + _KILL_TIMEOUT_S
        while processes := self.processes(group):
            self._kill_each(group, processes)
            if time.monotonic() > deadline:
                raise _stays(group, processes)
            time.sleep(_POLL_S)

    def _kill_each(self, group: str, processes: set[int]) -> None:
        """Kill processes that are still members once nobody else can have got their numbers."""
        with contextlib.ExitStack() as opened:
            descriptors = {}
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    descriptors[process] = os.pidfd_open(process)
                    opened.callback(os.close, descriptors[process])
            for process in self.processes(group) & descriptors.keys():
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptors[process], signal.SIGKILL)

    def exists(self, group: str) -> bool:
        """Say whether any hierarchy has a group."""
        return any((one.mount / group).is_dir() for one in self._all)

    def remove(self, group: str) -> None:
        """Remove a group and those below from every hierarchy; nobody may be in them. Raises `OSError`."""
        for hierarchy in self._all:
            for directory in sorted(_directories(hierarchy.mount / group), reverse=True):
                _until_free(partial(_remove, directory))


def parse_hierarchies(mountinfo: str) -> list[Hierarchy]:
    """Return the hierarchies of a `mountinfo` (proc_pid_mountinfo(5)), each once."""
    found: dict[frozenset[str] | str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, *_, options = after.split()
        if kind not in {"cgroup", "cgroup2"} or before.split()[3] != "/":
            continue
        mount = Path(before.split()[4].encode().decode("unicode_escape"))
        controllers = frozenset(options.split(",")) - {"rw", "ro", "xattr", "clone_children"}
        key = "unified" if kind == "cgroup2" else controllers
        hierarchy = Hierarchy(mount, frozenset() if kind == "cgroup2" else controllers, kind == "cgroup2")
        found.setdefault(key, hierarchy)
    return list(found.values())


def _ensure(hierarchy: Hierarchy, group: str) -> None:
    directory = hierarchy.mount
    for part in group.split("/"):
        if hierarchy.is_unified:
            _pass_controllers_on(directory)
        above, directory = directory, directory / part
        directory.mkdir(exist_ok=True)
        if "cpuset" in hierarchy.controllers:
            _inherit_cpuset(above, directory)


def _pass_controllers_on(directory: Path) -> None:
    """Give the groups below the controllers that kubelet uses; version 2 does not by itself."""
    wanted = _PASSED_ON & set(_words(directory / "cgroup.controllers"))
    wanted -= set(_words(directory / "cgroup.subtree_control"))
    if wanted:
        (directory / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted)))


def _inherit_cpuset(above: Path, directory: Path) -> None:
    """Fill in what is empty in a new group of version 1, which lets no process in until then."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (directory / name).read_text().strip():
            (directory / name).write_text((above / name).read_text().strip())


def _processes(directory: Path) -> Iterator[int]:
    for group in _directories(directory):
        yield from _numbers(group / "cgroup.procs")


def _directories(directory: Path) -> Iterator[Path]:
    return (Path(path) for path, _, _ in os.walk(directory))


def _numbers(path: Path) -> list[int]:
    return [int(word) for word in _words(path)]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:  # the group, or whatever was about to be read, has just gone
        return []


def _remove(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        directory.rmdir()


def _until_free(act: Callable[[], None]) -> None:
    """Do something that the kernel refuses while the last processes of a group are still on their way out."""
    deadline = time.monotonic() + _KILL_TIMEOUT_S
    while True:
        try:
            return act()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def _unavailable(why: str) -> PlatformError:
    return PlatformError(
        "this machine does not let a cluster have control groups",
        identifier="cgroups-unavailable",
        where="/sys/fs/cgroup",
        why=why,
        hint="run as root of the machine, or of a container with its own control groups that may be written",
    )


def _stays(group: str, processes: set[int]) -> ClusterError:
    return ClusterError(
        "processes of the cluster do not end",
        identifier="process-stays",
        where=f"control group {group}, processes {', '.join(map(str, sorted(processes)[:10]))}",
        why=f"they were killed {_KILL_TIMEOUT_S:g} s ago; the kernel waits for something in their name, as for a disk",
        hint="look at `cat /proc/PID/stack`, then run `breakbulk cluster down` again",
    )
