"""Each check of a node, by breaking what it looks at."""

import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from running_containerd import RunningContainerd

from breakbulk.checks import Check
from breakbulk.images.stub import STUB_NAMES
from breakbulk.node.examining.containerd import oom_score_check
from breakbulk.node.examining.doctor import checks, is_node
from breakbulk.node.examining.doctor import machine as checks_of_machine
from breakbulk.node.examining.machine import CAP_SYS_RESOURCE, Machine, machine_checks, privileges_check
from breakbulk.node.examining.store import hub_check
from breakbulk.node.installing.containerd import merged
from breakbulk.node.installing.installation import install
from breakbulk.node.installing.registration import prepare_removal, written_files
from breakbulk.node.installing.stub_image import import_stub, remove_stub
from breakbulk.node.place import NodePlace
from breakbulk.settings import Settings

MACHINE = Machine(
    release="6.12.1",
    filesystems="nodev\tproc\nnodev\toverlay\n\text4\n",
    user=0,
    capabilities=(1 << 41) - 1,
    now_s=2e9,
    written_s=1.7e9,
    synchronised=True,
)


def of_machine(**different: object) -> dict[str, Check]:
    machine = msgspec.structs.replace(MACHINE, **different)  # type: ignore[arg-type]
    return {check.identifier: check for check in (privileges_check(machine), *machine_checks(machine))}


def test_a_machine_as_it_should_be() -> None:
    assert {check.state for check in of_machine().values()} == {"ok"}


@pytest.mark.parametrize(
    ("identifier", "different", "state"),
    [
        ("privileges", {"user": 1000}, "failed"),
        ("privileges", {"capabilities": 0}, "failed"),
        ("overlay", {"filesystems": "nodev\tproc\n\text4\n"}, "failed"),
        ("overlay", {"filesystems": ""}, "failed"),
        ("kernel", {"release": "5.4.0-150-generic"}, "failed"),
        ("kernel", {"release": "5.15.0"}, "warning"),
        ("kernel", {"release": "6.1.0-18-amd64"}, "warning"),
        ("kernel", {"release": "6.8.0-rc1"}, "ok"),
        ("kernel", {"release": "7"}, "ok"),
        ("clock", {"now_s": 1e9}, "failed"),
        ("clock", {"synchronised": False}, "warning"),
        ("clock", {"synchronised": None}, "unknown"),
    ],
)
def test_what_is_wrong_with_a_machine(identifier: str, different: dict[str, object], state: str) -> None:
    found = of_machine(**different)
    assert found[identifier].state == state
    assert (found[identifier].fix is not None) == (state in {"failed", "warning"})
    assert {check.state for name, check in found.items() if name != identifier} == {"ok"}


def test_this_machine_can_be_read() -> None:
    machine = Machine.read()
    assert machine.version >= (5, 0)
    assert machine.user == os.geteuid()


def test_a_hub_that_cannot_be_reached_is_no_failure(tmp_path: Path, settings: Settings) -> None:
    assert hub_check(settings).state == "warning"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        begun = time.monotonic()
        check = hub_check(replace(settings, hub=address))
    assert check.state == "warning"
    assert address in check.what
    assert time.monotonic() - begun < 20
    assert hub_check(replace(settings, hub="gopher://x")).state == "warning"


def test_a_machine_is_a_node_when_containerd_is_there_for_kubernetes(place: NodePlace) -> None:
    assert not is_node(place)
    place.containerd_config.parent.mkdir()
    place.containerd_config.write_text('disabled_plugins = ["cri"]\n')
    assert not is_node(place)
    place.containerd_config.write_text("version = 3\n")
    assert is_node(place)
    place.containerd_config.unlink()
    place.runtime.parent.mkdir()
    place.runtime.touch()
    assert is_node(place)


def test_where_nothing_is_installed_yet_the_store_is_tried_where_it_will_be(place: NodePlace) -> None:
    found = {check.identifier: check.state for check in checks_of_machine(place, None, is_node=False)}
    assert (found["store"], found["store-overlay"]) == ("ok", "ok")
    assert found.keys() == {"overlay", "kernel", "clock", "store", "store-overlay", "store-space"}
    assert not place.store.exists()
    assert not list(place.store.parent.glob("*examination*"))


