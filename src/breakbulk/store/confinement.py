"""The far side of `confined`: a fresh process that builds the private root file system and runs the program in it.

Started as `python -I -S confinement.py DESCRIPTOR`, where the descriptor holds the request as JSON. Three processes:
this one enters the namespaces and waits; its child is process 1 of the process namespace, builds the file system and
reaps; its child in turn is the program. Each is killed when the one above it dies, and process 1 takes the rest along.
A failure before the program runs is told as JSON on the descriptor that the request names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))

from breakbulk.errors import BreakbulkError, NotFoundError, PlatformError
from breakbulk.store import linux, namespaces, rootfs

SCAFFOLD = Path("/sys")
"""Covered by a private tmpfs while the file system is put together; no package and no bind comes from there."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
MERGED = ("bin", "sbin", "lib", "lib64")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_KEPT = {
    linux.CAP_CHOWN,
    linux.CAP_DAC_OVERRIDE,
    linux.CAP_DAC_READ_SEARCH,
    linux.CAP_FOWNER,
    linux.CAP_FSETID,
    linux.CAP_SETGID,
    linux.CAP_SETUID,
    linux.CAP_SETFCAP,
}


def main() -> int:
    """Run what the request says; return the program's status as a shell would."""
    linux.set_parent_death_signal(signal.SIGKILL)
    with open(int(sys.argv[1]), encoding="utf-8") as file:  # noqa: PTH123 - an inherited descriptor
        request = json.load(file)
    os.set_inheritable(request["report"], False)  # noqa: FBT003 - its signature
    if os.getppid() != request["parent"]:
        return 1  # it died before it could have told us
    try:
        namespaces.isolate(user=request["user"], network=request["network"])
        return _waited(_first_process(request))
    except BreakbulkError as error:
        return _tell(request, error)


def _first_process(request: dict[str, Any]) -> int:
    """Fork process 1 of the new namespace; it never returns from here."""
    alive, held = os.pipe()
    child = os.fork()
    if child:
        os.close(alive)
        return child
    os.close(held)
    try:
        linux.set_parent_death_signal(signal.SIGKILL)
        if _closed(alive):
            os._exit(1)
        os._exit(_build_and_run(request))
    except BreakbulkError as error:
        os._exit(_tell(request, error))
    except OSError as error:
        os._exit(_tell(request, _unbuilt(error)))
    except BaseException as error:  # noqa: BLE001 - a forked child must not run its parent's code
        os._exit(_tell(request, PlatformError("the private file system cannot be built", why=repr(error))))
    raise AssertionError


def _closed(descriptor: int) -> bool:
    """Tell whether the writer of a pipe is gone, without waiting for it."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, 1) == b""
    except BlockingIOError:
        return False


def _build_and_run(request: dict[str, Any]) -> int:
    build_root(request)
    program = _start(request)
    while True:
        child, status = os.wait()
        if child == program:
            return os.waitstatus_to_exitcode(status) % 256 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def build_root(request: dict[str, Any]) -> None:
    """Mount the packages with /proc, /dev, /tmp and the binds, and make that the root of this namespace."""
    lowers = [Path(lower) for lower in request["lowers"]]
    binds = [(linux.open_tree(bind["source"], recursive=True), bind) for bind in request["binds"]]
    devices = {name: linux.open_tree(f"/dev/{name}") for name in DEVICES if Path("/dev", name).exists()}
    missing = [name for name in MERGED if not any(os.path.lexists(lower / name) for lower in lowers)]
    linux.mount("tmpfs", SCAFFOLD, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755")
    skeleton, root = SCAFFOLD / "skeleton", SCAFFOLD / "root"
    root.mkdir()
    _make_skeleton(skeleton, missing, request["binds"])
    upper, work = request["upper"], request["work"]
    rootfs.mount_overlay(
        [skeleton, *lowers],
        root,
        upper=upper and Path(upper),
        work=work and Path(work),
        user=request["user"],
        method=request["method"],
    )
    _mount_devices(root / "dev", devices)
    linux.mount("tmpfs", root / "tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=1777")
    _mount_proc(root / "proc")
    for tree, bind in binds:
        if not bind["writable"]:
            linux.mount_setattr(tree, add=linux.MOUNT_ATTR_RDONLY, recursive=True)
        linux.move_mount(tree, root / bind["target"].lstrip("/"))
        os.close(tree)
    _enter(root)


def _make_skeleton(skeleton: Path, merged: list[str], binds: list[dict[str, Any]]) -> None:
    """Make the top layer: mount points, and the merged-/usr links where the packages bring none."""
    for name in ("proc", "dev", "tmp"):
        (skeleton / name).mkdir(parents=True)
    for name in merged:
        (skeleton / name).symlink_to(f"usr/{name}")
    for bind in binds:
        point = skeleton / bind["target"].lstrip("/")
        if Path(bind["source"]).is_dir():
            point.mkdir(parents=True, exist_ok=True)
        else:
            point.parent.mkdir(parents=True, exist_ok=True)
            point.touch()


def _mount_devices(directory: Path, devices: dict[str, int]) -> None:
    linux.mount("tmpfs", directory, "tmpfs", linux.MS_NOSUID | linux.MS_NOEXEC, "mode=755")
    for name, tree in devices.items():
        (directory / name).touch()
        linux.move_mount(tree, directory / name)
        os.close(tree)
    for name, target in _DEVICE_LINKS.items():
        (directory / name).symlink_to(target)
    (directory / "shm").mkdir()
    (directory / "shm").chmod(0o1777)


def _mount_proc(directory: Path) -> None:
    """Mount /proc; a container that hides parts of its own may refuse a fresh one, then its own must do."""
    try:
        linux.mount("proc", directory, "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    except PermissionError:
        linux.mount("/proc", directory, None, linux.MS_BIND | linux.MS_REC)


def _enter(root: Path) -> None:
    """Make `root` the root; the old one is stacked below and let go, see NOTES in pivot_root(2)."""
    os.chdir(root)
    linux.pivot_root(".", ".")
    linux.unmount(".", linux.MNT_DETACH)
    os.chdir("/")


def _start(request: dict[str, Any]) -> int:
    """Start the program with as few rights as work on files needs."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(request["cwd"])
            if not request["user"]:
                for capability in set(range(_last_capability() + 1)) - _KEPT:
                    linux.drop_bounding_capability(capability)
            linux.set_no_new_privileges()
            os.execve(request["argv"][0], request["argv"], request["environment"])  # noqa: S606
        except OSError as error:
            os.write(told, str(error.errno).encode())
        os._exit(127)
    os.close(told)
    failure = os.read(ready, 16)
    if failure:
        raise NotFoundError(
            f"{request['argv'][0]} cannot be executed",
            identifier="program-not-executable",
            why=os.strerror(int(failure)),
            hint="see whether the environment has the package that brings it",
        )
    return child


def _last_capability() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="utf-8"))


def _waited(child: int) -> int:
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status) % 256 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _unbuilt(error: OSError) -> PlatformError:
    return PlatformError(
        "the private file system cannot be built",
        identifier="confinement-failed",
        where=str(error.filename or ""),
        why=error.strerror,
    )


def _tell(request: dict[str, Any], error: BreakbulkError) -> int:
    fields = {"type": type(error).__name__, **error.as_dict()}
    os.write(request["report"], json.dumps(fields).encode())
    return 1


if __name__ == "__main__":
    os._exit(main())
