"""Bundles show exactly what an overlay of their trees would show, few layers are left, and 600 packages mount."""

import os
import random
from pathlib import Path

import pytest
from children import give_to_nobody, in_child

from breakbulk.store import bundle, namespaces
from breakbulk.store.bundle import bundled, is_merged, merged, trees_of
from breakbulk.store.layout import Layout
from breakbulk.store.rootfs import mount_overlay


def scattered(directory: Path, count: int, seed: int) -> list[Path]:
    """Trees whose paths are now files, now links, now directories."""
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    trees = []
    for number in range(count):
        tree = directory / f"{seed}-{number:03}"
        tree.mkdir()
        for _ in range(6):
            path = tree.joinpath(*chance.choices("abc", k=chance.randint(1, 3)))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if chance.random() < 0.3:
                    path.symlink_to(f"to-{number}")
                elif chance.random() < 0.3:
                    path.mkdir(mode=0o750)
                else:
                    path.write_text(f"{number}")
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue
        trees.append(tree)
    return trees


def snapshot(root: Path) -> dict[str, tuple[str, str]]:
    shown = {}
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = Path(directory, name)
            relative = str(path.relative_to(root))
            if path.is_symlink():
                shown[relative] = ("link", str(path.readlink()))
            elif path.is_dir():
                shown[relative] = ("directory", oct(path.stat().st_mode))
            else:
                shown[relative] = ("file", path.read_text())
    return shown


def shown_by_overlay(trees, target, user):
    namespaces.isolate(user=user, network=True)
    mount_overlay(trees, target, user=user)
    return snapshot(target)


@pytest.fixture
def layout(open_directory):
    made = Layout(open_directory / "store")
    made.prepare()
    return made


def test_few_trees_stay_as_they_are(layout, tmp_path):
    trees = scattered(tmp_path, 5, 1)
    assert bundled(layout, trees, most=5) == tuple(trees)
    assert list(layout.bundles.iterdir()) == []


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(8))
def test_what_wins_in_a_bundle_is_what_wins_in_an_overlay(layout, tmp_path, seed):
    trees = scattered(tmp_path, 12, seed)
    target = tmp_path / "target"
    target.mkdir()
    kept = bundled(layout, trees, most=1)
    assert len(kept) == 1
    assert snapshot(kept[0]) == in_child(shown_by_overlay, trees, target, os.geteuid() != 0)


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_an_overlay_of_merged_runs_shows_what_one_of_all_trees_does(layout, open_directory, monkeypatch, seed, user):
    monkeypatch.setattr(bundle, "_FEW", 2)
    monkeypatch.setattr(bundle, "_RUN", 3)
    trees = scattered(open_directory, 12, seed)
    targets = [open_directory / name for name in ("before", "after")]
    for target in targets:
        target.mkdir()
    give_to_nobody(open_directory)

    def shown():
        few = merged(layout, trees)
        namespaces.isolate(user=user, network=True)
        for lowers, target in zip((trees, few), targets, strict=True):
            mount_overlay(lowers, target, user=user)
        return len(few), *map(snapshot, targets)

    layers, before, after = in_child(shown, user=user)
    assert layers < 12
    assert after == before


