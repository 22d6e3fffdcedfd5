"""Run one program in a private root file system made of package directories: ldconfig, python, a package's own tools.

Guarantees: the program sees the packages, /proc, a minimal /dev, an empty /tmp and the binds, and nothing else of this
machine; it changes nothing but `upper` and writable binds; it and all its descendants end with the caller, and nothing
is left. Works as root and as an ordinary user, and from a process with threads: no Python code runs between fork and
exec, as the far side, `confinement`, is a program of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from breakbulk import errors
from breakbulk.errors import BreakbulkError, PlatformError
from breakbulk.store import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from breakbulk.store.rootfs import Method

__all__ = ["Bind", "Completed", "Confined", "open_confined", "run_confined"]

_FAR_SIDE = Path(__file__).with_name("confinement.py")


class Bind(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory of this machine that the program sees at `target`, absolute and without symbolic links."""

    source: Path
    target: str
    writable: bool = False


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended: its status as a shell gives it (128 + signal), and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


class Confined:
    """A program that runs; `process` has its pipes and its status."""

    def __init__(self, process: subprocess.Popen[bytes], report: int) -> None:
        self.process = process
        self._report = report

    def check(self) -> None:
        """Wait for the end; raise what kept the program from starting, if anything did."""
        self.process.wait()
        told = b"".join(iter(lambda: os.read(self._report, 65536), b""))
        if told:
            raise _rebuilt(json.loads(told))


def run_confined(
    lowers: Sequence[Path],
    argv: Sequence[str],
    *,
    binds: Sequence[Bind] = (),
    upper: Path | None = None,
    environment: Mapping[str, str],
    network: bool = False,
    cwd: str = "/",
    stdin: bytes = b"",
    timeout_s: float = 600.0,
) -> Completed:
    """Run `argv` to its end and return its status and output.

    Args:
        lowers: Directories of packages, the first on top.
        argv: The program by absolute path in the new root, and its arguments.
        binds: What else it sees of this machine.
        upper: Where its changes to the file system go; without it the root is read-only.
        environment: All of the program's environment.
        network: Whether it has this machine's network.
        cwd: Its directory in the new root.
        stdin: What it reads.
        timeout_s: After this many seconds it is killed.

    Raises:
        PlatformError: `overlay-unavailable`, `user-namespaces-unavailable`, `namespaces-unavailable`,
            `confinement-failed`, `program-timeout`.
        NotFoundError: `program-not-executable`.

    """
    with open_confined(
        lowers, argv, binds=binds, upper=upper, environment=environment, network=network, cwd=cwd
    ) as confined:
        try:
            stdout, stderr = confined.process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise PlatformError(
                f"{argv[0]} did not end within {timeout_s:g} s", identifier="program-timeout", where=" ".join(argv)
            ) from error
        confined.check()
        return Completed(status=confined.process.returncode, stdout=stdout, stderr=stderr)


@contextmanager
def open_confined(
    lowers: Sequence[Path],
    argv: Sequence[str],
    *,
    binds: Sequence[Bind] = (),
    upper: Path | None = None,
    environment: Mapping[str, str],
    network: bool = False,
    cwd: str = "/",
    method: Method | None = None,
) -> Iterator[Confined]:
    """Start `argv` with pipes on its three streams; on leaving it is killed if it still runs.

    The thread that enters must live until the program has ended: the program dies with it. See `run_confined`.
    """
    work = upper and upper.with_name(f"{upper.name}.work")
    with ExitStack() as held:
        if work:
            held.callback(_remove_work, work)
            work.mkdir(exist_ok=True)
        report, told = os.pipe()
        held.callback(os.close, report)
        request = {
            "parent": os.getpid(),
            "report": told,
            "user": namespaces.needs_user_namespace(),
            "lowers": [os.fspath(lower) for lower in lowers],
            "upper": upper and os.fspath(upper),
            "work": work and os.fspath(work),
            "binds": [{"source": str(b.source), "target": b.target, "writable": b.writable} for b in binds],
            "argv": list(argv),
            "environment": dict(environment),
            "network": network,
            "cwd": cwd,
            "method": method,
        }
        process = held.enter_context(_far_side(request, told))
        yield Confined(process, report)


@contextmanager
def _far_side(request: dict[str, Any], told: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start `confinement` with its request in a memory file; a session of its own keeps the terminal's signals off."""
    descriptor = os.memfd_create("request")
    try:
        with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file:
            json.dump(request, file)
        os.lseek(descriptor, 0, os.SEEK_SET)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_FAR_SIDE), str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(descriptor, told),
            env={},
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
        os.close(told)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _remove_work(work: Path) -> None:
    """Remove overlay's work directory, whose inner directory the kernel makes with mode 0."""
    if (work / "work").is_dir():
        (work / "work").chmod(0o700)
    shutil.rmtree(work)


def _rebuilt(fields: dict[str, Any]) -> BreakbulkError:
    kind: type[BreakbulkError] = getattr(errors, fields["type"])
    return kind(
        fields["what"],
        identifier=fields["error"],
        where=fields.get("where"),
        why=fields.get("why"),
        hint=fields.get("hint"),
    )
