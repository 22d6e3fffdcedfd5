"""From an example on one machine to its command on another, which has nothing but the hub: as users type it."""

import os
import shutil
from pathlib import Path

import pytest
from shell_machines import Machine, without_indices

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).parents[2] / "examples" / "hello"
SERVICE = """
[services]
clock.command = "echo $BREAKBULK_ENV; while sleep 0.1; do :; done"
clock.ready.command = "true"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def here(place: Path, shared_cache: Path) -> Machine:
    """The machine that has the example, and pushes it."""
    home = os.environ.get("HOME", "/root")
    made = Machine(place / "here", BREAKBULK_CACHE=str(shared_cache), HOME=home)
    shutil.copytree(EXAMPLE, made.work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".breakbulk", "*.lock"))
    manifest = made.work / "breakbulk.toml"
    manifest.write_text(manifest.read_text().replace(', "aarch64-linux"', "") + SERVICE)
    made("push", "ada/hello", "--message", "the first")
    return made


@pytest.fixture
def there(place: Path, tmp_path: Path) -> Machine:
    """A machine whose store and directory are empty, and for which every index is unreachable."""
    return Machine(tmp_path / "there", BREAKBULK_HUB=str(place / "hub"), **without_indices(tmp_path))


def test_what_is_pushed_here_runs_there_without_any_index(here: Machine, there: Machine) -> None:
    shown = there("run", "-e", "ada/hello", "--", "hello").stdout
    assert "Hello from an overlay" in shown
    assert not list(there.work.iterdir())
    assert "@" in there("store", "path", "-e", "ada/hello", "coreutils").stdout
    installed = there.document("list", "-e", "ada/hello", "--all")["packages"]
    assert all(package["installed"] for package in installed)
    trees = there.document("store", "list")["packages"]
    assert all(package["vouched"] for package in trees if package["name"] != "base")
    ours = {package["key"]: package["tree"] for package in here.document("store", "list")["packages"]}
    assert len(trees) > 30
    assert all(ours[package["key"]] == package["tree"] for package in trees)


def test_it_is_changed_compared_and_taken_back(here: Machine, there: Machine) -> None:
    manifest = here.work / "breakbulk.toml"
    before = manifest.read_text()
    number = here.document("push", "ada/hello")["generation"]
    try:
        manifest.write_text(before.replace("an overlay", "a generation"))
        here("install", "deb:tree")
        pushed = here.document("push", "ada/hello", "-m", "with tree")
        assert pushed["generation"] == number + 1
        assert pushed["packages_made"] == 1
        changed = there.document("diff", f"ada/hello:{number}", "ada/hello")
        assert [change["id"] for change in changed["added"]] == ["deb:tree"]
        assert "Hello from a generation" in there("run", "-e", "ada/hello", "--", "hello").stdout
        there("run", "-e", "ada/hello", "--", "tree", "--version")
        there("rollback", "ada/hello")
        assert "Hello from an overlay" in there("run", "-e", "ada/hello", "--", "hello").stdout
        there("run", "-e", "ada/hello", "--", "tree", "--version", code=127)
        there("run", "-e", f"ada/hello:{number + 1}", "--", "tree", "--version")
    finally:
        manifest.write_text(before)


def test_the_current_directory_is_the_project_and_state_is_kept_elsewhere(here: Machine, there: Machine) -> None:
    (there.work / "mine").write_text("here\n")
    script = "cat mine; pwd; echo $FLOX_ENV_PROJECT $BREAKBULK_ENV; touch $FLOX_ENV_CACHE/kept"
    shown = there("run", "-e", "ada/hello", "--", "sh", "-c", script).stdout.splitlines()
    assert shown == ["here", str(there.work), f"{there.work} ada/hello"]
    there("run", "-e", "ada/hello", "--", "sh", "-c", "test -f $FLOX_ENV_CACHE/kept")
    assert [path.name for path in there.work.iterdir()] == ["mine"]
    assert there("run", "-e", "ada/hello", "--", "pwd", directory=Path("/")).stdout == "/\n"


def test_services_of_an_environment_of_a_hub_start_and_end(here: Machine, there: Machine) -> None:
    there("services", "start", "-e", "ada/hello")
    try:
        [clock] = there.document("services", "status", "-e", "ada/hello")["services"]
        assert clock["state"] in {"running", "ready"}
        assert "ada/hello" in there("services", "logs", "clock", "-e", "ada/hello").stdout
    finally:
        there("services", "stop", "-e", "ada/hello")
    assert not list(there.work.iterdir())


def test_a_pulled_environment_runs_changes_and_is_pushed_on(here: Machine, there: Machine) -> None:
    there("pull", "ada/hello")
    assert "Hello from an overlay" in there("run", "--locked", "--", "hello").stdout
    there.variables = here.variables | {"BREAKBULK_STORE": str(there.store)}  # to lock, indices are asked
    manifest = there.work / "breakbulk.toml"
    manifest.write_text(manifest.read_text().replace("an overlay", "elsewhere"))
    assert there("push", "bob/hello").stdout.startswith("pushed bob/hello:1")
    assert "Hello from elsewhere" in here("run", "-e", "bob/hello", "--", "hello").stdout


def test_a_shell_script_sees_which_environment_is_wrong(here: Machine, there: Machine, place: Path) -> None:
    change = here.document("show", "ada/hello")
    assert change["live"] or change
    archive = next(path for path in (place / "hub" / "objects").rglob("*") if path.stat().st_size > 500_000)
    data = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(data[:-100])
    try:
        failed = there("realise", "-e", "ada/hello", code=71)
        assert archive.name in failed.stderr
        assert "ada/hello" in failed.stderr
    finally:
        archive.unlink()
        archive.write_bytes(data)
    there("realise", "-e", "ada/hello")
