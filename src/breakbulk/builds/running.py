"""Run one command of a build in the packages' root file system, and pass on what it writes while it does.

Everything it starts ends with it and with us (`store.confined`). Output is one stream, as it would be on a terminal; it
goes to the log as it is, and to whoever listens line by line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from breakbulk.builds.workplace import SOURCE, Workplace
from breakbulk.environment.visibility import CA_BUNDLE
from breakbulk.errors import NotFoundError
from breakbulk.store.confined import Bind, open_confined

__all__ = ["Access", "Ended", "access", "output_of", "run_recipe"]

_TAIL_LINES = 20
_SHELL = "/bin/bash"
_ONE_STREAM = 'exec 2>&1 </dev/null; exec /bin/bash -e "$0"'
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", CA_BUNDLE)
"""What reaching the network takes; the certificates are this machine's, as a proxy may have some of its own."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a build may reach beyond its packages: the network, and files and directories of this machine, to read."""

    network: bool = False
    paths: tuple[str, ...] = ()

    def binds(self) -> list[Bind]:
        """Return what is shown; raise `NotFoundError` `sandbox-allow-missing` for a path that is not there."""
        for path in self.paths:
            if not Path(path).exists():
                raise NotFoundError(
                    "a build may read a path that is not on this machine",
                    identifier="sandbox-allow-missing",
                    where=f"sandbox-allow: {path}",
                    hint="make it, or take it out of sandbox-allow",
                )
        files = [path for path in _NETWORK_FILES if self.network and Path(path).exists()]
        return [Bind(source=Path(path), target=path) for path in (*files, *self.paths)]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended: its status as a shell gives it, and the last lines it wrote."""

    status: int
    tail: tuple[str, ...]


def access(sandbox: str | None, allowed: Sequence[str]) -> Access:
    """Return what `sandbox` and `sandbox-allow` of a recipe mean."""
    network = sandbox in {"off", "warn"} or "network" in allowed
    return Access(network=network, paths=tuple(path for path in allowed if path != "network"))


def run_recipe(
    place: Workplace,
    lowers: Sequence[Path],
    *,
    environment: Mapping[str, str],
    access: Access,
    listen: Callable[[str], None],
) -> Ended:
    """Run `/build/recipe` with `bash -e`; see `store.confined` for what it raises."""
    argv = [_SHELL, "-c", _ONE_STREAM, "/build/recipe"]
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with (
        place.log.open("ab") as log,
        open_confined(
            lowers,
            argv,
            binds=[place.bind, *access.binds()],
            upper=place.upper,
            environment=environment,
            network=access.network,
            cwd=SOURCE,
        ) as confined,
    ):
        stdin, stdout = confined.process.stdin, confined.process.stdout
        assert stdin is not None  # noqa: S101 - it was opened with pipes
        assert stdout is not None  # noqa: S101
        stdin.close()
        for data in iter(stdout.readline, b""):
            log.write(data)
            line = data.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
            tail.append(line)
            listen(line)
        confined.check()
        return Ended(status=confined.process.returncode, tail=tuple(tail))


def output_of(
    command: str, place: Workplace, lowers: Sequence[Path], *, environment: Mapping[str, str], access: Access
) -> tuple[int, str]:
    """Return status and standard output of a short command in the same place (`version = { command = ... }`)."""
    from breakbulk.store.confined import run_confined

    done = run_confined(
        lowers,
        [_SHELL, "-e", "-c", command],
        binds=[place.bind, *access.binds()],
        upper=place.upper,
        environment=environment,
        network=access.network,
        cwd=SOURCE,
    )
    return done.status, done.stdout.decode("utf-8", "replace")
