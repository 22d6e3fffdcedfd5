"""What mounts tell of the trees that they use."""

from pathlib import Path

import pytest
from children import give_to_nobody, in_child

from breakbulk.store import namespaces
from breakbulk.store.mounted import Mounted, mounted
from breakbulk.store.rootfs import mount_overlay

KEY = "0123456789abcdef0123456789abcdef"


def table(directory: Path, line: str) -> Mounted:
    process = directory / "proc" / "7"
    process.mkdir(parents=True)
    (process / "mountinfo").write_text(f"36 35 0:1 / / rw - ext4 /dev/vda rw\n{line}\n")
    return mounted(str(directory / "proc"))


@pytest.mark.parametrize(
    ("layers", "is_mounted", "unknown"),
    [
        ("lowerdir+=t-012345,lowerdir+=t-ffffff", True, False),
        (f"lowerdir+=/s/packages/{KEY}-jq-1.6", True, False),
        ("lowerdir+=t-ffffff,lowerdir+=/var/lib/image", False, False),
        ("lowerdir=0:1:2", False, True),
        ("lowerdir+=/proc/self/fd/7", False, True),
    ],
)
def test_a_mount_tells_its_trees_by_their_beginnings_or_paths(tmp_path, layers, is_mounted, unknown):
    seen = table(tmp_path, f"40 36 0:50 / /run/rootfs rw - overlay overlay rw,{layers},upperdir=/u,workdir=/w")
    assert seen.has(f"{KEY}-jq-1.6") is is_mounted
    assert seen.has(f"{KEY}-jq-1.6@{KEY}") is (is_mounted and KEY not in layers)
    assert seen.unknown is unknown


@pytest.mark.integration
@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_a_tree_that_is_mounted_is_seen_and_its_line_is_short(open_directory, user):
    names = [f"{number:06x}{KEY[6:]}-package-with-a-long-name-1.2.3" for number in range(200)]
    twin = names[0].replace("1.2.3", "1.2.4")  # begins alike
    trees = [open_directory / "packages" / name for name in [*names, twin]]
    for tree in trees:
        (tree / "usr").mkdir(parents=True)
        (tree / "usr" / tree.name).touch()
    (open_directory / "target").mkdir()
    give_to_nobody(open_directory)

    def look() -> tuple[list[str], int, list[bool]]:
        namespaces.isolate(user=user, network=True)
        mount_overlay(trees, open_directory / "target", user=user)
        line = next(one for one in Path("/proc/self/mountinfo").read_text().splitlines() if " overlay " in one)
        seen = mounted("/proc")
        return (
            sorted(one.name for one in (open_directory / "target" / "usr").iterdir()),
            len(line),
            [seen.has(tree.name) for tree in trees],
        )

    shown, length, used = in_child(look, user=user)
    assert shown == sorted(tree.name for tree in trees)
    assert length < 5_000
    assert all(used)