def test_a_bundle_costs_no_content_and_is_made_once(layout, tmp_path):
    for path in ("one/usr/file", "one/etc/crontab", "two/usr/other"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("text")
    (tmp_path / "one" / "etc" / "link").symlink_to("crontab")
    first = bundled(layout, [tmp_path / "one", tmp_path / "two"], most=1)
    assert (first[0] / "usr" / "file").stat().st_ino == (tmp_path / "one" / "usr" / "file").stat().st_ino
    before = first[0].stat()
    assert bundled(layout, [tmp_path / "one", tmp_path / "two"], most=1) == first
    assert first[0].stat().st_ctime_ns == before.st_ctime_ns
    assert list(layout.staging.iterdir()) == []
    assert bundled(layout, [tmp_path / "two", tmp_path / "one"], most=1) != first


def test_files_of_etc_keep_one_name_and_are_the_same_otherwise(layout, tmp_path):
    """cron(8) takes no table with more than one link."""
    for name in ("one", "two"):
        (tmp_path / name / "etc").mkdir(parents=True)
    table, link = tmp_path / "one" / "etc" / "crontab", tmp_path / "one" / "etc" / "link"
    table.write_text("* * * * * root true")
    table.chmod(0o4640)
    link.symlink_to("crontab")
    os.utime(table, ns=(1, 2_000_000_001))
    os.setxattr(table, "user.key", b"value")
    if os.geteuid() == 0:
        os.chown(table, 7, 8)
        os.lchown(link, 7, 8)
        table.chmod(0o4640)
    [merged_tree] = bundled(layout, [tmp_path / "one", tmp_path / "two"], most=1)
    for path, copied in ((table, merged_tree / "etc" / "crontab"), (link, merged_tree / "etc" / "link")):
        was, now = path.lstat(), copied.lstat()
        assert (now.st_nlink, now.st_ino == was.st_ino) == (1, False)
        assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
        assert now.st_mtime_ns == was.st_mtime_ns
    assert (merged_tree / "etc" / "crontab").read_text() == table.read_text()
    assert os.getxattr(merged_tree / "etc" / "crontab", "user.key") == b"value"
    assert (merged_tree / "etc" / "link").readlink() == Path("crontab")


@pytest.mark.integration
@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_six_hundred_packages_mount(layout, open_directory, user):
    trees = []
    for number in range(600):
        tree = layout.packages / f"{number:032}"
        tree.mkdir()
        (tree / f"of-{number}").touch()
        trees.append(tree)
    target = open_directory / "target"
    target.mkdir()
    give_to_nobody(open_directory)

    def mounted():
        return shown_by_overlay(bundled(layout, trees), target, user)

    assert len(in_child(mounted, user=user)) == 600
    assert 1 < len(bundled(layout, trees)) < 100


def packages(layout: Layout, *versions: int) -> list[Path]:
    """Trees as they are called in a store, each with one file; the number is the version of each."""
    trees = [layout.packages / f"{number:02}{version:030}-p{number}" for number, version in enumerate(versions)]
    for tree in trees:
        (tree / "usr").mkdir(parents=True, exist_ok=True)
        (tree / "usr" / tree.name).touch()
    return trees


def test_merged_layers_are_few_and_tell_what_they_were_made_of(layout):
    trees = packages(layout, *[0] * 90)
    assert not is_merged(trees)
    assert merged(layout, trees, make=False) == tuple(trees)
    few = merged(layout, trees)
    assert len(few) < 20
    assert is_merged(few)
    assert trees_of(layout, few) == tuple(trees)
    assert merged(layout, few) == few == merged(layout, trees, make=False)
    assert list(layout.staging.iterdir()) == []


def test_another_version_of_one_package_shares_all_bundles_but_one(layout):
    versions = [0] * 90
    before = set(merged(layout, packages(layout, *versions)))
    versions[40] = 1
    after = merged(layout, packages(layout, *versions), make=False)
    assert len(before - set(after)) == 1
    assert not is_merged(after)
    assert trees_of(layout, after) == tuple(packages(layout, *versions))
    whole = merged(layout, after)
    assert is_merged(whole)
    assert len(whole) < 25


def test_few_layers_are_not_merged(layout):
    trees = packages(layout, *[0] * 16)
    assert is_merged(trees)
    assert merged(layout, trees) == tuple(trees)


@pytest.mark.parametrize("damage", ["", "another\n"])
def test_a_bundle_with_a_damaged_record_stays_one_layer(layout, damage):
    few = merged(layout, packages(layout, *[0] * 90))
    made = next(path for path in few if path.parent == layout.bundles)
    (layout.records / made.name).write_text(damage)
    assert made in trees_of(layout, few)
    assert is_merged(few)
