"""Which overlay containerd has made, asked of the kernel in both ways that it answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from children import in_child

from breakbulk.errors import PlatformError
from breakbulk.node.handler import rooting
from breakbulk.store import linux, namespaces


@pytest.mark.integration
@pytest.mark.parametrize("name", ["snapshots", "two words = ü"])
def test_one_mount_and_the_table_of_all_tell_the_same(tmp_path: Path, name: str, monkeypatch) -> None:
    place = tmp_path / name
    for folder in ("1", "2", "3/fs", "3/work", "rootfs", "plain"):
        (place / folder).mkdir(parents=True)

    def look() -> list[object]:
        namespaces.isolate(user=False, network=True)
        os.chdir(place)
        options = f"lowerdir=2:1,upperdir={place}/3/fs,workdir={place}/3/work"
        linux.mount("tmpfs", place / "rootfs", "tmpfs")
        linux.mount("overlay", place / "rootfs", "overlay", options=options)
        alone = linux.mount_at(place / "rootfs")
        found = [vars_of(rooting._of_containerd(str(place / "rootfs")))]
        refused = [refuses(place / "plain")]
        monkeypatch.setattr(linux, "mount_at", lambda _: None)
        found.append(vars_of(rooting._of_containerd(str(place / "rootfs"))))
        refused.append(refuses(place / "plain"))
        linux.unmount(place / "rootfs")
        refused.append(refuses(place / "rootfs"))
        return [alone is not None and alone[0], found, refused]

    alone, found, refused = in_child(look)
    assert alone in {"overlay", False}, "an older kernel tells of all mounts only"
    assert found == 2 * [([f"{place}/2", f"{place}/1"], f"{place}/3/fs", f"{place}/3/work")]
    assert refused == 3 * ["rootfs-unknown"]


def vars_of(overlay) -> tuple[list[str], str, str]:
    return overlay.lowers, overlay.upper, overlay.work


def refuses(place: Path) -> str:
    with pytest.raises(PlatformError) as raised:
        rooting._of_containerd(str(place))
    return raised.value.reference
