"""Every ecosystem is asked for what is its own, in the order in which one decides for the next."""

from pathlib import Path

import pytest

from breakbulk.ecosystems import resolving
from breakbulk.ecosystems.interface import Location, Request, Resolution
from breakbulk.ecosystems.resolving import BASE_PACKAGES, PYTHON_PACKAGES, resolve
from breakbulk.errors import ManifestError, NotFoundError, ResolutionError
from breakbulk.lock.model import Package
from breakbulk.manifest.reading import parse_manifest

X86 = "x86_64-linux"


def package(ecosystem: str, name: str, **changes: object) -> Package:
    values = {"version": "1", "file": f"{name}.x", "size": 1, "sha256": "a" * 64, "purl": ""}
    return Package(ecosystem=ecosystem, name=name, **(values | changes))  # type: ignore[arg-type]


class Told:
    """An ecosystem that answers with a package per install and remembers what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests: list[Request] = []

    def resolve(self, request: Request, settings: object, reporter: object) -> Resolution:
        self.requests.append(request)
        names = [install_id.rpartition("/")[2] for install_id in request.installs]
        if "python3" in names:
            names.append("python3.11")
        packages = tuple(package(self.name, name, dependencies=self._needs(name)) for name in names)
        local = tuple(package("pypi", wheel.requirement, dependencies=("pypi:rich",)) for wheel in request.local)
        return Resolution(packages=packages + local, notes=(f"{self.name} was asked",))

    def _needs(self, name: str) -> tuple[str, ...]:
        return ("pypi:app",) if name == "plugin" else ()


class Projects(Told):
    """Own sources, each of which is a wheel called `app`."""

    def resolve(self, request: Request, settings: object, reporter: object) -> Resolution:
        self.requests.append(request)
        return Resolution(packages=(package("source", "app", file="app-1-py3-none-any.whl", source="mine"),))

    def locate(self, package: Package, install: object, settings: object) -> list[Location]:
        return [Location(path=Path("/archives/a"))]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Told]:
    made = {name: Told(name) for name in ("pypi", "deb", "archive", "nix", "hub")} | {"source": Projects("source")}
    monkeypatch.setattr(resolving, "ecosystems", lambda: made)
    return made


def lock(text: str, settings, directory=Path("/nowhere"), **options):
    manifest = parse_manifest(f'{text}\n[options]\nsystems = ["{X86}"]\n', "breakbulk.toml")
    return resolve(manifest, directory, settings, **options).lock.systems[X86]


def test_every_environment_has_a_shell_and_certificates(told, settings) -> None:
    lock('[install]\njq.deb = "jq"', settings)
    assert set(told["deb"].requests[0].installs) == {"jq", *(f"@base/{name}" for name in BASE_PACKAGES)}
    assert {"bash", "ca-certificates", "tar"} <= set(BASE_PACKAGES)


def test_an_environment_without_python_asks_for_none(told, settings) -> None:
    assert lock('[install]\njq.deb = "jq"', settings).python is None
    assert told["pypi"].requests == []


def test_wheels_bring_the_interpreter_of_the_suite_and_are_chosen_for_it(told, settings) -> None:
    locked = lock('[install]\nrich.pypi = "rich"', settings)
    assert {f"@python/{name}" for name in PYTHON_PACKAGES} <= set(told["deb"].requests[0].installs)
    assert locked.python is not None
    assert locked.python.version == "3.11"
    assert told["pypi"].requests[0].python == locked.python


def test_another_python_than_the_suite_has_is_refused_with_the_way_out(told, settings) -> None:
    manifest = parse_manifest(f'[options]\npython = "3.9"\nsystems = ["{X86}"]', "breakbulk.toml")
    with pytest.raises(ResolutionError) as refused:
        resolve(manifest, Path(), settings)
    assert refused.value.reference == "python-unavailable"
    assert "suite" in str(refused.value.hint)


def test_a_project_takes_its_dependencies_from_what_was_resolved_for_its_wheel(told, settings) -> None:
    locked = lock('[install]\nmine.path = "."\nplugin.pypi = "plugin"', settings)
    by_id = {each.id: each for each in locked.packages}
    assert by_id["source:app"].dependencies == ("pypi:rich",)
    assert by_id["source:app"].python == "cpython-311"
    assert by_id["pypi:plugin"].dependencies == ("source:app",)
    assert "pypi:app" not in by_id
    assert told["pypi"].requests[0].local[0].requirement == "app"


def test_packages_are_in_one_order_whatever_the_manifest_says(told, settings) -> None:
    first = lock('[install]\na.deb = "aa"\nb.deb = "bb"', settings)
    second = lock('[install]\nb.deb = "bb"\na.deb = "aa"', settings)
    assert first == second
    assert [each.id for each in first.packages] == sorted(each.id for each in first.packages)


def test_what_is_locked_is_handed_to_its_ecosystem_only(told, settings) -> None:
    manifest = parse_manifest(f'[install]\njq.deb = "jq"\nrich.pypi = "rich"\n[options]\nsystems = ["{X86}"]', "f")
    before = resolve(manifest, Path(), settings).lock
    resolve(manifest, Path(), settings, previous=before, upgrade=frozenset({"jq"}))
    assert {each.ecosystem for each in told["deb"].requests[-1].locked} == {"deb"}
    assert {each.ecosystem for each in told["pypi"].requests[-1].locked} == {"pypi"}
    assert told["deb"].requests[-1].upgrade == {"jq"}


def test_both_linux_systems_are_locked_by_default_and_others_never(told, settings) -> None:
    both = resolve(parse_manifest('[install]\njq.deb = "jq"', "f"), Path(), settings).lock
    assert set(both.systems) == {"x86_64-linux", "aarch64-linux"}
    some = '[options]\nsystems = ["aarch64-darwin", "aarch64-linux"]'
    assert set(resolve(parse_manifest(some, "f"), Path(), settings).lock.systems) == {"aarch64-linux"}
    with pytest.raises(ManifestError) as refused:
        resolve(parse_manifest('[options]\nsystems = ["aarch64-darwin"]', "f"), Path(), settings)
    assert refused.value.reference == "no-linux-system"


def test_an_install_for_another_system_is_left_out(told, settings) -> None:
    locked = lock('[install]\njq = { deb = "jq", systems = ["aarch64-linux"] }', settings)
    assert "deb:jq" not in {each.id for each in locked.packages}


def test_a_constraints_file_is_an_input_of_the_lock(told, settings, tmp_path) -> None:
    (tmp_path / "c.txt").write_text("rich<14\n")
    manifest = parse_manifest(f'[options]\nconstraints = ["c.txt"]\nsystems = ["{X86}"]', "f")
    first = resolve(manifest, tmp_path, settings).lock
    (tmp_path / "c.txt").write_text("rich<13\n")
    assert resolve(manifest, tmp_path, settings).lock.inputs != first.inputs
    (tmp_path / "c.txt").unlink()
    with pytest.raises(NotFoundError) as refused:
        resolve(manifest, tmp_path, settings)
    assert refused.value.reference == "constraints-missing"


class Trees(Told):
    """One own source, a tree whose content is said by the test."""

    def __init__(self) -> None:
        super().__init__("source")
        self.digest = "a" * 64

    def resolve(self, request: Request, settings: object, reporter: object) -> Resolution:
        self.requests.append(request)
        return Resolution(packages=(package("source", "mine", file="mine.tar", sha256=self.digest, source="mine"),))


def test_only_own_sources_are_asked_when_only_they_have_changed(told, settings) -> None:
    told["source"] = source = Trees()
    manifest = parse_manifest(f'[install]\nmine.path = "."\njq.deb = "jq"\n[options]\nsystems = ["{X86}"]', "f")
    before = resolve(manifest, Path(), settings).lock
    asked = len(told["deb"].requests)
    source.digest = "b" * 64
    after = resolving.refresh(manifest, Path(), settings, previous=before).lock
    assert after == resolve(manifest, Path(), settings, previous=before).lock
    assert after != before
    assert len(told["deb"].requests) == asked + 1  # by the resolution above; the refresh asked nobody


def test_a_project_whose_wheel_is_gone_is_resolved_with_everything(told, settings) -> None:
    manifest = parse_manifest(f'[install]\nmine.path = "."\n[options]\nsystems = ["{X86}"]', "f")
    before = resolve(manifest, Path(), settings).lock
    changed = [package("source", "app", file="app-1-py3-none-any.whl", source="mine", sha256="c" * 64)]
    told["source"].resolve = lambda *_: Resolution(packages=tuple(changed))
    assert resolving.refresh(manifest, Path(), settings, previous=before) is None
