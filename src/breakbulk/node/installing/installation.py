"""Make a machine a node that runs pods without images, find out whether it is one, and make it an ordinary one again.

    directories ─► runtime program ─► containerd's configuration ─► one restart ─► stub image ─► node agent

Guarantees: what containerd would refuse is found out before anything is written; an installation that is done changes
nothing and restarts nothing; one that was interrupted is finished by the next. Pods that run are never disturbed: their
shims have read what they need, and the program that they call is replaced whole, by one that understands the same.
The native clusters install each of their nodes with this code. Counterparts: `registration`, `restarting`, `units`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from pathlib import Path

import msgspec

import breakbulk
from breakbulk.errors import BreakbulkError, PlatformError, UsageError
from breakbulk.lock.replacing import replace_file
from breakbulk.node.installing import systemd
from breakbulk.node.installing.containerd import answering
from breakbulk.node.installing.interpreters import runtime_python
from breakbulk.node.installing.registration import Registration, prepare_registration, prepare_removal
from breakbulk.node.installing.restarting import Restart, is_outdated, restart_containerd
from breakbulk.node.installing.stub_image import import_stub, remove_stub
from breakbulk.node.installing.units import UNIT, AgentService, agent_unit
from breakbulk.node.installing.using import pods_in_use, trees_in_use
from breakbulk.node.place import NodePlace
from breakbulk.reporting import SILENT, Reporter
from breakbulk.store.layout import Layout

__all__ = ["Installed", "Program", "install", "program_text", "uninstall"]

DEADLINE_S = 90.0
"""How long the runtime waits for an environment before kubelet is told to try again; kubelet waits two minutes."""

_RESTART_S = 60.0
_UNITS = Path("/etc/systemd/system")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What runs our code on the node.

    Attributes:
        python: The interpreter.
        source: The directory that holds the package `breakbulk`.

    """

    python: str
    source: str

    @classmethod
    def running(cls) -> Program:
        """Return the one that runs this very code."""
        return cls(python=sys.executable, source=str(Path(breakbulk.__file__).parents[1]))

    @classmethod
    def of_runtime(cls) -> Program:
        """Return the one for the runtime: this very code, by the distribution's interpreter if that can."""
        source = cls.running().source
        return cls(python=runtime_python(source), source=source)


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation or its removal has done.

    Attributes:
        changed: Files and directories that are not as before.
        images: Names of the stub image that are not as before.
        restarted: Whether containerd was restarted.
        restart_pending: Whether it still has to be.

    """

    changed: tuple[str, ...]
    images: tuple[str, ...] = ()
    restarted: bool
    restart_pending: bool


def install(
    place: NodePlace,
    reporter: Reporter = SILENT,
    *,
    program: Program | None = None,
    restart: Restart | None = None,
    service: AgentService | None = None,
    units: Path = _UNITS,
) -> Installed:
    """Install, or upgrade, what a node needs.

    The stub image is brought to a containerd that answers; where that fails, a note says so, as it can come otherwise.

    Args:
        place: Of the node.
        reporter: Watches the steps.
        program: What the runtime is run by; by default `Program.of_runtime`.
        restart: Restarts containerd, where that is needed; None leaves it to the caller (`restart_pending`).
        service: How systemd runs the agent; None where somebody else does.
        units: Where units of systemd are.

    Raises:
        PlatformError: As `prepare_registration`; `runtime-missing`, `node-not-writable`, `containerd-not-back`,
            `restart-failed`.

    """
    task = reporter.begin("installing", total=5)
    try:
        _check_runc(place)
        registration = prepare_registration(place)
        changed = _make_directories(place) + _write_program(place, program or Program.of_runtime())
        task.advance()
        registration.commit()
        changed += [str(change.path) for change in registration.changes]
        task.advance()
        restarted = _restart(place, registration, restart if is_outdated(place) else None)
        task.advance()
        images = _import_stub(place, reporter)
        task.advance()
        changed += _start_agent(place, service, units) if service else []
        return Installed(changed=tuple(changed), images=images, restarted=restarted, restart_pending=is_outdated(place))
    finally:
        task.finish()


def uninstall(
    place: NodePlace,
    reporter: Reporter = SILENT,
    *,
    restart: Restart | None = None,
    force: bool = False,
    purge: bool = False,
    units: Path = _UNITS,
) -> Installed:
    """Make the machine an ordinary node again.

    Args:
        place: Of the node.
        reporter: Watches the steps.
        restart: Restarts containerd, if its configuration was ours; None leaves it to the caller.
        force: Go on while pods run; what they still need to end stays, and a note says so.
        purge: Remove the packages and plans as well.
        units: Where units of systemd are.

    Raises:
        UsageError: `node-in-use`.
        PlatformError: `node-not-writable`, `containerd-config-not-writable`, `containerd-not-back`, `restart-failed`.

    """
    pods = pods_in_use(place)
    if pods and not force:
        raise _in_use(place, pods)
    if purge and (trees := trees_in_use(place)):
        raise _in_use(place, [f"the mount of {name}" for name in trees[:3]])
    task = reporter.begin("uninstalling", total=4)
    try:
        changed = _stop_agent(place, units)
        task.advance()
        registration = prepare_removal(place)
        registration.commit()
        changed += [str(change.path) for change in registration.changes]
        running = bool(registration.changes) and answering(place.containerd_socket) is not None
        restarted = _restart(place, registration, restart if running else None)
        task.advance()
        images = () if pods else _remove_stub(place, reporter)
        task.advance()
        changed += _remove_files(place, reporter, pods=pods, purge=purge)
        pending = running and not restarted
        return Installed(changed=tuple(changed), images=images, restarted=restarted, restart_pending=pending)
    finally:
        task.finish()


def program_text(place: NodePlace, program: Program) -> str:
    """Return the program that containerd calls for our pods."""
    from breakbulk.node.handler import script

    return script(
        program.python,
        program.source,
        runc=str(place.runc),
        state=str(place.state),
        run=str(place.run),
        store=str(place.store),
        deadline_s=DEADLINE_S,
    )


def _check_runc(place: NodePlace) -> None:
    if not os.access(place.runc, os.X_OK):
        raise PlatformError(
            "there is no runc that our runtime could call",
            identifier="runtime-missing",
            where=str(place.runc),
            hint="install runc, or name the program with `--runc`",
        )


def _make_directories(place: NodePlace) -> list[str]:
    """Make what is missing, for root alone: packages may hold setuid programs, and names be confidential.

    What is below the directory of what runs can be reached by its name, as roots of containers are there on a machine
    with native clusters: in a user namespace, root is nobody here.
    """
    private = (place.state, place.store, place.state / "plans", place.run / "pods")
    modes = {place.run: 0o711, **dict.fromkeys(private, 0o700)}
    return [str(path) for path, mode in modes.items() if _make_directory(path, mode)]


def _make_directory(path: Path, mode: int) -> bool:
    try:
        if path.is_dir() and stat.S_IMODE(path.stat().st_mode) == mode:
            return False
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    except OSError as error:
        raise _not_writable(path, error) from error
    return True


def _write_program(place: NodePlace, program: Program) -> list[str]:
    text = program_text(place, program).encode()
    try:
        if place.runtime.is_file() and place.runtime.read_bytes() == text and os.access(place.runtime, os.X_OK):
            return []
        place.runtime.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place.runtime, text, 0o755)
    except OSError as error:
        raise _not_writable(place.runtime, error) from error
    return [str(place.runtime)]


def _restart(place: NodePlace, registration: Registration, restart: Restart | None) -> bool:
    """Restart containerd; one that does not come back gets its former configuration, and another chance."""
    if restart is None:
        return False
    try:
        restart_containerd(place, restart, deadline_s=_RESTART_S)
    except BreakbulkError:
        registration.undo()
        with contextlib.suppress(BreakbulkError):
            restart()
        raise
    return True


def _import_stub(place: NodePlace, reporter: Reporter) -> tuple[str, ...]:
    """Bring the stub to the node, if containerd runs; one that is started later gets it by the next installation."""
    if answering(place.containerd_socket) is None:
        return ()
    try:
        return tuple(import_stub(place))
    except PlatformError as error:
        reporter.note(f"{error.message}: {error.why}; {error.hint}")
        return ()


def _remove_stub(place: NodePlace, reporter: Reporter) -> tuple[str, ...]:
    if answering(place.containerd_socket) is None:
        return ()
    try:
        return tuple(remove_stub(place))
    except PlatformError as error:
        reporter.note(f"the stub image stays: {error.why}")
        return ()


def _start_agent(place: NodePlace, service: AgentService, units: Path) -> list[str]:
    path, text = units / UNIT, agent_unit(place, service).encode()
    try:
        if path.is_file() and path.read_bytes() == text:
            if systemd.active((UNIT,)) is None:
                systemd.enable(UNIT)
            return []
        replace_file(path, text, 0o644)
    except OSError as error:
        raise _not_writable(path, error) from error
    systemd.reload_units()
    systemd.enable(UNIT)
    return [str(path)]


def _stop_agent(place: NodePlace, units: Path) -> list[str]:
    path = units / UNIT
    if not path.is_file():
        return []
    with contextlib.suppress(OSError):
        place.leaving.touch(mode=0o600)  # or labels of the node stay, which say that it takes our pods
    systemd.disable(UNIT)
    path.unlink(missing_ok=True)
    systemd.reload_units()
    return [str(path)]


def _remove_files(place: NodePlace, reporter: Reporter, *, pods: list[str], purge: bool) -> list[str]:
    """Remove what is ours; the runtime stays while pods run, as containerd calls it to end them."""
    gone: list[Path] = []
    if pods:
        reporter.note(f"{place.runtime} stays: {len(pods)} pods still run, and end by it")
    else:
        gone += [place.runtime, place.run]
    if purge:
        gone += [place.state / "plans", *_store_directories(place)]
    changed = []
    for path in gone:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
            else:
                continue
        except OSError as error:
            raise _not_writable(path, error) from error
        changed.append(str(path))
    return changed


def _store_directories(place: NodePlace) -> list[Path]:
    """Return what a store consists of; whatever else may be beside it is not ours."""
    store = Layout(place.store)
    return [
        store.packages,
        store.records,
        store.bundles,
        store.compositions,
        store.archives,
        store.staging,
        store.locks,
        store.roots,
        store.mnt,
    ]


def _in_use(place: NodePlace, users: list[str]) -> UsageError:
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    return UsageError(
        "the node is in use",
        identifier="node-in-use",
        where=place.name,
        why=f"{', '.join(users[:3])}{more}",
        hint=f"`kubectl drain {place.name} --ignore-daemonsets`, or `--force` to leave them what they need",
    )


def _not_writable(path: Path, error: OSError) -> PlatformError:
    return PlatformError(
        "the node cannot be installed",
        identifier="node-not-writable",
        where=str(path),
        why=error.strerror,
        hint="run as root; where a directory is read-only, choose others (`breakbulk node install --help`)",
    )
