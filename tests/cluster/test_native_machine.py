"""What clusters do to a machine, piece by piece, without Kubernetes: processes, networks, settings of the kernel."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from machine_snapshot import kernel_settings, snapshot
from reaching import is_reached

from breakbulk.cluster import commands, machine, networks, processes
from breakbulk.cluster.addresses import Addresses, allot
from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.cluster.drivers import driver
from breakbulk.cluster.model import ClusterRequest
from breakbulk.cluster.mounts import mounts_below, unmount_below
from breakbulk.cluster.native import NativeRecord
from breakbulk.cluster.places import NativePlace
from breakbulk.cluster.programs import NEEDED
from breakbulk.cluster.records import read_record
from breakbulk.cluster.taking_down import anything_left, take_down
from breakbulk.errors import ClusterError, PlatformError
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

pytestmark = pytest.mark.integration

VARIABLES = {"PATH": commands.SEARCH_PATH}


@pytest.fixture
def hierarchies() -> Hierarchies:
    return Hierarchies.of_machine()


@pytest.fixture
def place(tmp_path: Path, hierarchies: Hierarchies) -> Iterator[NativePlace]:
    """A cluster of which there is nothing, before and after."""
    one = NativePlace(f"m{os.getpid():x}", tmp_path / "clusters" / "one")
    before = snapshot(one.name)
    yield one
    if anything_left(one, hierarchies):
        take_down(one, hierarchies, SILENT)
    assert snapshot(one.name) == before


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"


def launch(place: NativePlace, hierarchies: Hierarchies, *arguments: str, component: str = "sleeper") -> str:
    group = place.component_group("node", component)
    hierarchies.ensure(group)
    log = place.log("node", component)
    processes.launch(arguments, hierarchies=hierarchies, group=group, log=log, environment=VARIABLES)
    return group


def test_a_program_is_found_among_its_children_and_outlives_us(place: NativePlace, hierarchies: Hierarchies) -> None:
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])"
    group = launch(place, hierarchies, sys.executable, "-c", parent)
    until(lambda: len(hierarchies.members(group)) == 2)
    found = processes.find(hierarchies, group, Path(sys.executable))
    assert found
    assert found == min(hierarchies.members(group), key=lambda one: processes.started_at(one) or 0)
    assert os.getsid(found) != os.getsid(0), "signals of the terminal would reach it"
    assert int(Path(f"/proc/{found}/stat").read_text().rpartition(")")[2].split()[1]) != os.getpid()


def test_a_program_starts_with_signals_as_they_are_by_default(place: NativePlace, hierarchies: Hierarchies) -> None:
    group = launch(place, hierarchies, "sleep", "600")
    until(lambda: processes.find(hierarchies, group, Path("/usr/bin/sleep")))
    found = processes.find(hierarchies, group, Path("/usr/bin/sleep"))
    line = next(line for line in Path(f"/proc/{found}/status").read_text().splitlines() if line.startswith("SigIgn"))
    ignored = int(line.split()[1], 16)
    # The C library keeps two numbers to itself, which no program can set and some callers leave ignored.
    assert not [one for one in signal.valid_signals() if ignored >> one - 1 & 1]


def test_what_a_program_says_last_is_in_its_log(place: NativePlace, hierarchies: Hierarchies) -> None:
    group = launch(place, hierarchies, "sh", "-c", "echo one; echo two >&2; exit 3")
    until(lambda: not hierarchies.members(group))
    assert processes.last_lines(place.log("node", "sleeper")) == "one | two"
    assert processes.find(hierarchies, group, Path("/bin/sh")) is None


def test_whoever_does_not_end_when_asked_is_killed(place: NativePlace, hierarchies: Hierarchies) -> None:
    group = launch(place, hierarchies, "env", "--ignore-signal=TERM", "sleep", "600")
    until(lambda: processes.find(hierarchies, group, Path("/usr/bin/sleep")))
    found = processes.find(hierarchies, group, Path("/usr/bin/sleep"))
    assert found
    processes.stop(found, timeout_s=0.2)
    until(lambda: processes.started_at(found) is None)


def test_everybody_in_a_group_is_killed_even_while_more_are_born(place: NativePlace, hierarchies: Hierarchies) -> None:
    group = launch(place, hierarchies, "sh", "-c", "while true; do (sleep 600 &) ; done")
    until(lambda: len(hierarchies.members(group)) > 20)
    hierarchies.kill(place.control_group)
    assert hierarchies.processes(place.control_group) == set()


def test_a_network_joins_nodes_and_goes_without_a_trace(place: NativePlace, hierarchies: Hierarchies) -> None:
    addresses = _network(place)
    assert networks.has_rules(place.chain)
    _network(place, addresses)  # a second time is the same
    assert is_reached(addresses.node(2))
    assert is_reached(addresses.node(2), inside=place.node(f"{place.name}-1").network_namespace)
    assert not is_reached(addresses.node(3))
    take_down(place, hierarchies, SILENT)
    assert not networks.has_rules(place.chain)
    assert not anything_left(place, hierarchies)


def _network(place: NativePlace, addresses: Addresses | None = None) -> Addresses:
    with machine.alone():
        machine.enrol(place)
        machine.keep_kernel()
        chosen = addresses or allot(networks.routed_networks())
        networks.build_network(place, chosen)
    names = (f"{place.name}-1", f"{place.name}-2")
    for number, name in enumerate(names, 1):
        networks.attach_node(place, chosen, number, name)
    networks.route_between(place, chosen, names)
    return chosen


def test_routes_of_others_are_seen(place: NativePlace) -> None:
    addresses = _network(place)
    assert addresses.nodes in networks.routed_networks()
    assert addresses.nodes not in networks.routed_networks(but=place.bridge)
    assert IPv4Network("127.0.0.0/8") in networks.routed_networks()


def test_mounts_are_unmounted_with_the_last_one_first(tmp_path: Path) -> None:
    outer = tmp_path / "a b"
    outer.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", outer], check=True)
    (outer / "inner").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", outer / "inner"], check=True)
    assert mounts_below(tmp_path) == [outer / "inner", outer]
    unmount_below(tmp_path)
    assert mounts_below(tmp_path) == []


def test_one_command_at_a_time_works_on_a_cluster(place: NativePlace) -> None:
    order: list[str] = []

    def second() -> None:
        with machine.working_on(place.name, Notes(order)):
            order.append("second")

    with machine.working_on(place.name, SILENT):
        other = threading.Thread(target=second)
        other.start()
        until(lambda: order)
        order.append("first ends")
    other.join()
    assert order == [f"waiting for another command that works on the cluster {place.name}", "first ends", "second"]


class Notes:
    """A reporter that keeps notes."""

    def __init__(self, notes: list[str]) -> None:
        self.note = notes.append

    begin = SILENT.begin


@pytest.fixture
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's settings in files, and a place of its own for what clusters share."""
    settings, runtime = tmp_path / "sys", tmp_path / "run"
    for name, value in {
        "net/ipv4/ip_forward": "0",
        "fs/inotify/max_user_instances": "128",
        "kernel/panic": "0",
    }.items():
        (settings / name).parent.mkdir(parents=True, exist_ok=True)
        (settings / name).write_text(value)
    monkeypatch.setattr(machine, "_SETTINGS", settings)
    monkeypatch.setattr(machine, "RUNTIME", runtime)
    monkeypatch.setattr("breakbulk.cluster.places.RUNTIME", runtime)
    return settings


