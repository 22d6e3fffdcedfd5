"""Which directories an overlay has, from lines of `/proc/self/mountinfo` as kernels write them."""

import os

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.node.mount_table import overlay_at

SNAPSHOTS = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots"
ROOTFS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/c1/rootfs"


def line(options: str, *, point: str = ROOTFS, kind: str = "overlay", number: int = 51) -> bytes:
    return f"{number} 28 0:45 / {point} rw,relatime shared:29 master:1 - {kind} overlay rw,{options}\n".encode()


def test_one_list():
    options = (
        f"lowerdir={SNAPSHOTS}/2/fs:{SNAPSHOTS}/1/fs,upperdir={SNAPSHOTS}/33/fs,workdir={SNAPSHOTS}/33/work,uuid=on"
    )
    found = overlay_at(line(options), ROOTFS)
    assert found.lowers == [f"{SNAPSHOTS}/2/fs", f"{SNAPSHOTS}/1/fs"]
    assert (found.upper, found.work, found.snapshots) == (f"{SNAPSHOTS}/33/fs", f"{SNAPSHOTS}/33/work", SNAPSHOTS)


def test_one_option_each():
    options = f"lowerdir+=/a/1,lowerdir+=/a/2:3\\0544,upperdir={SNAPSHOTS}/33/fs,workdir={SNAPSHOTS}/33/work"
    assert overlay_at(line(options), ROOTFS).lowers == ["/a/1", "/a/2:3,4"]


def test_lists_that_containerd_has_made_relative():
    options = f"lowerdir=2/fs:1/fs,upperdir={SNAPSHOTS}/33/fs,workdir={SNAPSHOTS}/33/work"
    assert overlay_at(line(options), ROOTFS).lowers == [f"{SNAPSHOTS}/2/fs", f"{SNAPSHOTS}/1/fs"]


def test_the_topmost_mount_counts():
    below = line(f"lowerdir=/below,upperdir={SNAPSHOTS}/1/fs,workdir={SNAPSHOTS}/1/work")
    above = line(f"lowerdir=/above,upperdir={SNAPSHOTS}/2/fs,workdir={SNAPSHOTS}/2/work")
    assert overlay_at(below + above, ROOTFS).lowers == ["/above"]
    assert overlay_at(below + line("x", kind="ext4"), ROOTFS) is None


def test_what_cannot_be_written_or_is_not_there():
    assert overlay_at(line("lowerdir=/a:/b"), ROOTFS) is None
    assert overlay_at(line("lowerdir=/a,upperdir=relative,workdir=/w"), ROOTFS) is None
    assert overlay_at(line(f"lowerdir=/a,upperdir={SNAPSHOTS}/1/fs,workdir={SNAPSHOTS}/1/work"), "/elsewhere") is None
    assert overlay_at(b"", ROOTFS) is None


IN_PATH = " \t\n\\"
IN_OPTION = f"{IN_PATH},="


def escaped(path: str, marks: str) -> str:
    """As the kernel writes it: seq_file's escapes."""
    return "".join(f"\\{ord(letter):03o}" if letter in marks else letter for letter in path)


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."}
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


@given(PATHS, PATHS, st.lists(PATHS, min_size=1, max_size=5))
def test_any_names(point, upper, lowers):
    upper += "/33/fs"
    options = ",".join(f"lowerdir+={escaped(lower, IN_OPTION)}" for lower in lowers)
    options += f",upperdir={escaped(upper, IN_OPTION)},workdir=/w"
    found = overlay_at(line(options, point=escaped(point, IN_PATH)), point)
    assert [os.fsencode(lower) for lower in found.lowers] == [lower.encode() for lower in lowers]
    assert os.fsencode(found.upper) == upper.encode()


@given(PATHS, st.lists(PATHS, min_size=1, max_size=5))
def test_any_names_in_one_list(point, lowers):
    """Mounted by mount(8), which puts backslashes before colons; the kernel then escapes those."""
    inner = ":".join(lower.replace("\\", "\\\\").replace(":", "\\:") for lower in lowers)
    options = f"lowerdir={escaped(inner, IN_OPTION)},upperdir=/s/33/fs,workdir=/w"
    found = overlay_at(line(options, point=escaped(point, IN_PATH)), point)
    assert [os.fsencode(lower) for lower in found.lowers] == [lower.encode() for lower in lowers]


@given(st.binary())
def test_any_bytes_are_no_mount(data):
    assert overlay_at(data, ROOTFS) is None
