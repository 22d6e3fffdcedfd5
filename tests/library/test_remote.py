"""Environments of a hub, run by name on a machine that has nothing but the hub."""

import shutil
from pathlib import Path

import pytest

from breakbulk.errors import BreakbulkError, IntegrityError, LockError, NetworkError, NotFoundError, UsageError
from breakbulk.library import Environment
from breakbulk.library.opening import open_environment
from breakbulk.library.remote import RemoteEnvironment
from breakbulk.store.layout import Layout


def remote(machine, name: str = "ada/tool") -> RemoteEnvironment:
    return RemoteEnvironment.open(name, machine.settings, machine)


def the_data(machine, name: str = "ada/tool") -> str:
    """Realise an environment and return what its source holds."""
    lowers = remote(machine, name).realise().lowers
    return next(path for lower in lowers for path in lower.glob("opt/tool/data")).read_text()


def test_what_is_pushed_here_is_realised_there(machine) -> None:
    here, there = machine("here"), machine("there")
    pushed = here.push(here.project())
    assert the_data(there) == "one\n"
    found = remote(there)
    assert found.place == "ada/tool:1"
    assert found.manifest.vars == {"COLOUR": "blue"}
    assert found.recorded == pushed.recorded
    assert found.outdated(found.read_lock()) is None


def test_a_generation_a_digest_and_what_is_live_are_told_apart(machine) -> None:
    here, there = machine("here"), machine("there")
    project = here.project()
    first = here.push(project).recorded.change.digest
    (project / "tool" / "data").write_text("two\n")
    here.push(project)
    assert the_data(there) == "two\n"
    assert the_data(there, "ada/tool:1") == "one\n"
    assert the_data(there, f"ada/tool@{first}") == "one\n"
    with pytest.raises(NotFoundError) as refused:
        the_data(there, "ada/tool:3")
    assert refused.value.reference == "generation-unknown"


def test_what_is_used_is_a_root_of_the_store(machine) -> None:
    here, there = machine("here"), machine("there")
    digest = here.push(here.project()).recorded.change.digest
    remote(there).realise()
    roots = Layout(there.settings.store).roots
    assert (roots / "environments" / "ada~tool" / digest.removeprefix("sha256:")).is_file()


def test_a_directory_goes_before_a_name_and_an_absent_one_is_never_one_above(machine, monkeypatch) -> None:
    here = machine("here")
    project = here.project()
    here.push(project)
    monkeypatch.chdir(project)
    assert isinstance(open_environment("ada/tool", here.settings), RemoteEnvironment)
    assert isinstance(open_environment("ada/tool:1", here.settings), RemoteEnvironment)
    (project / "ada" / "tool").mkdir(parents=True)
    assert isinstance(open_environment("ada/tool", here.settings), Environment)
    for word in ("./absent", "absent", "/absent/at/all", "../absent"):
        with pytest.raises(NotFoundError) as refused:
            open_environment(word, here.settings)
        assert refused.value.reference == "directory-missing"
    for word in ("Ada/Tool:1", "ada/tool:0", "ada/tool@sha256:12", "ada/tool/more@3"):
        with pytest.raises(UsageError) as wrong:
            open_environment(word, here.settings)
        assert wrong.value.reference == "reference-invalid"


def test_a_name_that_is_nothing_says_that_it_is_no_directory_either(machine) -> None:
    with pytest.raises(NotFoundError) as refused:
        remote(machine("here"), "exampels/hello").read_lock()
    assert refused.value.reference == "environment-unknown"
    assert "directory exampels/hello" in str(refused.value)