class TestOfANode:
    """A node that works, and what is broken of it."""

    pytestmark = pytest.mark.cluster

    @pytest.fixture
    def node(self, place: NodePlace, running: RunningContainerd) -> Iterator[NodePlace]:
        install(place)
        running.start()
        import_stub(place)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(place.run / "agent.sock"))
            agent.listen()
            yield place

    def broken(self, node: NodePlace, kubelet_settings: Path | None = None) -> dict[str, Check]:
        """Return the checks that are not ok, but for those of the machine, which is as it is."""
        found = {check.identifier: check for check in checks(node, kubelet_settings=kubelet_settings)}
        wrong = {name: check for name, check in found.items() if check.state != "ok" and name != "clock"}
        assert all(check.why for check in wrong.values())
        assert all(check.fix for check in wrong.values() if check.state != "unknown")
        return wrong

    def test_nothing_is_wrong(self, node: NodePlace) -> None:
        assert self.broken(node) == {}

    def test_containerd_is_missing(self, node: NodePlace) -> None:
        wrong = self.broken(msgspec.structs.replace(node, containerd=Path("/nowhere/containerd")))
        assert wrong.pop("containerd").state == "failed"
        assert {check.state for check in wrong.values()} == {"unknown"}

    def test_containerd_is_too_old(self, node: NodePlace, tmp_path: Path) -> None:
        old = tmp_path / "old"
        old.write_text(
            f"#!/bin/sh\n[ $1 = --version ] && echo 'containerd x 1.6.38 y' && exit\nexec {node.containerd} $*\n"
        )
        old.chmod(0o755)
        (tmp_path / "ctr").symlink_to(node.containerd.with_name("ctr"))
        assert self.broken(msgspec.structs.replace(node, containerd=old)).keys() == {"containerd"}

    def test_containerd_does_not_run(self, node: NodePlace, running: RunningContainerd) -> None:
        running.stop()
        wrong = self.broken(node)
        assert wrong["containerd-answers"].state == "failed"
        assert wrong["containerd-restarted"].state == "unknown"

    def test_somebody_has_written_the_configuration_anew(self, node: NodePlace) -> None:
        prepare_removal(node).commit()
        wrong = self.broken(node)
        assert wrong.pop("runtimes").state == "failed"
        assert {check.state for check in wrong.values()} == {"unknown"}

    def test_a_plugin_was_switched_off(self, node: NodePlace) -> None:
        text = node.containerd_config.read_text()
        node.containerd_config.write_text(f"disabled_plugins = ['io.containerd.grpc.v1.cri']\n{text}")
        assert "disabled_plugins" in str(self.broken(node)["runtimes"].fix)

    def test_containerd_was_not_restarted(self, node: NodePlace, running: RunningContainerd) -> None:
        for path in written_files(node):
            os.utime(path, (time.time() + 5, time.time() + 5))
        assert self.broken(node).keys() == {"containerd-restarted"}

    def test_annotations_are_not_passed_on(self, node: NodePlace, running: RunningContainerd) -> None:
        (path,) = written_files(node)
        path.write_text(re.sub(r"pod_annotations = .*", 'pod_annotations = ["x/*"]', path.read_text()))
        running.restart()
        assert self.broken(node).keys() == {"annotations"}

    def test_kubelet_has_another_cgroup_driver(self, node: NodePlace, tmp_path: Path) -> None:
        kubelet = tmp_path / "kubelet.yaml"
        kubelet.write_text("cgroupDriver: cgroupfs\n")
        assert self.broken(node, kubelet) == {}
        kubelet.write_text("cgroupDriver: systemd\n")
        assert self.broken(node, kubelet).keys() == {"cgroup-driver"}
        kubelet.write_text("{ this is no YAML")
        assert self.broken(node, kubelet) == {}

    def test_the_program_is_gone_or_broken(self, node: NodePlace) -> None:
        node.runtime.chmod(0o644)
        assert self.broken(node).keys() == {"runtime-program"}
        node.runtime.write_text("#!/bin/sh\necho no >&2; exit 3\n")
        node.runtime.chmod(0o755)
        assert self.broken(node)["runtime-program"].why == "no"
        node.runtime.unlink()
        assert self.broken(node)["runtime-program"].why == "it is not there"

    def test_runc_is_gone(self, node: NodePlace, tmp_path: Path) -> None:
        node.runtime.write_text(node.runtime.read_text().replace(str(node.runc), str(tmp_path / "gone")))
        assert self.broken(node).keys() == {"runtime-program"}

    def test_the_stub_image_is_gone(self, node: NodePlace) -> None:
        remove_stub(node)
        check = self.broken(node)["stub-image"]
        assert check.state == "failed"
        assert all(name in str(check.why) for name in STUB_NAMES)

    def test_the_store_is_gone(self, node: NodePlace) -> None:
        wrong = self.broken(msgspec.structs.replace(node, store=node.store / "gone"))
        assert wrong["store"].state == "failed"

    def test_the_store_is_where_no_overlay_can_be(self, node: NodePlace) -> None:
        wrong = self.broken(msgspec.structs.replace(node, store=Path("/proc")))
        assert wrong["store"].state == "failed"

    def test_the_run_directory_is_open_to_others_or_gone(self, node: NodePlace) -> None:
        node.run.chmod(0o700)
        assert self.broken(node) == {}
        node.run.chmod(0o755)
        assert self.broken(node).keys() == {"run-directory"}
        wrong = self.broken(msgspec.structs.replace(node, run=node.run / "gone"))
        assert wrong["run-directory"].state == "failed"

    def test_the_agent_is_away(self, node: NodePlace) -> None:
        (node.run / "agent.sock").unlink()
        assert self.broken(node).keys() == {"agent"}

    def test_scores_that_the_kernel_refuses(self, node: NodePlace) -> None:
        restricted = merged(node.containerd, node.containerd_config)
        assert oom_score_check(restricted, 0).state == "ok"
        free = merged(node.containerd, node.containerd_config.with_name("nothing"))
        assert oom_score_check(free, 1 << CAP_SYS_RESOURCE).state == "ok"
        assert oom_score_check(free, 0).state == "failed"
        assert oom_score_check(free, None).state == "unknown"
