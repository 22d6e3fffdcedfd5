"""Pushing a directory: what is sent, what is not sent again, who may follow whom."""

import os
import threading
from pathlib import Path

import msgspec
import pytest

from breakbulk.errors import HubError, IntegrityError, UsageError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.records import Blob
from breakbulk.library.remote import RemoteEnvironment, open_remembering
from breakbulk.store.layout import Layout


def files(machine) -> dict[str, bytes]:
    """Return every object of the hub but what is derived from the changes."""
    top = Path(machine.settings.hub)
    found = {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}
    return {key: data for key, data in found.items() if not key.startswith("index/")}


def hub_of(machine) -> Hub:
    return Hub(open_remembering(machine.settings).objects)


def test_a_push_allots_generations_and_says_what_was_sent(machine) -> None:
    here = machine("here")
    project = here.project()
    first = here.push(project)
    assert (first.recorded.change.generation, first.new, first.made, first.prepared) == (1, True, 1, 1)
    assert first.bytes_sent == sum(
        len(path.read_bytes()) for path in Path(here.settings.hub).rglob("*") if path.is_file()
    )
    (project / "tool" / "data").write_text("two\n")
    second = here.push(project)
    assert second.recorded.change.generation == 2
    assert second.recorded.change.previous == 1
    assert [recorded.change.generation for recorded in hub_of(here).history("ada/tool")] == [1, 2]


def test_what_a_change_names_is_what_is_there(machine) -> None:
    here = machine("here")
    change = here.push(here.project()).recorded.change
    there = files(here)
    named = {
        change.lock.sha256,
        change.manifest.sha256,
        *(blob.sha256 for blob in change.archives),
        *(blob.sha256 for blob in change.prepared.values()),
        *(package.blob.sha256 for package in hub_of(here).prepared(change, "x86_64-linux").packages.values()),
    }
    assert {key.rpartition("/")[2] for key in there if key.startswith("objects/")} == named
    assert there[object_key(change.manifest.sha256)].startswith(b"# the tool of the team")
    assert (change.installs, change.packages, change.author, change.host) == (("tool",), 1, "ada", "loom")
    assert not [key for key in there if key.startswith("leases/")]


def test_nothing_new_is_no_generation_unless_it_is_forced(machine) -> None:
    here = machine("here")
    project = here.project()
    here.push(project)
    before = files(here)
    again = here.push(project)
    assert (again.new, again.bytes_sent, again.objects_sent) == (False, 0, 0)
    assert again.recorded.change.generation == 1
    assert files(here) == before
    assert here.push(project, force=True).recorded.change.generation == 2
    (project / "breakbulk.toml").write_text((project / "breakbulk.toml").read_text() + "# a remark\n")
    assert here.push(project).recorded.change.generation == 3


def test_a_second_environment_sends_only_what_is_its_own(machine) -> None:
    here, there = machine("here"), machine("there")
    shared = {f"part{number}": os.urandom(20_000).hex() for number in range(9)}
    manifest = "[install]\n" + "".join(f'p{n} = {{ path = "./parts/{n}" }}\n' for n in range(10))
    manifest += '[options]\nbase = "none"\nsystems = ["x86_64-linux"]\n'

    def project(machine, own: str) -> Path:
        directory = machine.project(manifest=manifest)
        for number, text in enumerate([*shared.values(), own]):
            (directory / "parts" / str(number)).mkdir(parents=True)
            (directory / "parts" / str(number) / "data").write_text(text)
        return directory

    first = here.push(project(here, os.urandom(20_000).hex()), "ada/one")
    second = there.push(project(there, os.urandom(20_000).hex()), "bob/two")
    assert first.made == 10
    assert second.made == 1
    assert second.bytes_sent < 0.15 * first.bytes_sent


def test_what_the_hub_has_lost_is_sent_again(machine) -> None:
    here, there = machine("here"), machine("there")
    project = here.project()
    here.push(project)
    before = files(here)
    for key in [key for key in before if key.startswith("objects/")]:
        Path(here.settings.hub, key).unlink()
    again = here.push(project)
    assert not again.new
    assert files(here) == before
    for key in [key for key in before if key.startswith("objects/")]:
        path = Path(here.settings.hub, key)
        path.unlink()
        path.write_bytes(before[key][:-1])
        here.push(project)
        assert files(here) == before, key
    documents = (again.recorded.change.lock, again.recorded.change.manifest, *again.recorded.change.prepared.values())
    for blob in documents:
        path = Path(here.settings.hub, object_key(blob.sha256))
        path.unlink()
        path.write_bytes(b"?" + before[object_key(blob.sha256)][1:])
    here.push(project)
    assert files(here) == before
    assert RemoteEnvironment.open("ada/tool", there.settings, there).realise().packages == 1


