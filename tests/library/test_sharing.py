"""What a second environment costs that shares nine of ten packages with a first: counted in bytes on the disk."""

import os
from pathlib import Path

import pytest

from breakbulk.hub.mirror import mirror
from breakbulk.hub.names import parse_reference
from breakbulk.hub.opening import open_hub

PACKAGES = 10
SIZE = 200_000


def project(machine, name: str, changed: set[int]) -> Path:
    """Write a project of ten sources; those in `changed` are its own, the others are everybody's."""
    directory = machine.directory / name
    lines = ["[install]"]
    for number in range(PACKAGES):
        source = directory / f"p{number}"
        source.mkdir(parents=True)
        seed = f"{name if number in changed else 'shared'} {number}".encode()
        (source / "data").write_bytes(_bytes(seed))
        lines.append(f'p{number} = {{ path = "./p{number}" }}')
    lines += ["[options]", 'base = "none"', 'systems = ["x86_64-linux"]']
    (directory / "breakbulk.toml").write_text("\n".join(lines) + "\n")
    return directory


def _bytes(seed: bytes) -> bytes:
    """Return bytes that nothing compresses, the same for the same seed."""
    import hashlib

    return b"".join(hashlib.sha256(seed + b"%d" % part).digest() for part in range(SIZE // 32))


def used(directory: Path) -> int:
    """Return what a directory takes on the disk, hard links once."""
    seen: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(directory):
        for name in names:
            status = Path(place, name).lstat()
            seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def grown(directory: Path, before: int) -> float:
    return used(directory) / before - 1


def test_a_second_environment_adds_its_own_package_to_store_and_hub(machine) -> None:
    here = machine("here")
    store, hub = here.settings.store, Path(here.settings.hub)
    here.push(project(here, "first", {0}), "ada/first")
    before = used(store), used(hub)
    assert before[0] > PACKAGES * SIZE
    here.push(project(here, "second", {0}), "ada/second")
    assert 0.05 < grown(store, before[0]) < 0.15
    assert 0.05 < grown(hub, before[1]) < 0.15


@pytest.mark.parametrize("count", [1, 5])
def test_a_mirror_shares_what_its_environments_share(machine, tmp_path: Path, count: int) -> None:
    here = machine("here")
    here.push(project(here, "first", {0}), "ada/first")
    for number in range(count):
        here.push(project(here, f"other{number}", {0}), f"ada/other{number}")
    source, target = open_hub(here.settings), open_hub(here.settings, str(tmp_path / "mirror"))
    mirror(source, target, [parse_reference("ada/first")], here.settings, {})
    before = used(tmp_path / "mirror")
    names = [parse_reference(f"ada/other{number}") for number in range(count)]
    mirror(source, target, names, here.settings, {})
    assert grown(tmp_path / "mirror", before) < 0.15 * count
