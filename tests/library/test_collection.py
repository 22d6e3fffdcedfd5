"""What a store keeps and what it removes, with environments that are realised and run for real."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from breakbulk.library.remote import RemoteEnvironment
from breakbulk.store import namespaces
from breakbulk.store.bundle import bundled
from breakbulk.store.collection import collect, why_kept
from breakbulk.store.layout import Layout
from breakbulk.store.mounted import Mounted, mounted
from breakbulk.store.rootfs import mount_overlay
from breakbulk.store.roots import pin, read_roots, unpin

NOTHING = Mounted(names=frozenset(), unknown=False)


def layout_of(machine) -> Layout:
    return Layout(machine.settings.store)


def packages(machine) -> list[str]:
    return sorted(path.name.partition("-")[2] for path in layout_of(machine).packages.iterdir())


def tools(collected) -> list[str]:
    """Return the directories of own sources that were removed; a base package goes with the last that needs it."""
    return [removed.directory for removed in collected.removed if removed.name.startswith("tool-")]


def gc(machine, **options):
    return collect(layout_of(machine), pause=lambda _seconds: None, **{"look": lambda: NOTHING, **options})


def realised(machine, name: str, **files: str) -> Path:
    """Realise a project and return it; its one package is a source with `files`."""
    project = machine.project(name, **(files or {"data": f"{name}\n"}))
    machine.open(project).realise()
    return project


def test_what_a_lock_in_use_needs_stays_and_the_rest_goes(machine) -> None:
    here = machine("here")
    kept, dropped = realised(here, "kept"), realised(here, "dropped")
    before = set(packages(here))
    assert gc(here).removed == ()
    (dropped / "breakbulk.lock").unlink()
    collected = gc(here)
    [removed] = collected.removed
    assert collected.roots_dropped == (str(dropped / "breakbulk.lock"),)
    assert set(packages(here)) == before - {removed.name}
    assert removed.size == len("dropped\n")
    assert not (layout_of(here).records / removed.directory).exists()
    assert not list(layout_of(here).staging.iterdir())
    here.open(dropped).realise()
    assert set(packages(here)) == before
    here.open(kept).realise()


def test_a_dry_run_says_the_same_and_does_nothing(machine) -> None:
    here = machine("here")
    (realised(here, "dropped") / "breakbulk.lock").unlink()
    before = packages(here)
    planned = gc(here, dry_run=True)
    assert packages(here) == before
    assert len(list(read_roots(layout_of(here)))) == 1
    assert planned == gc(here)
    assert packages(here) != before


def test_a_lock_that_cannot_be_read_keeps_everything_and_is_named(machine) -> None:
    here = machine("here")
    damaged, gone = realised(here, "damaged"), realised(here, "gone")
    (gone / "breakbulk.lock").unlink()
    lock = (damaged / "breakbulk.lock").read_text()
    before = packages(here)
    for text in ("not a lock", lock.replace('"lock-version": 1', '"lock-version": 999')):
        (damaged / "breakbulk.lock").write_text(text)
        collected = gc(here)
        assert collected.removed == ()
        assert str(damaged / "breakbulk.lock") in collected.faults[0]
        assert packages(here) == before
    (damaged / "breakbulk.lock").write_text(lock)
    assert len(tools(gc(here))) == 1


def test_a_pin_keeps_what_no_project_needs_until_it_is_taken_back(machine) -> None:
    here = machine("here")
    project = realised(here, "pinned")
    lock = here.open(project).read_lock()
    pin(layout_of(here), "release", lock)
    (project / "breakbulk.lock").unlink()
    assert gc(here).removed == ()
    assert list(why_kept(layout_of(here), "tool", lambda: NOTHING).values()) == [["pin release"]]
    unpin(layout_of(here), "release")
    assert len(tools(gc(here))) == 1


def test_of_an_environment_of_a_hub_the_last_used_stay(machine) -> None:
    here, there = machine("here"), machine("there")
    project = here.project()
    for number in range(1, 6):
        (project / "tool" / "data").write_text(f"{number}\n")
        here.push(project)
        remote = RemoteEnvironment.open("ada/tool", there.settings, there)
        remote.realise()
        digest = remote.recorded.change.digest.removeprefix("sha256:")
        root = layout_of(there).roots / "environments" / "ada~tool" / digest
        os.utime(root, (number, number))
    assert len(packages(there)) == 6
    assert len(tools(gc(there, history=3))) == 2
    assert len(list(read_roots(layout_of(there)))) == 3
    assert len(tools(gc(there, history=1))) == 2
    assert len(packages(there)) == 2


def test_a_bundle_stays_while_one_lock_needs_all_of_it_and_counts_as_its_trees_when_mounted(machine) -> None:
    here = machine("here")
    projects = [realised(here, name) for name in ("one", "two")]
    layout = layout_of(here)
    trees = sorted(layout.packages.glob("*-tool-*"))
    base = next(path for path in layout.packages.iterdir() if path not in trees)
    alone, mixed = (bundled(layout, some, most=1)[0] for some in ([base, trees[0]], trees))
    collected = gc(here)
    assert [removed.directory for removed in collected.removed] == [mixed.name]
    assert alone.is_dir()
    assert not (layout.records / mixed.name).exists()
    for project in projects:
        (project / "breakbulk.lock").unlink()
    in_use = Mounted(names=frozenset({alone.name}), unknown=False)
    assert len(gc(here, look=lambda: in_use).removed) == 1
    assert why_kept(layout, "tool", look=lambda: in_use) == {trees[0].name: ["it is mounted"]}
    gc(here)
    assert not [*layout.packages.iterdir(), *layout.bundles.iterdir(), *layout.records.iterdir()]


def test_no_more_is_removed_than_it_takes_oldest_first(machine) -> None:
    here = machine("here")
    for number in range(4):
        project = realised(here, f"p{number}", data="x" * 1000 + str(number))
        (project / "breakbulk.lock").unlink()
    records = sorted(layout_of(here).records.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for number, path in enumerate(records):
        os.utime(path, (number, number))
    collected = gc(here, free_bytes=1500)
    assert collected.size >= 1500
    assert {removed.directory for removed in collected.removed} == {
        path.name for path in records[: len(collected.removed)]
    }
    assert len(collected.removed) < len(records)


@pytest.mark.integration
def test_what_runs_stays_though_its_lock_is_gone(machine, tmp_path: Path) -> None:
    here = machine("here")
    project = realised(here, "running")
    lowers = here.open(project).realise().lowers
    started, ended = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            namespaces.isolate(user=namespaces.needs_user_namespace(), network=True)
            mount_overlay(lowers, tmp_path, user=namespaces.needs_user_namespace())
            os.write(started[1], b"x")
            os.read(ended[0], 1)
        finally:
            os._exit(0)
    os.read(started[0], 1)
    (project / "breakbulk.lock").unlink()
    try:
        collected = gc(here, look=mounted)
        assert collected.removed == ()
        assert len(collected.in_use) == 2
    finally:
        os.write(ended[1], b"x")
        os.waitpid(child, 0)
    assert len(tools(gc(here, look=mounted))) == 1


def test_what_is_mounted_in_the_last_moment_comes_back(machine) -> None:
    here = machine("here")
    (realised(here, "late") / "breakbulk.lock").unlink()
    [name] = [path.name for path in layout_of(here).packages.iterdir() if "-tool-" in path.name]
    looks = iter([NOTHING, Mounted(names=frozenset({name}), unknown=False)])
    collected = gc(here, look=lambda: next(looks))
    assert tools(collected) == []
    assert collected.in_use == (name,)
    assert (layout_of(here).packages / name).is_dir()
    assert (layout_of(here).records / name).is_file()


def test_a_mount_that_does_not_tell_its_packages_keeps_everything(machine) -> None:
    here = machine("here")
    (realised(here, "old") / "breakbulk.lock").unlink()
    collected = gc(here, look=lambda: Mounted(names=frozenset(), unknown=True))
    assert collected.removed == ()
    assert "does not tell" in collected.faults[0]


def test_realisations_and_collections_at_once_leave_every_realised_environment_whole(machine) -> None:
    here = machine("here")
    projects = [here.project(f"p{number}", data=f"{number}\n") for number in range(3)]
    for project in projects:
        here.open(project).realise()
    deadline, wrong = time.monotonic() + 5, []

    def work(project: Path) -> None:
        lock = project / "breakbulk.lock"
        while time.monotonic() < deadline and not wrong:
            lock.unlink(missing_ok=True)
            lowers = here.open(project).realise().lowers
            wrong.extend(lower for lower in lowers if not _is_whole(lower))

    threads = [threading.Thread(target=work, args=(project,)) for project in projects]
    for thread in threads:
        thread.start()
    rounds = removed = 0
    while time.monotonic() < deadline:
        removed += len(gc(here).removed)
        rounds += 1
    for thread in threads:
        thread.join()
    assert not wrong
    assert rounds > 5


def _is_whole(lower: Path) -> bool:
    return "-tool-" not in lower.name or (lower / "opt/tool/data").is_file()


KILLED = """
import os, signal, sys
from pathlib import Path
from breakbulk.store import milestones
from breakbulk.store.bundle import bundled
from breakbulk.store.collection import collect
from breakbulk.store.layout import Layout
milestones.observe(lambda name: name == sys.argv[2] and os.kill(os.getpid(), signal.SIGKILL))
collect(Layout(Path(sys.argv[1])), pause=lambda _: None)
"""


@pytest.mark.integration
@pytest.mark.parametrize("moment", ["collection-staged", "collection-hidden", "collection-removed"])
def test_a_collection_killed_anywhere_leaves_nothing_half_removed(machine, moment: str) -> None:
    here = machine("here")
    project = realised(here, "killed")
    (project / "breakbulk.lock").unlink()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(here.settings.store), moment], check=False)
    assert killed.returncode == -9
    for tree in layout_of(here).packages.glob("*-tool-*"):
        assert (tree / "opt/tool/data").read_text() == "killed\n"
    here.open(project).realise()
    [tree] = layout_of(here).packages.glob("*-tool-*")
    assert (tree / "opt/tool/data").read_text() == "killed\n"
    assert not list(layout_of(here).staging.iterdir())
    (project / "breakbulk.lock").unlink()
    gc(here)
    assert not list(layout_of(here).packages.iterdir())
    assert not list(layout_of(here).records.iterdir())
