"""Machines that lack something: room, permission, overlay, namespaces."""

import os
import sys
from pathlib import Path

import pytest
from fault_content import GREETING
from fault_views import become_ordinary, read_only, small_disk, stacked, without_user_namespaces
from fault_world import World

SUPPORT = Path(__file__).parent / "support"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("part", "size"),
    [("store", "64k"), ("store", "300k"), ("store", "2m"), ("store", "2600k"), ("cache", "300k"), ("cache", "2m")],
)
def test_a_disk_that_is_full_while_realising(world: World, part: str, size: str) -> None:
    world.locked("deb:greet", *(f"deb:part{number}" for number in range(4)))
    with small_disk(world, getattr(world, part), size) as disk:
        refused = world.fails("realise", error="disk-full")
        assert f"BREAKBULK_{part.upper()}" in refused["hint"]
        assert refused["where"] == str(getattr(world, part))
        disk.grow()
        world.completes("greet", "words", "part3")


@pytest.mark.integration
@pytest.mark.parametrize("size", ["4k", "16k", "40k"])
def test_a_disk_that_is_full_while_indices_are_fetched(world: World, size: str) -> None:
    world.manifest("deb:words")
    with small_disk(world, world.cache, size) as disk:
        world.fails("lock", error="cache-unwritable")
        assert not world.lock.exists()
        disk.grow()
        world.completes("words")


@pytest.mark.integration
def test_a_disk_that_is_full_where_the_lock_is_written(world: World) -> None:
    with small_disk(world, world.project, "4k") as disk:
        (world.seen(world.project) / "breakbulk.toml").touch()
        world.manifest("deb:words", directory=world.seen(world.project))
        world.fails("lock", error="lock-not-writable")
        disk.grow()
        world.document("lock")
        assert world.document("lock")["changed"] is False


@pytest.mark.integration
def test_no_permission(world: World) -> None:
    world.locked("deb:words")
    become_ordinary(world)
    world.store.mkdir(mode=0o755)
    if os.geteuid() != 0:
        world.store.chmod(0o555)
    refused = world.fails("realise", error="store-not-writable")
    assert "chown" in refused["hint"]
    world.store.chmod(0o777)
    world.completes("words")


@pytest.mark.integration
def test_a_cache_without_permission(world: World) -> None:
    world.manifest("deb:words")
    become_ordinary(world)
    world.cache.mkdir(mode=0o755)
    if os.geteuid() != 0:
        world.cache.chmod(0o555)
    world.fails("lock", error="cache-unwritable")
    world.cache.chmod(0o777)
    world.document("lock")
    (world.cache / "partial").mkdir(mode=0o500)
    if os.geteuid() == 0:
        os.chown(world.cache / "partial", 0, 0)
    assert "BREAKBULK_CACHE" in world.fails("realise", error="store-not-writable")["hint"]
    (world.cache / "partial").rmdir()
    world.completes("words")


@pytest.mark.integration
@pytest.mark.parametrize("already", [(), ("deb:words",)], ids=["nothing there", "packages there"])
def test_a_store_that_cannot_be_written(world: World, already: tuple[str, ...]) -> None:
    if already:  # the packages are there, but what is made of them together is not
        world.manifest(*already)
        world.document("realise")
    else:
        world.store.mkdir()
    world.locked("deb:words", "deb:part1")
    world.enter = read_only(world.store)
    world.fails("realise", error="store-not-writable")
    world.enter = ()
    world.completes("words", "part1")


@pytest.mark.integration
def test_a_store_that_has_everything_need_not_be_written(world: World) -> None:
    world.manifest("deb:greet")
    world.document("realise")
    world.enter = read_only(world.store)
    assert world.document("realise")["made"] == 0
    assert world.call("run", "greet") == f"{GREETING}\n"


@pytest.mark.integration
def test_no_overlay_over_this_file_system(world: World) -> None:
    world.manifest("deb:greet")
    world.document("realise")
    world.enter = stacked(world.store)
    refused = world.fails("run", "greet", error="overlay-unavailable")
    assert "BREAKBULK_STORE" in refused["hint"], refused
    world.enter = ()
    assert world.call("run", "greet") == f"{GREETING}\n"


@pytest.mark.integration
def test_no_user_namespaces(world: World) -> None:
    world.locked("deb:greet")
    become_ordinary(world)
    ordinary = world.enter
    world.document("realise")
    world.enter = [*ordinary, *without_user_namespaces()]
    refused = world.fails("run", "greet", error="user-namespaces-unavailable")
    assert "user.max_user_namespaces" in refused["hint"]
    world.enter = ordinary
    assert world.call("run", "greet") == f"{GREETING}\n"


@pytest.mark.integration
def test_no_right_to_mount(world: World) -> None:
    world.manifest("deb:greet")
    world.document("realise")
    world.enter = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    world.fails("run", "greet", error="namespaces-unavailable")
    world.enter = ()
    assert world.call("run", "greet") == f"{GREETING}\n"


@pytest.mark.integration
def test_no_overlay_while_compiling(world: World) -> None:
    world.manifest("pypi:greeting")
    world.document("lock")
    world.enter = [sys.executable, str(SUPPORT / "without_overlay.py")]
    assert "modprobe overlay" in world.fails("realise", error="overlay-unavailable")["hint"]
    world.enter = ()
    world.completes("greeting", "phrase")
