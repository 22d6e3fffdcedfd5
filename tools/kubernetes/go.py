"""The `go` of this machine: which one it is for a part, and how it is run.

It runs with the user's settings (where modules come from, which caches), except that no other module has a say and C is
used only where a part is said to need it. It verifies every module against go.sum, as always.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from failures import BuildError, explained
from locking import say
from parts import Part, go_release

SECONDS_BETWEEN_REPORTS = 15
ENDING = {signal.SIGTERM, signal.SIGINT}
PACKAGE = re.compile(r"[\w.~-]+(/[\w.~+-]+)*")


@dataclass(frozen=True, kw_only=True)
class Go:
    """What decides about the programs that go makes of one part."""

    release: str
    target: str
    compiler: str


def go_for(part: Part, least: tuple[int, ...]) -> Go:
    """Return the go that builds a part: where go may, it fetches the release that go.mod asks for.

    Raises `BuildError` where there is none, or one below `least`, which is what all parts together need.
    """
    needed = ".".join(str(number) for number in least)
    if not shutil.which("go"):
        raise BuildError(
            "there is no Go to build Kubernetes with",
            why="no `go` is on PATH",
            fix=f"install Go {needed} or newer and put its `bin` on PATH",
        )
    command = ["go", "env", "GOVERSION", "GOOS", "GOARCH", "CC"]
    asked = subprocess.run(
        command, cwd=part.directory, env=environment(part), capture_output=True, text=True, check=False
    )
    release, system, architecture, compiler = (asked.stdout.splitlines() + [""] * 4)[:4]
    if asked.returncode or go_release(release) < part.least_go:
        raise BuildError(
            f"Go is too old for {part.name} {part.version}",
            why=asked.stderr.strip() or f"its go.mod asks for a newer one than {release}, and GOTOOLCHAIN is local",
            fix=f"install Go {needed} or newer, or let go fetch it: GOTOOLCHAIN=auto",
        )
    return Go(release=release, target=f"{system}/{architecture}", compiler=compiler)


def run_go(arguments: Sequence[str], part: Part, what: str, lock: int) -> None:
    """Run go, saying every now and then how far it is; raise `BuildError` with what it said last."""
    process = _start(["go", *arguments], part, lock)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        said = _follow(process.stderr or (), what)
        if process.wait():
            raise explained(part.name, said, f"`go build` in {part.directory} shows more; what is built stays")
    finally:
        _end(process)


def environment(part: Part) -> dict[str, str]:
    """Return the environment in which go builds a part."""
    return {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0" if part.static else "1"}


def _start(command: Sequence[str], part: Part, lock: int) -> subprocess.Popen[str]:
    """Start a command with signals that end this process held back: between its start and `_end` none may come."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    return subprocess.Popen(
        command,
        cwd=part.directory,
        env=environment(part),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # It inherits the lock: should this process be killed, nobody else begins before go has ended as well.
        pass_fds=[lock],
        start_new_session=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING),  # noqa: PLW1509 -- there are no threads
    )


def _follow(lines: Iterable[str], what: str) -> list[str]:
    """Read what `go build -v` says until its end; return what is no progress."""
    said: list[str] = []
    packages = downloads = 0
    started = reported = time.monotonic()
    for line in lines:
        text = line.rstrip()
        if text.startswith("go: downloading "):
            downloads += 1
        elif PACKAGE.fullmatch(text):
            packages += 1
        else:
            said.append(text)
        now = time.monotonic()
        if now - reported >= SECONDS_BETWEEN_REPORTS:
            reported = now
            say(f"{what}: {now - started:.0f} s, {downloads} modules fetched, {packages} packages compiled")
    return said


def _end(process: subprocess.Popen[str]) -> None:
    """End go and what it started; it has ended by itself unless this process is to end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stderr:
        process.stderr.close()
