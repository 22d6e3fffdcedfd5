"""A mirror is all that a machine needs: every index is unreachable, and so is the hub it was copied from."""

import os
import shutil
from pathlib import Path

import pytest
from shell_machines import Machine, without_indices

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).parents[2] / "examples" / "hello"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """A hub with a copy of `ada/hello`, its archives too; the hub it was pushed to is gone."""
    place = tmp_path_factory.mktemp("mirror")
    home = os.environ.get("HOME", "/root")
    here = Machine(place / "here", BREAKBULK_CACHE=str(shared_cache), HOME=home)
    shutil.copytree(EXAMPLE, here.work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".breakbulk", "*.lock"))
    manifest = here.work / "breakbulk.toml"
    manifest.write_text(manifest.read_text().replace(', "aarch64-linux"', ""))
    here("push", "ada/hello")
    copied = here.document("hub", "mirror", "ada/hello", "--to", str(place / "mirror"), "--archives")
    again = here.document("hub", "mirror", "ada/hello", "--to", str(place / "mirror"), "--archives")
    assert copied["environments"][0]["objects_sent"] > 60  # each package prepared, and its archive
    assert again["environments"][0]["objects_sent"] == 0
    shutil.rmtree(place / "hub")
    return place / "mirror"


def test_prepared_packages_of_a_mirror_run_without_any_index(mirror: Path, tmp_path: Path) -> None:
    there = Machine(tmp_path / "there", BREAKBULK_HUB=str(mirror), **without_indices(tmp_path))
    assert "Hello from an overlay" in there("run", "-e", "ada/hello", "--", "hello").stdout


def test_archives_of_a_mirror_become_the_same_trees_without_any_index(mirror: Path, tmp_path: Path) -> None:
    prepared = Machine(tmp_path / "prepared", BREAKBULK_HUB=str(mirror), **without_indices(tmp_path))
    prepared("realise", "-e", "ada/hello")
    bare = tmp_path / "bare"
    shutil.copytree(mirror, bare)
    for tree in (bare / "prepared").iterdir():
        for pointer in tree.iterdir():
            sha256 = pointer.read_text().split('"sha256":"')[1][:64]
            (bare / "objects" / sha256[:2] / sha256).unlink()
    archives = Machine(tmp_path / "archives", BREAKBULK_HUB=str(bare), **without_indices(tmp_path))
    assert "Hello from an overlay" in archives("run", "-e", "ada/hello", "--", "hello").stdout

    def trees(machine: Machine) -> dict[str, str]:
        return {package["key"]: package["tree"] for package in machine.document("store", "list")["packages"]}

    assert len(trees(archives)) > 30
    assert trees(archives) == trees(prepared)