def test_nobody_undoes_the_push_of_another_unnoticed(machine) -> None:
    here, there = machine("here"), machine("there")
    mine, theirs = here.project(), there.project(data="other\n")
    here.push(mine)
    there.push(theirs)
    (mine / "tool" / "data").write_text("two\n")
    with pytest.raises(HubError) as refused:
        here.push(mine)
    assert refused.value.reference == "push-diverged"
    assert "breakbulk diff ada/tool:1 ada/tool:2" in str(refused.value.hint)
    assert here.push(mine, force=True).recorded.change.generation == 3


def test_a_push_of_what_others_pushed_meanwhile_is_no_divergence(machine) -> None:
    here, there = machine("here"), machine("there")
    mine, theirs = here.project(), there.project()
    here.push(mine)
    (mine / "tool" / "data").write_text("two\n")
    (theirs / "tool" / "data").write_text("two\n")
    there.push(theirs)
    assert not here.push(mine).new


def test_two_who_push_at_once_get_a_generation_each(machine) -> None:
    machines = [machine(name) for name in ("one", "two", "three")]
    projects = [each.project(data=f"{each.directory.name}\n") for each in machines]
    begin, generations = threading.Barrier(3), []

    def push(each, project) -> None:
        begin.wait()
        generations.append(each.push(project).recorded.change.generation)

    threads = [threading.Thread(target=push, args=pair) for pair in zip(machines, projects, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(generations) == [1, 2, 3]
    assert len(hub_of(machines[0]).history("ada/tool")) == 3


def test_a_damaged_tree_is_never_published(machine) -> None:
    here = machine("here")
    project = here.project()
    here.open(project).realise()
    tree = next(Layout(here.settings.store).packages.iterdir())
    (tree / "opt" / "tool" / "data").write_text("bad\n")
    with pytest.raises(IntegrityError) as refused:
        here.push(project)
    assert refused.value.reference == "tree-damaged"
    assert not [key for key in files(here) if key.startswith("environments/")]


def test_a_pointer_to_what_is_not_there_costs_work_and_nothing_else(machine) -> None:
    here, there = machine("here"), machine("there")
    here.push(here.project())
    pointer = next(path for path in Path(here.settings.hub, "prepared").rglob("*") if path.is_file())
    pointer.unlink()
    pointer.write_bytes(msgspec.json.encode(Blob(sha256="0" * 64, size=7)))
    pushed = there.push(there.project(), "bob/tool")
    assert pushed.made == 1
    assert msgspec.json.decode(pointer.read_bytes(), type=Blob).sha256 != "0" * 64


def test_a_name_with_a_generation_cannot_be_pushed(machine) -> None:
    here = machine("here")
    with pytest.raises(UsageError) as refused:
        here.push(here.project(), "ada/tool:3")
    assert refused.value.reference == "reference-pinned"


def test_directories_that_are_included_are_merged_into_what_is_pushed(machine, tmp_path) -> None:
    from breakbulk.hub.names import parse_reference
    from breakbulk.library.pulling import pull

    here, there = machine("here"), machine("there")
    here.project("base")
    (here.directory / "app").mkdir()
    manifest = (
        '[include]\nenvironments = [{ dir = "../base" }]\n[hook]\non-activate = """\necho "a"\necho b\\\\c\n"""\n'
    )
    (here.directory / "app" / "breakbulk.toml").write_text(manifest)
    here.push(here.directory / "app", "ada/app")
    pulled = pull(parse_reference("ada/app"), tmp_path / "pulled", there.settings, there)
    assert "[include]" not in (tmp_path / "pulled" / "breakbulk.toml").read_text()
    environment = there.open(tmp_path / "pulled")
    assert environment.outdated(environment.read_lock()) is None
    assert environment.manifest.hook.on_activate == 'echo "a"\necho b\\c\n'
    assert pulled.absent == ("tool",)
