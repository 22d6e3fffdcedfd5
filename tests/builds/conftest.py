"""A root file system to build in, made once, and projects with recipes of their own on top of it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from breakbulk.builds.building import Ground
from breakbulk.builds.recipes import Recipe, select
from breakbulk.library import Environment, running_system
from breakbulk.manifest.reading import parse_manifest
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings
from breakbulk.store.removal import remove_tree

MANIFEST = f"""
[install]
pip.pypi = "pip"
setuptools.pypi = "setuptools"
[vars]
GREETING = "hello"
[options]
systems = ["{running_system()}"]
"""


class Listener:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def begin(self, title, *, total=None, unit="steps"):
        return SILENT.begin(title)


@pytest.fixture(scope="session")
def built_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store of this session's own."""
    store = tmp_path_factory.mktemp("builds") / "store"
    yield store
    remove_tree(store)


@pytest.fixture(scope="session")
def bare(built_store: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """An environment with Python, pip and setuptools, realised, without a recipe."""
    directory = tmp_path_factory.mktemp("environment")
    (directory / "breakbulk.toml").write_text(MANIFEST)
    settings = replace(Settings.load(os.environ), store=built_store, cache=shared_cache)
    environment = Environment.open(directory, settings)
    realised = environment.realise()
    return Ground(
        manifest=environment.manifest,
        directory=directory,
        system=running_system(),
        locked=environment.current_lock().systems[running_system()],
        lowers=realised.lowers,
        settings=settings,
    )


@pytest.fixture
def project(bare: Ground, tmp_path: Path) -> Callable[..., Ground]:
    """Return the ground of a project with these `[build]` tables and files."""

    def make(recipes: str, files: dict[str, str] | None = None, **settings: object) -> Ground:
        directory = tmp_path / "project"
        directory.mkdir(exist_ok=True)
        for name, text in (files or {}).items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        manifest = parse_manifest(MANIFEST + recipes, "breakbulk.toml")
        return msgspec.structs.replace(
            bare, manifest=manifest, directory=directory, settings=replace(bare.settings, **settings)
        )

    return make


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """Return the one recipe of a ground, or the one of that name."""

    def find(ground: Ground, *names: str) -> Recipe:
        (found,) = select(ground.manifest, names, ground.system)
        return found

    return find


@pytest.fixture
def listener() -> Listener:
    return Listener()
