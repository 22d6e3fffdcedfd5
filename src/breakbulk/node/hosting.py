"""From the container of a daemon set to the node around it: bring the program along, and install it there.

containerd calls the runtime on the node, where neither Python nor Breakbulk need be. So the container's own file system
is copied to the node, once per version, and is started there by its own dynamic linker:

    /opt/breakbulk/<version>/             a copy of the container's root: /usr, /etc, /opt
    /opt/breakbulk/<version>/python       a script that starts its interpreter with its libraries
    /opt/breakbulk/runtime                the program that containerd calls

A copy is complete when it has its name: it is made under another one and renamed. The version before stays, as calls
that began with it may not have ended; older ones are removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from breakbulk.errors import PlatformError
from breakbulk.store import linux

__all__ = ["DIRECTORY", "RUNTIME", "Container", "bring_along", "install_on_host", "launcher"]

DIRECTORY = Path("/opt/breakbulk")
RUNTIME = DIRECTORY / "runtime"

_COPIED = ("usr", "etc", "opt", "bin", "sbin", "lib", "lib64")
_LINKERS = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """The container that brings the program.

    Attributes:
        root: Its root file system.
        python: Its interpreter, a file in there.
        node: Mount namespace of the node: that of its first process, in a container that sees the node's processes.

    """

    root: Path = Path("/")
    python: str
    node: Path = Path("/proc/1/ns/mnt")

    @classmethod
    def around(cls) -> Container:
        """Return the one that this process is in."""
        return cls(python=os.path.realpath(sys.executable))


def install_on_host(host: Path, arguments: Sequence[str], container: Container | None = None) -> int:
    """Copy a container's program to the node, run `breakbulk node install` there, and return its exit code.

    Args:
        host: Where the container sees the node's root file system.
        arguments: Further ones of the command.
        container: By default the one around this process.

    Raises:
        PlatformError: `host-not-writable`, `host-not-reachable`.

    """
    container = container or Container.around()
    python = bring_along(container, host)
    command = [str(python), "-m", "breakbulk", "node", "install", "--no-agent", "--python", str(python), *arguments]
    status = _run_on_host(command, container.node)
    if status == 0:
        _forget_old(host / DIRECTORY.relative_to("/"), python.parent.name)
    return status


def bring_along(container: Container, host: Path) -> Path:
    """Copy a container's root to a node, unless it is there, and return its interpreter as the node sees it.

    Raises:
        PlatformError: `host-not-writable`.

    """
    name = f"{version('breakbulk')}-{sysconfig.get_python_version()}"
    target = host / DIRECTORY.relative_to("/") / name
    try:
        if not target.is_dir():
            _copy(container, target)
    except (OSError, shutil.Error) as error:
        raise PlatformError(
            "the program cannot be copied to the node",
            identifier="host-not-writable",
            where=str(target),
            why=getattr(error, "strerror", None) or str(error)[:300],
            hint="give the container the node's root file system, writable, with 300 MB of room below /opt",
        ) from error
    return DIRECTORY / name / "python"


def launcher(directory: Path, python: str, machine: str) -> str:
    """Return the script that starts an interpreter with the libraries beside it, whatever the node's own are.

    Args:
        directory: Of the copy, as the node sees it.
        python: The interpreter in it, as the container sees it.
        machine: As `uname -m`.

    """
    multiarch = f"{machine}-linux-gnu"
    places = (f"usr/lib/{multiarch}", f"lib/{multiarch}", "usr/local/lib", "usr/lib64", "usr/lib")
    libraries = ":".join(f"{directory}/{place}" for place in places)
    linker = f"{directory}/{_LINKERS.get(machine, _LINKERS['x86_64'])}"
    program = f"{directory}{python}"
    return f'#!/bin/sh\nexec {linker} --library-path {libraries} --argv0 {program} {program} "$@"\n'


def _copy(container: Container, target: Path) -> None:
    staged = target.with_name(f".{target.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for name in _COPIED:
        origin = container.root / name
        if origin.is_symlink():
            (staged / name).symlink_to(origin.readlink())
        elif origin.is_dir():
            shutil.copytree(origin, staged / name, symlinks=True, ignore=_without_copies)
    script = staged / "python"
    script.write_text(launcher(DIRECTORY / target.name, container.python, os.uname().machine), encoding="utf-8")
    script.chmod(0o755)
    os.sync()
    staged.rename(target)


def _forget_old(directory: Path, current: str) -> None:
    """Remove all versions but the current one and the latest other."""
    others = [path for path in directory.iterdir() if path.is_dir() and path.name != current]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-1]:
        shutil.rmtree(path, ignore_errors=True)


def _without_copies(directory: str, names: list[str]) -> list[str]:
    """Leave out what a node of this very kind would have: our own copies."""
    return [name for name in names if Path(directory, name) == DIRECTORY]


def _run_on_host(command: Sequence[str], node: Path) -> int:
    """Run a command in the node's mount namespace."""
    try:
        mounts = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return subprocess.run(
                command,
                check=False,
                preexec_fn=lambda: linux.setns(mounts, linux.CLONE_NEWNS),
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            ).returncode
        finally:
            os.close(mounts)
    except (OSError, subprocess.SubprocessError) as error:
        raise PlatformError(
            "the node around this container cannot be reached",
            identifier="host-not-reachable",
            where=str(node),
            why=str(error),
            hint="run the container with `hostPID: true` and `privileged: true`",
        ) from error
