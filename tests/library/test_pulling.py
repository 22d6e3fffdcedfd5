"""Pulling into a directory: whose files are written, what a pulled environment can do without its sources."""

import shutil

import pytest

from breakbulk.errors import UsageError
from breakbulk.hub.names import parse_reference
from breakbulk.library.pulling import Pulled, pull

NAME = parse_reference("ada/tool")


@pytest.fixture
def here(machine):
    """A machine that has pushed a project."""
    here = machine("here")
    here.push(here.project())
    return here


@pytest.fixture
def there(machine):
    return machine("there")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "pulled"


def pulled(machine, place, **options) -> Pulled:
    return pull(NAME, place, machine.settings, machine, **options)


def data_of(machine, place) -> str:
    lowers = machine.open(place, frozen=True).realise().lowers
    return next(path for lower in lowers for path in lower.glob("opt/tool/data")).read_text()


def test_what_is_pulled_is_the_manifest_as_it_was_written_and_runs_as_it_is(here, there, place) -> None:
    outcome = pulled(there, place)
    assert outcome.written == ("breakbulk.toml", "breakbulk.lock")
    assert outcome.absent == ("tool",)
    assert outcome.realised.packages == 1
    for name in outcome.written:
        assert (place / name).read_bytes() == (here.directory / "project" / name).read_bytes()
    assert data_of(there, place) == "one\n"


def test_without_the_store_it_is_had_from_the_hub_again(here, there, place) -> None:
    pulled(there, place, realise=False)
    assert not (there.settings.store / "packages").exists()
    assert data_of(there, place) == "one\n"
    shutil.rmtree(there.settings.store)
    shutil.rmtree(there.settings.cache)
    assert data_of(there, place) == "one\n"


def test_it_can_be_changed_and_pushed_without_the_source(here, there, place, machine) -> None:
    pulled(there, place)
    manifest = (place / "breakbulk.toml").read_text().replace('"blue"', '"red"')
    (place / "breakbulk.toml").write_text(manifest)
    assert there.open(place).relock().changed
    pushed = there.push(place)
    assert pushed.recorded.change.generation == 2
    assert pushed.made == 0
    assert data_of(there, place) == "one\n"


def test_a_source_that_is_put_in_its_place_is_what_counts(here, there, place) -> None:
    pulled(there, place)
    (place / "tool").mkdir()
    assert there.open(place).outdated(there.open(place).read_lock()) is None
    (place / "tool" / "data").write_text("mine\n")
    assert "tool has changed" in there.open(place).outdated(there.open(place).read_lock())
    there.open(place).relock()
    assert data_of(there, place) == "mine\n"


def test_a_source_in_the_project_itself_is_absent_until_there_is_more_than_what_was_pulled(
    machine, there, place
) -> None:
    here = machine("here")
    manifest = '[install]\ntool.path = "."\n[options]\nbase = "none"\nsystems = ["x86_64-linux"]\n'
    project = here.project(manifest=manifest)
    here.push(project)
    pulled(there, place)
    there.open(place, frozen=True).realise()
    (place / "breakbulk.toml").write_text(manifest + '[vars]\nA = "1"\n')
    there.open(place).relock()
    (place / "more").write_text("mine\n")
    assert there.open(place).outdated(there.open(place).read_lock()) is not None


def test_what_somebody_wrote_is_not_overwritten(here, there, place) -> None:
    place.mkdir()
    (place / "breakbulk.toml").write_text("# mine\n")
    with pytest.raises(UsageError) as refused:
        pulled(there, place)
    assert refused.value.reference == "pull-would-overwrite"
    assert [path.name for path in place.iterdir()] == ["breakbulk.toml"]
    assert (place / "breakbulk.toml").read_text() == "# mine\n"
    assert pulled(there, place, force=True).written


def test_what_was_pulled_and_not_touched_goes_on_to_the_next_generation(here, there, place) -> None:
    pulled(there, place)
    project = here.directory / "project"
    (project / "tool" / "data").write_text("two\n")
    here.push(project)
    assert pulled(there, place).written == ("breakbulk.lock",)
    assert data_of(there, place) == "two\n"
    assert pulled(there, place).written == ()
    (place / "breakbulk.toml").write_text("# mine\n")
    with pytest.raises(UsageError):
        pulled(there, place)


def test_constraints_come_along(machine, there, place) -> None:
    here = machine("here")
    project = here.project()
    (project / "limits").mkdir()
    (project / "limits" / "base.txt").write_text("pandas<3\n")
    text = (project / "breakbulk.toml").read_text() + 'constraints = ["limits/base.txt"]\n'
    (project / "breakbulk.toml").write_text(text)
    here.push(project)
    assert pulled(there, place).written[0] == "limits/base.txt"
    assert (place / "limits" / "base.txt").read_text() == "pandas<3\n"
    assert data_of(there, place) == "one\n"
