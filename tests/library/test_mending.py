"""Damage in a store: every kind is named with its path, and packages are made again."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from breakbulk.errors import BreakbulkError
from breakbulk.library import mending
from breakbulk.library.mending import mend
from breakbulk.library.remote import RemoteEnvironment
from breakbulk.store.bundle import bundled
from breakbulk.store.layout import Layout
from breakbulk.store.mounted import Mounted
from breakbulk.store.verification import set_aside, verify

FILES = {"data": "one\n", "other": "two\n"}


def trees(machine) -> list[str]:
    return sorted(path.name for path in Layout(machine.settings.store).packages.iterdir())


def checked(machine):
    return verify(Layout(machine.settings.store), trees(machine), threads=2)


def the_tool(machine) -> Path:
    [tree] = Layout(machine.settings.store).packages.glob("*-tool-*")
    return tree / "opt" / "tool"


def rewrite(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


DAMAGE: dict[str, tuple[Callable[[Path], object], list[tuple[str, str]]]] = {
    "content": (lambda tool: rewrite(tool / "data", "own\n"), [("opt/tool/data", "content")]),
    "size": (lambda tool: rewrite(tool / "data", "longer\n"), [("opt/tool/data", "content")]),
    "missing": (lambda tool: (tool / "data").unlink(), [("opt/tool/data", "missing")]),
    "extra": (lambda tool: (tool / "new").write_text(""), [("opt/tool/new", "extra")]),
    "mode": (lambda tool: (tool / "data").chmod(0o600), [("opt/tool/data", "mode")]),
    "kind": (
        lambda tool: ((tool / "data").unlink(), (tool / "data").symlink_to("other")),
        [("opt/tool/data", "kind")],
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_mended_from_the_project(machine, kind: str) -> None:
    here = machine("here")
    here.open(here.project(**FILES)).realise()
    assert all(one.good for one in checked(here))
    damage, expected = DAMAGE[kind]
    tool = the_tool(here)
    damage(tool)
    [damaged] = [one for one in checked(here) if not one.good]
    named = [(each.path, each.how) for each in damaged.differences]
    assert [each for each in named if each in expected or each[1] != "mode"] == expected
    [mended] = mend([damaged], here.settings)
    assert mended.failure is None
    assert all(one.good for one in checked(here))
    assert (the_tool(here) / "data").read_text() == "one\n"
    assert not list((Layout(here.settings.store).root / "damaged").iterdir())


def test_bundles_with_the_damage_go_and_one_that_is_mounted_is_not_mended(machine, monkeypatch) -> None:
    here = machine("here")
    layout = Layout(here.settings.store)
    here.open(here.project(**FILES)).realise()
    [bundle] = bundled(layout, sorted(layout.packages.iterdir()), most=1)
    rewrite(the_tool(here) / "data", "own\n")
    assert (bundle / "opt" / "tool" / "data").read_text() == "own\n"
    [damaged] = [one for one in checked(here) if not one.good]
    with monkeypatch.context() as patched:
        patched.setattr(mending, "mounted", lambda: Mounted(names=frozenset({bundle.name}), unknown=False))
        [mended] = mend([damaged], here.settings)
        assert "something runs from it" in mended.failure
    [mended] = mend([damaged], here.settings)
    assert mended.failure is None
    assert not [*layout.bundles.iterdir(), *layout.staging.iterdir()]
    assert all(one.good for one in checked(here))


def test_an_environment_of_a_hub_is_mended_from_the_hub(machine) -> None:
    here, there = machine("here"), machine("there")
    here.push(here.project(**FILES))
    RemoteEnvironment.open("ada/tool", there.settings, there).realise()
    rewrite(the_tool(there) / "data", "own\n")
    [damaged] = [one for one in checked(there) if not one.good]
    [mended] = mend([damaged], there.settings, there)
    assert mended.failure is None
    assert (the_tool(there) / "data").read_text() == "one\n"


@pytest.mark.parametrize("data", [None, b"", b"\x81"])
def test_a_damaged_record_is_named_and_made_again(machine, data: bytes | None) -> None:
    here = machine("here")
    here.open(here.project(**FILES)).realise()
    [record] = Layout(here.settings.store).records.glob("*-tool-*")
    record.unlink()
    if data is not None:
        record.write_bytes(data)
    [damaged] = [one for one in checked(here) if not one.good]
    assert [each.how for each in damaged.differences] == ["record"]
    assert mend([damaged], here.settings)[0].failure is None
    assert all(one.good for one in checked(here))


def test_what_something_runs_from_is_left_alone(machine, monkeypatch) -> None:
    here = machine("here")
    here.open(here.project(**FILES)).realise()
    rewrite(the_tool(here) / "data", "own\n")
    [damaged] = [one for one in checked(here) if not one.good]
    in_use = Mounted(names=frozenset({damaged.directory}), unknown=False)
    monkeypatch.setattr(mending, "mounted", lambda: in_use)
    assert "runs from it" in str(mend([damaged], here.settings)[0].failure)
    assert (the_tool(here) / "data").read_text() == "own\n"


def test_what_cannot_be_made_again_stays_as_it_is(machine) -> None:
    here = machine("here")
    project = here.project(**FILES)
    here.open(project).realise()
    rewrite(the_tool(here) / "data", "own\n")
    [damaged] = [one for one in checked(here) if not one.good]
    (project / "tool" / "data").write_text("another\n")  # the lock is out of date now
    assert "lock" in str(mend([damaged], here.settings)[0].failure)
    assert (the_tool(here) / "data").read_text() == "own\n"
    (project / "breakbulk.lock").unlink()
    assert "no environment" in str(mend([damaged], here.settings)[0].failure)


def test_what_fails_meanwhile_brings_the_tree_back(machine) -> None:
    here = machine("here")
    here.open(here.project(**FILES)).realise()
    layout = Layout(here.settings.store)
    [name] = [each for each in trees(here) if "-tool-" in each]

    def fail() -> None:
        with set_aside(layout, name):
            assert not (layout.packages / name).exists()
            raise BreakbulkError("the disk is full")

    with pytest.raises(BreakbulkError):
        fail()
    assert (the_tool(here) / "data").read_text() == "one\n"
    assert os.listdir(layout.root / "damaged") == []