def unreachable(machine, monkeypatch) -> None:
    """Let the hub answer nothing any more."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise NetworkError("the hub does not answer", identifier="hub-unreachable", where="hub")

    for method in ("get", "stream", "list", "stat", "create", "replace", "local"):
        monkeypatch.setattr(f"breakbulk.hub.backends.directory.DirectoryObjects.{method}", refuse)


def test_without_the_hub_what_is_pinned_and_was_met_goes_on_and_a_name_alone_does_not(machine, monkeypatch) -> None:
    here, there = machine("here"), machine("there")
    digest = here.push(here.project()).recorded.change.digest
    the_data(there)
    unreachable(there, monkeypatch)
    assert the_data(there, "ada/tool:1") == "one\n"
    assert the_data(there, f"ada/tool@{digest}") == "one\n"
    with pytest.raises(NetworkError) as refused:
        the_data(there, "ada/tool")
    assert refused.value.reference == "hub-unreachable"
    assert "-e ada/tool:1" in str(refused.value.hint)
    with pytest.raises(NetworkError) as unknown:
        the_data(there, "ada/tool:2")
    assert ":1" in str(unknown.value.hint)
    with pytest.raises(NetworkError):
        the_data(there, "ada/other:1")


def objects(machine) -> list[Path]:
    return [path for path in Path(machine.settings.hub, "objects").rglob("*") if path.is_file()]


def spoil(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"?" + data[1:], lambda _: b""])
@pytest.mark.parametrize("kind", ["lock", "manifest"])
def test_a_damaged_document_is_named_with_its_environment(machine, damage, kind, tmp_path) -> None:
    from breakbulk.hub.names import parse_reference
    from breakbulk.library.pulling import pull

    here, there = machine("here"), machine("there")
    blob = getattr(here.push(here.project()).recorded.change, kind)
    path = next(path for path in objects(here) if path.name == blob.sha256)
    spoil(path, damage(path.read_bytes()))
    with pytest.raises(IntegrityError) as refused:
        pull(parse_reference("ada/tool"), tmp_path, there.settings, there)
    assert refused.value.reference == "digest-mismatch"
    assert "ada/tool:1" in str(refused.value)
    assert blob.sha256 in str(refused.value)
    assert not (tmp_path / "breakbulk.lock").exists()


def test_a_lock_of_another_environment_is_refused(machine) -> None:
    import msgspec

    from breakbulk.hub.hub import Hub
    from breakbulk.library.remote import open_remembering

    here, there = machine("here"), machine("there")
    project = here.project()
    change = here.push(project).recorded.change
    (project / "tool" / "data").write_text("two\n")
    here.push(project)
    hub = Hub(open_remembering(here.settings).objects)

    def forged(current):
        return msgspec.structs.replace(
            current.change, number=3, generation=3, generations=3, previous=2, lock=change.lock, parent=current.sha256
        )

    hub.commit("ada/tool", forged)
    with pytest.raises(IntegrityError) as refused:
        remote(there).realise()
    assert "ada/tool:3" in str(refused.value)


def test_a_lock_of_a_later_version_says_which_environment_needs_a_newer_program(machine, monkeypatch) -> None:
    here, there = machine("here"), machine("there")
    monkeypatch.setattr("breakbulk.ecosystems.resolving.LOCK_VERSION", 2)
    monkeypatch.setattr("breakbulk.lock.files.LOCK_VERSION", 2)
    here.push(here.project())
    monkeypatch.undo()
    with pytest.raises(LockError) as refused:
        remote(there).read_lock()
    assert refused.value.reference == "lock-newer"
    assert "ada/tool:1" in str(refused.value)


BASE = """\
[install]
tool = { path = "./tool", destination = "/srv" }
[vars]
COLOUR = "red"
SIZE = "1"
[options]
base = "none"
systems = ["x86_64-linux", "aarch64-linux"]
"""
COMPOSER = """\
[include]
environments = ["ada/base"]
[vars]
COLOUR = "green"
"""


def composer(machine, text: str = COMPOSER) -> Path:
    directory = machine.directory / "composer"
    directory.mkdir()
    (directory / "breakbulk.toml").write_text(text)
    return directory


def test_an_included_environment_comes_whole_and_stays_until_it_is_moved(machine) -> None:
    here, there = machine("here"), machine("there")
    base = here.project("base", BASE, data="one\n")
    here.push(base, "ada/base")
    project = composer(there)
    lock = there.open(project).relock().lock
    assert lock.includes["ada/base"].generation == 1
    assert lock.manifest["vars"] == {"COLOUR": "green", "SIZE": "1"}
    assert [package.source for package in lock.systems["x86_64-linux"].packages] == ["tool"]
    (base / "tool" / "data").write_text("two\n")
    (base / "breakbulk.toml").write_text(BASE.replace('"1"', '"2"'))
    here.push(base, "ada/base")
    assert there.open(project).outdated(lock) is None
    assert not there.open(project).relock().changed
    moved = there.open(project).relock(upgrade=frozenset({"ada/base"}))
    assert moved.lock.includes["ada/base"].generation == 2
    assert moved.lock.manifest["vars"]["SIZE"] == "2"
    lowers = there.open(project).realise().lowers
    assert [path.read_text() for lower in lowers for path in lower.glob("srv/data")] == ["two\n"]


def test_upgrading_everything_moves_includes_as_well(machine) -> None:
    here, there = machine("here"), machine("there")
    base = here.project("base", BASE)
    here.push(base, "ada/base")
    project = composer(there)
    there.open(project).relock()
    (base / "tool" / "data").write_text("two\n")
    here.push(base, "ada/base")
    assert there.open(project).relock(upgrade=frozenset({"tool"})).lock.includes["ada/base"].generation == 1
    assert there.open(project).relock(upgrade=frozenset()).lock.includes["ada/base"].generation == 2


def test_an_unchanged_lock_asks_no_hub_for_what_it_includes(machine, monkeypatch) -> None:
    here, there = machine("here"), machine("there")
    here.push(here.project("base", BASE), "ada/base")
    project = composer(there)
    there.open(project).realise()
    unreachable(there, monkeypatch)
    assert there.open(project).realise().made == 0
    assert not there.open(project).relock().changed
    shutil.rmtree(there.settings.cache)
    with pytest.raises(NetworkError):
        there.open(project).relock()
    monkeypatch.undo()
    assert not there.open(project).relock().changed


def test_a_generation_of_an_include_is_held(machine) -> None:
    here, there = machine("here"), machine("there")
    base = here.project("base", BASE)
    here.push(base, "ada/base")
    (base / "tool" / "data").write_text("two\n")
    here.push(base, "ada/base")
    project = composer(
        there, COMPOSER.replace('"ada/base"', '{ remote = "ada/base", generation = 1, name = "ground" }')
    )
    lock = there.open(project).relock().lock
    assert {name: include.generation for name, include in lock.includes.items()} == {"ada/base:1": 1}
    assert not there.open(project).relock(upgrade=frozenset({"ada/base"})).changed


@pytest.mark.parametrize(
    ("written", "identifier"), [("ada/none", "environment-unknown"), ("ada/base:9", "generation-unknown")]
)
def test_an_include_that_is_not_there_is_named(machine, written, identifier) -> None:
    here = machine("here")
    here.push(here.project("base", BASE), "ada/base")
    with pytest.raises(BreakbulkError) as refused:
        here.open(composer(here, COMPOSER.replace("ada/base", written))).relock()
    assert refused.value.reference == identifier


def test_a_composer_is_pushed_and_realised_elsewhere_with_the_sources_of_what_it_includes(machine) -> None:
    here, there, elsewhere = machine("here"), machine("there"), machine("elsewhere")
    here.push(here.project("base", BASE), "ada/base")
    there.push(composer(there), "bob/app")
    lowers = remote(elsewhere, "bob/app").realise().lowers
    assert [path.read_text() for lower in lowers for path in lower.glob("srv/data")] == ["one\n"]
