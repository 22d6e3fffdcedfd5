"""What somebody vouches for is believed where that somebody is: whole environments, pushed honestly and with a lie."""

import hashlib
from pathlib import Path

import pytest
from msgspec import structs

from breakbulk.ecosystems.interface import Entry
from breakbulk.hub.names import parse_reference
from breakbulk.library.pulling import pull
from breakbulk.library.remote import RemoteEnvironment
from breakbulk.store.collection import collect
from breakbulk.store.layout import Layout
from breakbulk.store.mounted import Mounted
from breakbulk.store.records import decode_record, encode_record, make_record

DATA = "opt/tool/data"
HONEST, LIE = "one\n", "lies\n"


def lie(machine, project: Path) -> None:
    """Have the store of a machine hold another tree than the archive becomes, in a way that no record tells."""
    machine.open(project).realise()
    layout = Layout(machine.settings.store)
    [record_path] = layout.records.glob("*-tool-*")
    record = decode_record(record_path.read_bytes(), record_path)
    path = layout.packages / record_path.name / DATA
    path.write_text(LIE)
    entry = Entry("file", path.stat().st_mode & 0o7777, hashlib.sha256(LIE.encode()).hexdigest(), len(LIE))
    record_path.write_bytes(encode_record(make_record(record.package, {**record.content, DATA: entry}, record.deb)))


@pytest.fixture
def pushed(machine):
    """Push one source three times: ada and bob as it is, mallory with a lie about its tree."""
    for name in ("ada", "bob"):
        each = machine(name)
        each.push(each.project(), f"{name}/tool")
    mallory = machine("mallory")
    project = mallory.project()
    lie(mallory, project)
    mallory.push(project, "mallory/tool")


def remote(machine, owner: str):
    return RemoteEnvironment.open(f"{owner}/tool", machine.settings, machine).realise()


def data(realised) -> str:
    return next(path for lower in realised.lowers for path in lower.glob(DATA)).read_text()


def trees(machine) -> list[str]:
    return sorted(path.name for path in Layout(machine.settings.store).packages.glob("*-tool-*"))


def local(machine) -> str:
    """Realise a project with the lock that everybody has, which has nothing to do with a hub."""
    return data(machine.open(machine.project("local")).realise())


def test_a_lie_is_run_by_nobody_else(pushed, machine) -> None:
    node = machine("node")
    assert data(remote(node, "mallory")) == LIE
    assert data(remote(node, "ada")) == HONEST
    assert local(node) == HONEST
    assert len(trees(node)) == 3


def test_whatever_comes_first(pushed, machine) -> None:
    node = machine("node")
    assert data(remote(node, "ada")) == HONEST
    assert data(remote(node, "mallory")) == LIE
    assert data(remote(node, "ada")) == HONEST
    assert local(node) == HONEST
    assert data(remote(node, "mallory")) == HONEST, "what was made here from the archive is taken before any word"


def test_the_root_of_one_is_never_that_of_another(pushed, machine) -> None:
    """The base package is made of what packages hold, so it is another where a tree is."""
    node = machine("node")
    bases = {owner: remote(node, owner).base for owner in ("ada", "bob", "mallory")}
    assert bases["ada"] == bases["bob"]


def test_who_says_the_same_shares_a_tree(pushed, machine) -> None:
    node = machine("node")
    assert remote(node, "ada").made == 1
    assert remote(node, "bob").made == 0
    assert len(trees(node)) == 1


def test_who_pushed_unpacks_nothing(machine) -> None:
    here = machine("here")
    here.push(here.project())
    assert remote(here, "ada").made == 0
    [name] = trees(here)
    assert "@" not in name


def test_who_pulls_changes_and_pushes_vouches_for_it_again(pushed, machine, tmp_path) -> None:
    node, other = machine("node"), machine("other")
    place = tmp_path / "pulled"
    pull(parse_reference("ada/tool"), place, node.settings, node)
    manifest = place / "breakbulk.toml"
    manifest.write_text(manifest.read_text().replace("blue", "red"))
    realised = node.open(place).realise()
    assert (data(realised), realised.made) == (HONEST, 0)
    assert len(trees(node)) == 1
    node.push(place, "eve/tool")
    assert data(remote(other, "eve")) == HONEST
    assert remote(other, "ada").made == 0


def test_a_collection_keeps_what_an_environment_runs(pushed, machine) -> None:
    node = machine("node")
    lowers = remote(node, "ada").lowers
    nothing = Mounted(names=frozenset(), unknown=False)
    collected = collect(Layout(node.settings.store), look=lambda: nothing, pause=lambda _seconds: None)
    assert collected.removed == ()
    assert all(lower.is_dir() for lower in lowers)


def test_a_tree_is_no_name_of_a_directory(pushed, machine, monkeypatch) -> None:
    """What is vouched for becomes part of a path, so it is a digest or nothing."""
    node = machine("node")
    offer = "breakbulk.hub.fetching.HubPackages.offer"
    from breakbulk.hub.fetching import HubPackages

    plain = HubPackages.offer

    def lying(self, package):
        return structs.replace(plain(self, package), tree="../../../elsewhere" + "0" * 46)

    monkeypatch.setattr(offer, lying)
    assert data(remote(node, "ada")) == HONEST
    [name] = trees(node)
    assert "@" not in name
    assert "vouches for no tree" in node.notes[0]
