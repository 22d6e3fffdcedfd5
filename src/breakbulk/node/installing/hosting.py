"""From the container of a daemon set to the node around it: bring the program along, and install it there.

containerd calls the runtime on the node, where neither Python nor Breakbulk need be. So the container's own file system
is copied to the node, once for each image, and is started there by its own dynamic linker:

    /opt/breakbulk/<version>-<digest>/           a copy of the container's root: /usr, /etc, /opt
    /opt/breakbulk/<version>-<digest>/python     a script that starts its interpreter with its libraries
    /opt/breakbulk/breakbulk                     a script that runs the command line of the current copy
    /opt/breakbulk/runtime                       the program that containerd calls

The digest is of everything that is copied, so that an image that was built anew is not taken for the one before it. A
copy is complete when it has its name: it is made under another one and renamed. The one before stays, as calls that
began with it may not have ended; older ones are removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from breakbulk.errors import PlatformError
from breakbulk.lock.replacing import replace_file
from breakbulk.node.mount_table import mount_points
from breakbulk.store import linux

__all__ = ["COMMAND", "DIRECTORY", "RUNTIME", "Container", "bring_along", "install_on_host", "launcher"]

DIRECTORY = Path("/opt/breakbulk")
"""Of copies, unless one says otherwise."""
COMMAND, RUNTIME = "breakbulk", "runtime"
"""Files in there: the command line, and what containerd calls."""

_COPIED = ("usr", "etc", "opt", "bin", "sbin", "lib", "lib64")
_DIGITS = 12
_MOUNTS = Path("/proc/self/mountinfo")
_LINKERS = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """The container that brings the program.

    Attributes:
        root: Its root file system.
        python: Its interpreter, a file in there.
        node: Mount namespace of the node.

    """

    root: Path = Path("/")
    python: str
    node: Path

    @classmethod
    def around(cls) -> Container:
        """Return the one that this process is in; raise `PlatformError` (`host-not-reachable`)."""
        return cls(python=os.path.realpath(sys.executable), node=_namespace_around())


def install_on_host(
    host: Path,
    place: Sequence[str],
    restart: Sequence[str] = (),
    *,
    directory: Path = DIRECTORY,
    container: Container | None = None,
) -> int:
    """Copy a container's program to the node, run `breakbulk node install` there, and return its exit code.

    Args:
        host: Where the container sees the node's root file system, or as much of it as `directory`.
        place: Arguments that say where things of the node are.
        restart: Arguments that say how containerd is restarted.
        directory: Of copies, as the node sees it.
        container: By default the one around this process.

    Raises:
        PlatformError: `host-not-writable`, `host-not-reachable`.

    """
    container = container or Container.around()
    python = bring_along(container, host, directory)
    command = [str(python), "-m", "breakbulk", "node", "install", "--no-agent", "--python", str(python)]
    status = _run_on_host([*command, *place, *restart], container.node)
    if status == 0:
        _forget_old(host / directory.relative_to("/"), python.parent.name)
    return status


def bring_along(container: Container, host: Path, directory: Path = DIRECTORY) -> Path:
    """Copy a container's root to a node, unless it is there, and return its interpreter as the node sees it.

    Raises:
        PlatformError: `host-not-writable`.

    """
    name = f"{version('breakbulk')}-{_digest(container.root)}"
    python = directory / name / "python"
    target = host / directory.relative_to("/") / name
    try:
        if not target.is_dir():
            _copy(container, target, python.parent)
        command = f'#!/bin/sh\nexec {python} -m breakbulk "$@"\n'
        replace_file(target.with_name(COMMAND), command.encode(), 0o755)
    except (OSError, shutil.Error) as error:
        raise PlatformError(
            "the program cannot be copied to the node",
            identifier="host-not-writable",
            where=str(target),
            why=getattr(error, "strerror", None) or str(error)[:300],
            hint="it takes 300 MB of room, writable; `breakbulk node manifest --directory` chooses another place",
        ) from error
    return python


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


def _namespace_around() -> Path:
    """Return the mount namespace of the nearest ancestor that is in another one: of the shim, so of containerd.

    That one is where containerd calls the runtime. The node's first process may be in yet another one.
    """
    own, process = Path("/proc/self/ns/mnt"), os.getppid()
    try:
        while process:
            namespace = Path(f"/proc/{process}/ns/mnt")
            if not namespace.samefile(own):
                return namespace
            status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
            process = int(status.partition("\nPPid:")[2].split()[0])
    except OSError as error:
        raise _not_reachable(str(error)) from error
    raise _not_reachable("no process around this container is seen")


def _digest(root: Path) -> str:
    """Return what tells the content of one container from that of others; bytecode is the interpreter's own work."""
    digest = hashlib.sha256()
    for path in _files(root):
        status = path.lstat()
        digest.update(os.fsencode(path.relative_to(root)) + f"\0{status.st_mode:o}\0{status.st_size}\0".encode())
        if stat.S_ISREG(status.st_mode):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        elif stat.S_ISLNK(status.st_mode):
            digest.update(os.fsencode(path.readlink()))
    return digest.hexdigest()[:_DIGITS]


def _files(root: Path) -> Iterator[Path]:
    """Yield all that is copied and no directory, always in the same order, without bytecode."""
    left_out = _leaving_out()
    for origin in (root / name for name in _COPIED):
        if origin.is_symlink():
            yield origin
            continue
        for place, directories, files in os.walk(origin):
            unwanted = {*left_out(place, [*directories, *files]), "__pycache__"}
            directories[:] = sorted(set(directories) - unwanted)
            links = [name for name in directories if Path(place, name).is_symlink()]
            yield from (Path(place, name) for name in sorted({*files, *links} - unwanted))


def _leaving_out() -> Callable[[str, list[str]], list[str]]:
    """Return what says which names of a directory are not the image's: what is mounted there, and copies of ours."""
    foreign = mount_points(_MOUNTS.read_bytes()) | {str(DIRECTORY)}
    return lambda directory, names: [name for name in names if os.path.join(directory, name) in foreign]


def _copy(container: Container, target: Path, seen_as: Path) -> None:
    staged = target.with_name(f".{target.name}.staged")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    left_out = _leaving_out()
    for name in _COPIED:
        origin = container.root / name
        if origin.is_symlink():
            (staged / name).symlink_to(origin.readlink())
        elif origin.is_dir():
            shutil.copytree(origin, staged / name, symlinks=True, ignore=left_out)
    script = staged / "python"
    script.write_text(launcher(seen_as, container.python, os.uname().machine), encoding="utf-8")
    script.chmod(0o755)
    os.sync()
    staged.rename(target)


def _forget_old(directory: Path, current: str) -> None:
    """Remove all versions but the current one and the latest other."""
    others = [path for path in directory.iterdir() if path.is_dir() and path.name != current]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-1]:
        shutil.rmtree(path, ignore_errors=True)


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
        raise _not_reachable(str(error)) from error


def _not_reachable(why: str) -> PlatformError:
    return PlatformError(
        "the node around this container cannot be reached",
        identifier="host-not-reachable",
        why=why,
        hint="run the container with `hostPID: true` and `privileged: true`",
    )
