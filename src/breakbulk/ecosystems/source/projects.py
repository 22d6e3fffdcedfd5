"""Which sources are Python projects, and the wheel that one becomes.

The project is built from a copy of the files that belong to it, so that a wheel is made of what its digest covers, a
back end leaves nothing behind in the source, and modes are the same everywhere. What the wheel is called and says of
itself is read from the wheel.
"""

from __future__ import annotations

import shutil
import tomllib
import zipfile
from pathlib import Path
from typing import IO, Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from breakbulk.ecosystems.source.git import lend_history
from breakbulk.ecosystems.source.making import Made
from breakbulk.ecosystems.source.opening import Opened
from breakbulk.ecosystems.source.packing import copy_tree
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.ecosystems.source.selection import Item
from breakbulk.errors import BuildError, ManifestError
from breakbulk.settings import Settings

_HISTORIANS = ("scm", "vcs", "versioning", "pbr", "pdm-backend")

__all__ = ["described", "is_project", "make_wheel", "runs_anywhere"]


def is_project(root: Path, items: tuple[Item, ...]) -> bool:
    """Tell whether a source is a Python project: it has `setup.py`, or a `pyproject.toml` that describes one.

    Raises `ManifestError` `pyproject-invalid` when that file is no TOML.
    """
    names = {item.path for item in items if item.kind == "file" and "/" not in item.path}
    if "pyproject.toml" not in names:
        return "setup.py" in names
    tables = _tables(root / "pyproject.toml")
    # Without these two tables the file is a place for the settings of tools: PEP 518, PEP 621.
    return "build-system" in tables or "project" in tables or "setup.py" in names


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(
            "a project's pyproject.toml cannot be read",
            identifier="pyproject-invalid",
            where=str(path),
            why=str(error),
            hint="correct it",
        ) from error


def make_wheel(opened: Opened, file: IO[bytes], snapshot: str | None, settings: Settings) -> Made:
    """Build the wheel of a project, write it to `file` and describe it; raise `BuildError`."""
    from breakbulk.ecosystems.pypi.projects import wheel_of_project

    with scratch(settings.cache / "source") as directory:
        project, output = Path(directory, "project"), Path(directory, "wheel")
        output.mkdir()
        if (opened.root / ".git").exists() and _asks_for_history(opened.root):
            lend_history(opened.root, project, settings)
        else:
            project.mkdir()
        copy_tree(opened.root, opened.items, project)
        wheel = wheel_of_project(project, settings, into=output, snapshot=snapshot, origin=opened.root)
        made = described(wheel, opened.tree)
        with wheel.open("rb") as built:
            shutil.copyfileobj(built, file)
    return made


def runs_anywhere(file: str) -> bool:
    """Tell whether a wheel runs on every system, after its file name."""
    return all(tag.platform == "any" for tag in parse_wheel_filename(file)[3])


def _asks_for_history(root: Path) -> bool:
    """Tell whether a build back end is one that takes the version from the tags of a repository."""
    path = root / "pyproject.toml"
    needs = _tables(path).get("build-system", {}).get("requires", []) if path.exists() else ["pbr"]
    return any(word in str(need).lower() for need in needs for word in _HISTORIANS)


def described(wheel: Path, tree: str) -> Made:
    """Return what a wheel's name and metadata say of it; raise `BuildError` when they cannot be read."""
    from breakbulk.ecosystems.pypi.metadata import parse_metadata

    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        with zipfile.ZipFile(wheel) as opened:
            member = next(
                member
                for member in opened.namelist()
                if member.count("/") == 1 and member.endswith(".dist-info/METADATA")
            )
            metadata = parse_metadata(opened.read(member).decode("utf-8", "replace"))
    except (InvalidWheelFilename, zipfile.BadZipFile, StopIteration) as error:
        raise BuildError(
            "the build back end made a wheel that cannot be read", where=wheel.name, why=str(error)
        ) from error
    return Made(
        file=wheel.name, tree=tree, name=canonicalize_name(name), version=str(version), license=metadata.license
    )