def test_the_last_cluster_puts_the_kernel_back(own_machine: Path, tmp_path: Path) -> None:
    one, other = (NativePlace(name, tmp_path / name) for name in ("one", "other"))
    with machine.alone():
        machine.enrol(one)
        machine.keep_kernel()
    (own_machine / "kernel/panic").write_text("10")  # as kubelet does
    with machine.alone():
        machine.enrol(other)
        machine.keep_kernel()
    assert (own_machine / "net/ipv4/ip_forward").read_text() == "1"
    assert int((own_machine / "fs/inotify/max_user_instances").read_text()) > 128
    with machine.alone():
        machine.strike_off(one)
    assert (own_machine / "net/ipv4/ip_forward").read_text() == "1"
    with machine.alone():
        machine.strike_off(other)
    assert [(own_machine / name).read_text() for name in ("net/ipv4/ip_forward", "kernel/panic")] == ["0", "0"]
    assert (own_machine / "fs/inotify/max_user_instances").read_text() == "128"
    assert list((tmp_path / "run").iterdir()) == []


def test_the_kernel_is_as_before_after_a_cluster(place: NativePlace, hierarchies: Hierarchies) -> None:
    before = kernel_settings()
    _network(place)
    take_down(place, hierarchies, SILENT)
    if not any(path.is_dir() for path in machine.RUNTIME.iterdir()):
        assert kernel_settings() == before


