"""Tidying, copying and exporting on machines that lack room or permission."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_views import become_ordinary, read_only, small_disk
from fault_world import World

from breakbulk.store.removal import remove_tree

pytestmark = pytest.mark.integration
NAME = "ada/greet"


def fill(directory: Path) -> None:
    """Write to a small disk until there is no room left."""
    with (directory / "filling").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def trees(world: World) -> list[str]:
    return sorted(path.name.partition("-")[2] for path in (world.seen(world.store) / "packages").iterdir())


@pytest.fixture
def garbage(world: World) -> World:
    """A machine whose store nobody needs any more."""
    world.locked("deb:greet")
    world.document("realise")
    world.lock.unlink()
    return world


@pytest.fixture
def pushed(world: World) -> World:
    """A machine that has pushed an environment to its hub."""
    world.locked("deb:greet")
    world.document("push", NAME)
    return world


class TestCollectingAStore:
    def test_a_disk_without_room_can_be_tidied(self, world: World) -> None:
        world.locked("deb:greet")
        with small_disk(world, world.store, "8m"):
            world.document("realise")
            world.lock.unlink()
            fill(world.seen(world.store))
            assert len(world.document("store", "gc")["removed"]) == 4
            assert trees(world) == []
            world.assert_tidy()

    def test_a_store_that_cannot_be_written(self, garbage: World) -> None:
        before = trees(garbage)
        garbage.enter = read_only(garbage.store)
        refused = garbage.fails("store", "gc", error="store-not-writable")
        assert "BREAKBULK_STORE" in refused["hint"]
        assert trees(garbage) == before
        garbage.enter = ()
        garbage.document("store", "gc")
        assert trees(garbage) == []

    def test_caches_that_cannot_be_cleared(self, garbage: World) -> None:
        old = garbage.cache / "hub" / "old"
        old.parent.mkdir(parents=True)
        old.touch()
        os.utime(old, (0, 0))
        garbage.enter = read_only(garbage.cache)
        refused = garbage.fails("store", "gc", "--caches", error="store-not-writable")
        assert "BREAKBULK_CACHE" in refused["hint"]
        garbage.enter = ()
        assert garbage.document("store", "gc", "--caches")["caches"]["files"] == 1
        assert not old.exists()


class TestCollectingAHub:
    @pytest.fixture
    def litter(self, pushed: World) -> Iterator[Path]:
        """An object that nobody needs."""
        path = pushed.hub / "objects" / "00" / ("0" * 64)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 4096)
        yield path
        assert not path.exists()
        assert json.loads(pushed.call("hub", "check", "--deep", "--json"))["good"]

    def test_a_hub_that_cannot_be_written(self, pushed: World, litter: Path) -> None:
        pushed.enter = read_only(pushed.hub)
        pushed.fails("hub", "gc", "--grace", "0s", error="hub-denied")
        assert litter.exists()
        pushed.enter = ()
        assert pushed.document("hub", "gc", "--grace", "0s")["removed"] == 1

    def test_a_hub_without_room(self, pushed: World, litter: Path) -> None:
        remove_tree(pushed.root / "small")
        with small_disk(pushed, pushed.root / "small", "20m") as disk:
            small = str(pushed.root / "small")
            pushed.document("hub", "mirror", NAME, "--to", small)
            spare = pushed.seen(pushed.root / "small") / "objects" / "00" / ("0" * 64)
            spare.parent.mkdir(exist_ok=True)
            spare.write_bytes(litter.read_bytes())
            fill(pushed.seen(pushed.root / "small"))
            pushed.environment["BREAKBULK_HUB"] = small
            refused = pushed.fails("hub", "gc", "--grace", "0s", error="hub-full")
            assert "hub gc" not in refused["hint"]
            assert spare.exists()
            disk.grow()
            assert pushed.document("hub", "gc", "--grace", "0s")["removed"] == 1
            assert not spare.exists()
        del pushed.environment["BREAKBULK_HUB"]
        pushed.document("hub", "gc", "--grace", "0s")


class TestMirroring:
    def completes(self, world: World, target: Path) -> None:
        """Mirror; then what is there runs on a machine that has nothing else."""
        world.document("hub", "mirror", NAME, "--to", str(target))
        world.assert_tidy()
        world.environment["BREAKBULK_HUB"] = str(target)
        assert world.document("hub", "check", "--deep")["good"]
        del world.environment["BREAKBULK_HUB"]

    @pytest.mark.parametrize("size", ["16k", "300k", "1m"])
    def test_a_hub_without_room(self, pushed: World, size: str) -> None:
        target = pushed.root / "mirror"
        with small_disk(pushed, target, size) as disk:
            refused = pushed.fails("hub", "mirror", NAME, "--to", str(target), error="hub-full")
            assert refused["where"].startswith(str(target))
            assert not (pushed.seen(target) / "environments" / NAME / "changes").exists()
            disk.grow()
            self.completes(pushed, target)

    @pytest.mark.parametrize("size", ["4k", "300k"])
    def test_a_cache_without_room(self, pushed: World, size: str) -> None:
        target = pushed.root / "mirror"
        remove_tree(pushed.cache)
        with small_disk(pushed, pushed.cache, size) as disk:
            refused = pushed.fails("hub", "mirror", NAME, "--to", str(target), error="disk-full")
            assert "BREAKBULK_CACHE" in refused["hint"]
            disk.grow()
            self.completes(pushed, target)

    def test_a_hub_that_cannot_be_written(self, pushed: World) -> None:
        target = pushed.root / "mirror"
        target.mkdir()
        pushed.enter = read_only(target)
        pushed.fails("hub", "mirror", NAME, "--to", str(target), error="hub-denied")
        pushed.enter = ()
        self.completes(pushed, target)

    def test_a_hub_that_cannot_be_read(self, pushed: World) -> None:
        target = pushed.root / "mirror"
        become_ordinary(pushed)
        locks = pushed.hub / "objects"
        locks.chmod(0o000)
        pushed.fails("hub", "mirror", NAME, "--to", str(target), error="hub-denied")
        locks.chmod(0o755)
        self.completes(pushed, target)


class TestExporting:
    @pytest.fixture(autouse=True)
    def _realised(self, world: World) -> None:
        world.locked("deb:greet")
        world.document("realise")

    @pytest.mark.parametrize("size", ["16k", "300k"])
    @pytest.mark.parametrize("name", ["image.tar", "images"])
    def test_a_disk_without_room(self, world: World, name: str, size: str) -> None:
        target = world.root / "exported"
        with small_disk(world, target, size) as disk:
            refused = world.fails("export", ".", "--oci", str(target / name), error="disk-full")
            assert "--oci" in refused["hint"]
            left = [path.name for path in world.seen(target).rglob("*") if path.is_file()]
            assert not {"image.tar", "index.json"} & set(left)
            disk.grow()
            assert world.document("export", ".", "--oci", str(target / name))["layers"]
            world.assert_tidy()

    @pytest.mark.parametrize("size", ["16k", "300k"])
    def test_a_cache_without_room(self, world: World, size: str) -> None:
        remove_tree(world.cache)
        target = world.root / "image.tar"
        with small_disk(world, world.cache, size) as disk:
            refused = world.fails("export", ".", "--oci", str(target), error="disk-full")
            assert "BREAKBULK_CACHE" in refused["hint"]
            assert not target.exists()
            disk.grow()
            world.document("export", ".", "--oci", str(target))

    @pytest.mark.parametrize("name", ["image.tar", "images"])
    def test_a_directory_that_cannot_be_written(self, world: World, name: str) -> None:
        target = world.root / "exported"
        target.mkdir()
        world.enter = read_only(target)
        refused = world.fails("export", ".", "--oci", str(target / name), error="store-not-writable")
        assert "--oci" in refused["hint"]
        world.enter = ()
        world.document("export", ".", "--oci", str(target / name))
