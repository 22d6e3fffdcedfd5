"""Other views of one machine: a small disk, a file system that cannot be written, an ordinary user, a poor kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fault_world import World

ORDINARY = 65534
SOURCE = Path(__file__).parents[3] / "src"
_UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
_NSENTER = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]


class Disk:
    """A tmpfs at a directory, in a mount namespace of its own; `grow` makes it as large as anybody needs."""

    def __init__(self, holder: int, directory: Path) -> None:
        self.enter = ["nsenter", f"--target={holder}", "--mount", *_NSENTER, "--wd=."]
        self._directory = directory

    def grow(self) -> None:
        """Make room."""
        words = ["mount", "-o", "remount,size=200m", self._directory]
        subprocess.run([*self.enter, *words], check=True)


@contextmanager
def small_disk(world: World, directory: Path, size: str) -> Iterator[Disk]:
    """Let the program see a disk of `size` at `directory`."""
    directory.mkdir(exist_ok=True)
    script = f"mount -t tmpfs -o size={size},mode=755 tmpfs {directory} && echo ready && exec cat"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*_UNSHARE, "sh", "-c", script], text=True, **pipes) as holder:
        assert holder.stdout.readline() == "ready\n"
        disk = Disk(holder.pid, directory)
        world.enter, world.view = disk.enter, Path(f"/proc/{holder.pid}/root")
        try:
            yield disk
        finally:
            world.enter, world.view = (), Path("/")
            holder.stdin.close()


def read_only(directory: Path) -> list[str]:
    """Return the words that enter a view in which a directory cannot be written."""
    script = f'mount --bind {directory} {directory} && mount -o remount,bind,ro {directory} && exec "$@"'
    return [*_UNSHARE, "sh", "-c", script, "sh"]


def become_ordinary(world: World) -> None:
    """Make an ordinary user of whoever calls the program; the machine is theirs."""
    if os.geteuid() == 0:
        for path in (world.root, *world.root.rglob("*")):
            os.chown(path, ORDINARY, ORDINARY, follow_symlinks=False)
        world.enter = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"]
    world.environment["PYTHONPATH"] = os.pathsep.join([str(SOURCE), sysconfig.get_path("purelib")])
    world.program = [_python_for(world), "-m", "breakbulk"]


def _python_for(world: World) -> str:
    """Return an interpreter that the user may execute: that of the tests may be in root's home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        words = [*world.enter, "sh", "-c", f"{python} -c ''"]  # setpriv itself still may go through root's home
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return python
    raise AssertionError("there is no Python that an ordinary user may execute")


def stacked(directory: Path) -> list[str]:
    """Return the words that enter a view in which a directory is an overlay over an overlay: no third one may come."""
    scratch = "/mnt"
    script = f"mount -t tmpfs tmpfs {scratch} && cd {scratch} && mkdir one two && "
    script += "".join(
        f"mkdir {name}/upper {name}/work && mount -t overlay overlay {directory} "
        f"-o lowerdir={directory},upperdir={name}/upper,workdir={name}/work && "
        for name in ("one", "two")
    )
    return [*_UNSHARE, "sh", "-c", f'before=$PWD && {script} cd "$before" && exec "$@"', "sh"]


def without_user_namespaces() -> list[str]:
    """Return the words that enter a view in which nobody may make another user namespace."""
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", script, "sh"]
