"""A node is installed, upgraded and made ordinary again, with a containerd that runs."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from running_containerd import RunningContainerd

from breakbulk.errors import PlatformError, UsageError
from breakbulk.images.stub import STUB_NAMES
from breakbulk.node.examining.status import node_status
from breakbulk.node.installing.containerd import answering
from breakbulk.node.installing.installation import Program, install, uninstall
from breakbulk.node.installing.registration import written_files
from breakbulk.node.installing.restarting import is_outdated
from breakbulk.node.installing.stub_image import missing_stubs
from breakbulk.node.place import NodePlace
from breakbulk.node.records import PodRecord
from breakbulk.reporting import SILENT, Task, Unit

pytestmark = pytest.mark.cluster


class Notes:
    """A reporter that keeps what is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, title: str, *, total: int | None = None, unit: Unit = "steps") -> Task:
        return SILENT.begin(title, total=total, unit=unit)

    def note(self, message: str) -> None:
        self.notes.append(message)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def tree(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def start_pod(place: NodePlace, name: str = "web") -> None:
    PodRecord(uid=f"uid-{name}", namespace="shop", name=name, digests={}).write(str(place.run))


def test_a_node_is_installed_before_its_containerd_is_started(place: NodePlace, running: RunningContainerd) -> None:
    done = install(place)
    assert not done.restarted
    assert not done.restart_pending
    running.start()
    assert node_status(place).runtimes == ("breakbulk", "flox")
    assert not is_outdated(place)


def test_what_is_written_is_roots_and_the_program_can_be_called(place: NodePlace, running: RunningContainerd) -> None:
    install(place)
    assert {mode(path) for path in (place.state, place.state / "plans", place.run / "pods")} == {0o700}
    assert mode(place.run) == 0o711
    assert mode(place.runtime) == 0o755
    told = subprocess.run([place.runtime, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("runc version")


def test_one_restart_and_no_more(place: NodePlace, running: RunningContainerd) -> None:
    running.start()
    first = install(place, restart=running.restart)
    assert (first.restarted, first.restart_pending, running.restarts) == (True, False, 1)
    again = install(place, restart=running.restart)
    assert again == msgspec.structs.replace(again, changed=(), restarted=False, restart_pending=False)
    assert running.restarts == 1


def test_the_stub_image_comes_and_goes_with_it(place: NodePlace, running: RunningContainerd) -> None:
    running.start()
    assert install(place).images == STUB_NAMES
    assert missing_stubs(place) == []
    assert install(place).images == ()
    assert uninstall(place, restart=running.restart).images == STUB_NAMES
    assert missing_stubs(place) == list(STUB_NAMES)


def test_without_a_way_to_bring_the_stub_image_the_rest_is_done(
    place: NodePlace, running: RunningContainerd, tmp_path: Path
) -> None:
    running.start()
    alone = tmp_path / "alone" / "containerd"
    alone.parent.mkdir()
    alone.symlink_to(place.containerd)
    notes = Notes()
    done = install(msgspec.structs.replace(place, containerd=alone), notes, restart=running.restart)
    assert (done.images, done.restarted) == ((), True)
    assert "breakbulk node stub --output" in notes.notes[0]


def test_a_restart_that_was_put_off_is_known_until_it_happens(place: NodePlace, running: RunningContainerd) -> None:
    running.start()
    assert install(place).restart_pending
    assert node_status(place).restart_pending
    done = install(place, restart=running.restart)
    assert (done.changed, done.restarted, done.restart_pending) == ((), True, False)


def test_an_upgrade_replaces_the_program_and_restarts_nothing(place: NodePlace, running: RunningContainerd) -> None:
    running.start()
    install(place, restart=running.restart)
    newer = Program(python=sys.executable, source="/opt/breakbulk-2/lib")
    done = install(place, program=newer, restart=running.restart)
    assert (done.changed, running.restarts) == ((str(place.runtime),), 1)
    assert "/opt/breakbulk-2/lib" in place.runtime.read_text()


def test_a_containerd_that_does_not_come_back_gets_its_configuration_back(
    place: NodePlace, running: RunningContainerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakbulk.node.installing.installation._RESTART_S", 1.0)
    running.start()
    original = place.containerd_config.read_bytes()
    attempts = []

    def broken() -> None:
        attempts.append(place.containerd_config.read_bytes())
        running.stop()

    with pytest.raises(PlatformError) as raised:
        install(place, restart=broken)
    assert raised.value.reference == "containerd-not-back"
    assert place.containerd_config.read_bytes() == original
    assert attempts[0] != original == attempts[1]


def test_everything_is_as_before_after_an_uninstallation(
    place: NodePlace, running: RunningContainerd, tmp_path: Path
) -> None:
    running.start()
    configuration = tree(place.containerd_config.parent)
    install(place, restart=running.restart)
    done = uninstall(place, restart=running.restart)
    assert (done.restarted, done.restart_pending, running.restarts) == (True, False, 2)
    assert tree(place.containerd_config.parent) == configuration
    assert not place.runtime.exists()
    assert not place.run.exists()
    assert place.store.is_dir()
    assert not uninstall(place, restart=running.restart).changed
    assert running.restarts == 2


def test_a_node_in_use_is_not_uninstalled(place: NodePlace, running: RunningContainerd) -> None:
    install(place)
    start_pod(place)
    with pytest.raises(UsageError) as raised:
        uninstall(place)
    assert raised.value.reference == "node-in-use"
    assert "shop/web" in str(raised.value)
    assert written_files(place)


def test_by_force_pods_keep_what_they_need_to_end(place: NodePlace, running: RunningContainerd) -> None:
    install(place)
    start_pod(place)
    uninstall(place, force=True)
    assert not written_files(place)
    assert os.access(place.runtime, os.X_OK)
    assert node_status(place).pods == ("shop/web",)


def test_packages_go_only_when_they_are_to(place: NodePlace, running: RunningContainerd) -> None:
    install(place)
    tree_of_a_package = place.store / "packages" / "0123-jq-1.7"
    tree_of_a_package.mkdir(parents=True)
    somebody_elses = place.store / "notes.txt"
    somebody_elses.write_text("mine")
    uninstall(place)
    assert tree_of_a_package.is_dir()
    install(place)
    uninstall(place, purge=True)
    assert not (place.store / "packages").exists()
    assert somebody_elses.exists()


def test_packages_that_are_mounted_are_not_purged(place: NodePlace, running: RunningContainerd) -> None:
    install(place)
    package = place.store / "packages" / "0123-mounted-1.0"
    package.mkdir(parents=True)
    shell = f"mount --bind '{package}' '{package}' && echo mounted && exec cat"
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n"
        with pytest.raises(UsageError, match="0123-mounted"):
            uninstall(place, purge=True)
    finally:
        holder.communicate()
    uninstall(place, purge=True)
    assert not package.exists()


def test_nothing_is_written_when_containerd_would_refuse(place: NodePlace, tmp_path: Path) -> None:
    place.containerd_config.parent.mkdir(parents=True)
    place.containerd_config.write_text("version = 2\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(PlatformError):
        install(place)
    assert set(tmp_path.rglob("*")) == before


def test_a_runc_that_is_missing_is_named_first(place: NodePlace) -> None:
    with pytest.raises(PlatformError) as raised:
        install(msgspec.structs.replace(place, runc=Path("/nowhere/runc")))
    assert raised.value.reference == "runtime-missing"


def test_an_installation_that_was_killed_is_finished_by_the_next(place: NodePlace, running: RunningContainerd) -> None:
    running.start()
    code = (
        "import os, signal, sys, msgspec\n"
        "from breakbulk.node.installing import installation\n"
        "from breakbulk.node.place import NodePlace\n"
        "place = msgspec.json.decode(sys.argv[1], type=NodePlace, dec_hook=lambda kind, text: kind(text))\n"
        "installation.install(place, restart=lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    text = json.dumps({name: str(getattr(place, name)) for name in place.__struct_fields__})
    killed = subprocess.run([sys.executable, "-c", code, text], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert node_status(place).restart_pending
    assert install(place, restart=running.restart).restarted
    assert node_status(place).runtimes == ("breakbulk", "flox")


def test_the_status_of_a_node_that_was_never_installed(place: NodePlace) -> None:
    status = node_status(place)
    assert not status.is_ready
    assert (status.runtimes, status.pods, status.environments) == ((), (), 0)
    assert answering(place.containerd_socket) is None


def test_a_node_is_ready_when_everything_runs(place: NodePlace, running: RunningContainerd) -> None:
    running.start()
    install(place, restart=running.restart)
    assert not node_status(place).is_ready
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.run / "agent.sock"))
        listener.listen()
        assert node_status(place).is_ready