@pytest.fixture
def built(tmp_path: Path) -> Settings:
    """Settings with programs that need not work."""
    for name in NEEDED:
        path = tmp_path / "kubernetes" / "v1.35.4" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
    home = {"HOME": str(tmp_path), "BREAKBULK_KUBERNETES": str(tmp_path / "kubernetes")}
    return replace(Settings.load(home), store=tmp_path / "store")


def up(settings: Settings, name: str) -> None:
    driver("native", settings).up(ClusterRequest(name=name), SILENT)


def test_a_machine_without_a_tool_says_which_package_has_it(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TOOLS", {**commands.TOOLS, "iptables-of-elsewhere": "iptables"})
    with pytest.raises(PlatformError, match="apt-get install iptables") as raised:
        up(built, "dev")
    assert raised.value.reference == "tool-missing"


def test_an_ordinary_user_is_told_what_to_do(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PlatformError, match="sudo") as raised:
        up(built, "dev")
    assert raised.value.reference == "not-root"


def test_a_path_that_is_too_long_for_sockets_is_refused_first(built: Settings, tmp_path: Path) -> None:
    deep = replace(built, store=tmp_path / ("x" * 60))
    with pytest.raises(ClusterError, match="shorter") as raised:
        up(deep, "dev")
    assert raised.value.reference == "path-too-long"
    assert not (deep.state / "clusters").exists()


def test_a_program_that_ends_is_named_with_its_last_words(built: Settings) -> None:
    name = f"n{os.getpid():x}"
    etcd = built.kubernetes / "v1.35.4" / "bin" / "etcd"
    etcd.write_text("#!/bin/sh\necho the disk is upside down\nexit 1\n")
    before = snapshot(name)
    short = replace(built, store=Path(f"/tmp/bbn-{os.getpid():x}"))
    containerd = etcd.with_name("containerd")
    containerd.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ClusterError, match="the disk is upside down") as raised:
        driver("native", short).up(ClusterRequest(name=name, imageless=False), SILENT)
    assert raised.value.reference == "component-failed"
    driver("native", short).down(name, SILENT)
    short.store.rmdir()
    assert snapshot(name) == before


def test_a_network_that_something_else_uses_by_now_is_not_taken(built: Settings) -> None:
    name = f"o{os.getpid():x}"
    short = replace(built, store=Path(f"/tmp/bbo-{os.getpid():x}"))
    built.kubernetes.joinpath("v1.35.4/bin/etcd").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ClusterError):
        driver("native", short).up(ClusterRequest(name=name, imageless=False), SILENT)
    place = NativePlace(name, short.state.resolve() / "clusters" / name)
    record = read_record(place.directory, NativeRecord)
    assert record
    route = ("blackhole", str(record.addresses.pods_of(7)))
    subprocess.run(["ip", "link", "delete", place.bridge], check=True)
    subprocess.run(["ip", "route", "add", *route], check=True)
    try:
        with pytest.raises(ClusterError) as raised:
            driver("native", short).up(ClusterRequest(name=name, imageless=False), SILENT)
        assert raised.value.reference == "address-taken"
    finally:
        subprocess.run(["ip", "route", "delete", *route], check=True)
        driver("native", short).down(name, SILENT)
        short.store.rmdir()
