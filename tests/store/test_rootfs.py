"""One overlay from 1 to 450 directories, by both ways of mounting, as root and as an ordinary user."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import give_to_nobody, in_child

from breakbulk.errors import PlatformError
from breakbulk.store import linux, namespaces
from breakbulk.store.removal import remove_tree
from breakbulk.store.rootfs import LAYERS_MAX, mount_overlay

pytestmark = pytest.mark.integration


def layers(directory: Path, count: int) -> list[Path]:
    trees = []
    for number in range(count):
        tree = directory / f"{number:03}-package"
        (tree / "opt").mkdir(parents=True)
        (tree / "opt" / f"of-{number}").write_text(str(number))
        (tree / "opt" / "shared").write_text(str(number))
        trees.append(tree)
    return trees


@pytest.fixture(scope="module")
def many() -> Iterator[Path]:
    """As many directories as any test wants, made once."""
    directory = Path(tempfile.mkdtemp(prefix="breakbulk-", dir="/dev/shm"))
    directory.chmod(0o755)
    layers(directory, 450)
    (directory / "target").mkdir()
    give_to_nobody(directory)
    yield directory
    remove_tree(directory)


def seen(trees, target, method, user, *, upper=None, work=None):
    """Mount in namespaces of one's own; return the names in opt, the shared file, and whether it can be written."""
    namespaces.isolate(user=user, network=True)
    mount_overlay(trees, target, upper=upper, work=work, user=user, method=method)
    try:
        (target / "opt" / "new").write_text("written")
        writable = True
    except OSError:
        writable = False
    return sorted(os.listdir(target / "opt")), (target / "opt" / "shared").read_text(), writable


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
@pytest.mark.parametrize("method", ["layers", "options", None])
@pytest.mark.parametrize("count", [1, 2, 200, 450])
def test_every_directory_is_seen_and_the_first_wins(many, count, method, user):
    target = many / "target"
    trees = sorted(many.glob("*-package"))[:count]
    names, shared, writable = in_child(seen, trees, target, method, user, user=user)
    assert set(names) == {"shared", *(f"of-{number}" for number in range(count))}
    assert shared == "0"
    assert not writable
    assert os.listdir(target) == []


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
@pytest.mark.parametrize("method", ["layers", "options"])
def test_changes_go_to_the_upper_directory(open_directory, method, user):
    trees = layers(open_directory, 1)
    upper, work, target = (open_directory / name for name in ("upper, with: all", "work", "target"))
    for directory in (upper, work, target):
        directory.mkdir()
    give_to_nobody(open_directory)
    names, _, writable = in_child(lambda: seen(trees, target, method, user, upper=upper, work=work), user=user)
    assert writable
    assert "new" in names
    assert (upper / "opt" / "new").read_text() == "written"
    assert not (trees[0] / "opt" / "new").exists()


@pytest.mark.parametrize("method", ["layers", "options"])
def test_paths_longer_than_an_option_of_fsconfig(open_directory, method):
    deep = open_directory / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    target = open_directory / "target"
    target.mkdir()
    names, _, _ = in_child(seen, layers(deep, 3), target, method, os.geteuid() != 0)
    assert {"of-0", "of-1", "of-2"} <= set(names)


def test_a_missing_directory_is_named(tmp_path):
    trees = [*layers(tmp_path, 2), tmp_path / "gone"]
    with pytest.raises(PlatformError) as raised:
        in_child(seen, trees, tmp_path, None, os.geteuid() != 0)
    assert raised.value.reference == "overlay-unavailable"
    assert "gone is missing" in raised.value.hint


def test_more_layers_than_the_kernel_takes_are_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="501"):
        mount_overlay([tmp_path] * (LAYERS_MAX + 1), tmp_path, user=False)


def mount_without_namespaces(trees, target):
    mount_overlay(trees, target, user=True)


def test_without_the_right_to_mount_the_error_says_what_to_do(open_directory):
    with pytest.raises(PlatformError) as raised:
        in_child(mount_without_namespaces, layers(open_directory, 2), open_directory, user=True)
    assert raised.value.reference == "overlay-unavailable"
    assert "5.11" in raised.value.hint


def isolate_where_none_are_allowed():
    uid = os.geteuid()
    linux.unshare(linux.CLONE_NEWUSER)
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1\n", encoding="utf-8")
    Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="utf-8")
    namespaces.isolate(user=True, network=True)


def test_without_user_namespaces_the_error_names_the_sysctl():
    with pytest.raises(PlatformError) as raised:
        in_child(isolate_where_none_are_allowed, user=True)
    assert raised.value.reference == "user-namespaces-unavailable"
    assert "user.max_user_namespaces" in raised.value.hint


def test_an_ordinary_user_without_a_user_namespace_is_told():
    with pytest.raises(PlatformError) as raised:
        in_child(lambda: namespaces.isolate(user=False, network=True), user=True)
    assert raised.value.reference == "namespaces-unavailable"
