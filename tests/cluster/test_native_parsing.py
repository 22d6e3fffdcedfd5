"""What is read from the kernel and from files of this machine."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.cluster.cgroups import Hierarchies, parse_hierarchies
from breakbulk.cluster.mounts import mounts_below
from breakbulk.cluster.name_servers import name_servers, parse_name_servers
from breakbulk.cluster.programs import NEEDED, find_programs
from breakbulk.errors import ClusterError

HYBRID = """\
24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
35 24 0:28 / /elsewhere rw,relatime - cgroup cgroup rw,memory
36 24 0:27 /docker/abc /bound rw,relatime - cgroup cgroup rw,cpu,cpuacct
"""


def test_every_hierarchy_is_found_once() -> None:
    found = {str(one.mount): (set(one.controllers), one.is_unified) for one in parse_hierarchies(HYBRID)}
    assert found == {
        "/sys/fs/cgroup/cpu,cpuacct": ({"cpu", "cpuacct"}, False),
        "/sys/fs/cgroup/memory": ({"memory"}, False),
        "/sys/fs/cgroup/systemd": ({"name=systemd"}, False),
        "/sys/fs/cgroup/unified": (set(), True),
    }
    assert not Hierarchies(parse_hierarchies(HYBRID)).is_unified


def test_controllers_that_kubelet_would_miss_are_named() -> None:
    assert Hierarchies(parse_hierarchies(HYBRID)).missing_controllers() == ["cpuset", "pids"]


def test_one_hierarchy_for_all_is_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    hierarchies = Hierarchies(parse_hierarchies(f"1 0 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw,nsdelegate\n"))
    assert hierarchies.is_unified
    assert hierarchies.missing_controllers() == []


def test_mounts_below_a_directory_come_with_the_last_one_first() -> None:
    lines = [
        f"{number} 1 0:1 / {place} rw - tmpfs tmpfs rw"
        for number, place in enumerate(["/c", "/c/dev", r"/c/dev/a\040b", "/c/device", "/c/dev/a", "/c/dev"])
    ]
    found = mounts_below(Path("/c/dev"), "\n".join(lines))
    assert list(map(str, found)) == ["/c/dev", "/c/dev/a", "/c/dev/a b", "/c/dev"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_resolver_file_is_read(text: str) -> None:
    for address in parse_name_servers(text):
        assert address in text
        assert not address.startswith("127.")


def test_a_resolver_of_this_machine_itself_is_not_asked(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("# local\nnameserver 127.0.0.53\noptions edns0\nnameserver ::1\n")
    real.write_text("nameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n")
    assert name_servers([stub, real]) == ("192.0.2.53", "192.0.2.54")
    assert name_servers([stub, tmp_path / "none"]) == ()


def build(root: Path, version: str, *, without: str = "") -> None:
    for name in NEEDED:
        path = root / version / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != without:
            path.touch(0o755)


def test_the_newest_version_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    for version in ("v1.34.10", "v1.34.9", "v1.35.4"):
        build(tmp_path, version)
    assert find_programs(tmp_path).version == "v1.35.4"
    assert find_programs(tmp_path, "1.34").version == "v1.34.10"
    assert find_programs(tmp_path, "v1.34.9")["kubelet"] == tmp_path / "v1.34.9" / "bin" / "kubelet"


@pytest.mark.parametrize("wanted", [None, "1.33", "1.3", "latest", "../../etc"])
def test_what_was_not_built_is_missing(tmp_path: Path, wanted: str | None) -> None:
    if wanted:
        build(tmp_path, "v1.35.4")
    with pytest.raises(ClusterError, match=r"make kubernetes.*BREAKBULK_KUBERNETES") as raised:
        find_programs(tmp_path, wanted)
    assert raised.value.reference == "kubernetes-missing"


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    build(tmp_path, "v1.35.4", without="cni/bridge")
    with pytest.raises(ClusterError, match="there is no cni/bridge"):
        find_programs(tmp_path)
