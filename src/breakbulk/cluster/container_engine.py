"""kind and the container engine below it, as programs: found, called, and what they complain about put into our words.

kind speaks to docker or podman, and reports their errors among its own; which of them is meant is decided as kind does
it (`KIND_EXPERIMENTAL_PROVIDER`, else docker, else podman). Counterpart: `kind`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from breakbulk.errors import BreakbulkError, ClusterError, PlatformError
from breakbulk.reporting import Reporter

__all__ = ["Engine", "complaint", "find_engine"]

_PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
_ENGINES = ("docker", "podman")
_SAID_MAX = 1000
_ADDRESS = re.compile(r"(?:[0-9.]+|\[[0-9a-f:]*\]|localhost)?:\d{2,5}\b")

_STEP = "\N{CHECK MARK}"
"""What kind begins the line of a step with that is done."""


@dataclass(frozen=True)
class Engine:
    """A container engine with kind above it.

    Attributes:
        name: `docker` or `podman`.
        program: Of the engine.
        kind: Program of kind.
        environment: Of both.

    """

    name: str
    program: str
    kind: str
    environment: Mapping[str, str]

    def ask_kind(self, *words: str) -> str:
        """Return what kind prints; raise as `complaint`."""
        return self._call(self.kind, *words)

    def ask(self, *words: str, stdin: Path | None = None) -> str:
        """Return what the engine prints, given a file to read; raise as `complaint`."""
        return self._call(self.program, *words, stdin=stdin)

    def tell_kind(self, *words: str, title: str, reporter: Reporter) -> None:
        """Have kind do what takes a while, and report its steps; raise as `complaint`."""
        command = (self.kind, *words)
        task = reporter.begin(title)
        said = []
        try:
            with subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._variables(),
                text=True,
                errors="replace",
            ) as running:
                for line in running.stdout or ():
                    said.append(line)
                    task.advance(int(line.lstrip().startswith(_STEP)))
        finally:
            task.finish()
        if running.returncode:
            raise complaint("".join(said), command)

    def _call(self, *command: str, stdin: Path | None = None) -> str:
        with (stdin or Path("/dev/null")).open("rb") as file:
            done = subprocess.run(
                command,
                stdin=file,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._variables(),
                check=False,
            )
        if done.returncode:
            raise complaint(done.stderr or done.stdout, command)
        return done.stdout

    def _variables(self) -> dict[str, str]:
        return {**self.environment, _PROVIDER: self.name}


def find_engine(environment: Mapping[str, str]) -> Engine:
    """Return kind and an engine that answers.

    Raises:
        PlatformError: `kind-missing`, `engine-missing`, `engine-down`, `engine-forbidden`.

    """
    search = environment.get("PATH", "")
    kind = shutil.which("kind", path=search)
    if kind is None:
        raise PlatformError(
            "the program kind is not there",
            identifier="kind-missing",
            where=f"PATH={search}",
            hint="install kind, or make a native cluster: `breakbulk cluster up --driver native`",
        )
    wanted = environment.get(_PROVIDER)
    names = (wanted,) if wanted else _ENGINES
    found = next(((name, path) for name in names if (path := shutil.which(name, path=search))), None)
    if found is None:
        raise PlatformError(
            f"kind needs a container engine, and there is no {' or '.join(names)}",
            identifier="engine-missing",
            where=f"PATH={search}",
            hint="install one of them, or make a native cluster: `breakbulk cluster up --driver native`",
        )
    engine = Engine(name=found[0], program=found[1], kind=kind, environment=environment)
    engine.ask("ps", "--quiet")
    return engine


def complaint(said: str, command: tuple[str, ...]) -> BreakbulkError:
    """Return the error for what kind or its engine has complained about. Pure.

    It is `engine-forbidden`, `engine-down`, `port-taken`, `engine-full`, `node-image-missing`, or `kind-failed`.
    """
    where, why = " ".join((Path(command[0]).name, *command[1:]))[:300], said.strip()[-_SAID_MAX:] or None
    lowered = said.lower()
    for signs, make in _COMPLAINTS:
        if any(sign in lowered for sign in signs):
            return make(said, where, why)
    return ClusterError(f"{Path(command[0]).name} failed", identifier="kind-failed", where=where, why=why)


def _forbidden(_said: str, where: str, why: str | None) -> BreakbulkError:
    return PlatformError(
        "this user may not use the container engine",
        identifier="engine-forbidden",
        where=where,
        why=why,
        hint="join the group `docker` (and log in again), run it with `sudo`, or take podman",
    )


def _down(_said: str, where: str, why: str | None) -> BreakbulkError:
    return PlatformError(
        "the container engine does not answer",
        identifier="engine-down",
        where=where,
        why=why,
        hint="start it, `sudo systemctl start docker`, or make a native cluster",
    )


def _port_taken(said: str, where: str, why: str | None) -> BreakbulkError:
    address = _ADDRESS.search(said)
    return ClusterError(
        "a port that the cluster needs is taken",
        identifier="port-taken",
        where=address.group() if address else where,
        why=why,
        hint=f"see who has it: `ss -ltnp 'sport = :{address.group().rpartition(':')[2]}'`" if address else None,
    )


def _disk_full(_said: str, where: str, why: str | None) -> BreakbulkError:
    return PlatformError(
        "the container engine has no room left",
        identifier="engine-full",
        where=where,
        why=why,
        hint="make room where it keeps images: `docker system prune`, `podman system prune`",
    )


def _image_missing(_said: str, where: str, why: str | None) -> BreakbulkError:
    return ClusterError(
        "the image of the nodes cannot be had",
        identifier="node-image-missing",
        where=where,
        why=why,
        hint="take another --kubernetes, or leave it out for the version that this kind brings",
    )


_COMPLAINTS = (
    (("permission denied while trying to connect", "dial unix /var/run/docker.sock: connect: permission"), _forbidden),
    (("cannot connect to the docker daemon", "cannot connect to podman", "is the docker daemon running"), _down),
    (("port is already allocated", "address already in use"), _port_taken),
    (("no space left on device",), _disk_full),
    (("failed to pull image", "manifest unknown", "pull access denied"), _image_missing),
)
"""What a complaint says, in lower case, and the error that it is; the first that fits."""
