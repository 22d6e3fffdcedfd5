"""A project's own back end makes its wheel; here one that needs nothing from an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakbulk.ecosystems.pypi.projects import wheel_of_project
from breakbulk.errors import BuildError
from breakbulk.settings import Settings

BACK_END = """
import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    {body}
    with zipfile.ZipFile(os.path.join(directory, "demo-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr(zipfile.ZipInfo("epoch"), os.environ["SOURCE_DATE_EPOCH"])
    return "demo-1.0-py3-none-any.whl"
"""


def project(directory: Path, body: str = "pass") -> Path:
    directory.mkdir()
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "back_end"\nbackend-path = ["."]\n'
    )
    (directory / "back_end.py").write_text(BACK_END.format(body=body))
    return directory


def test_the_wheel_is_handed_over_and_depends_on_the_source_only(settings: Settings, tmp_path: Path) -> None:
    built = []
    for name in ("one", "two"):
        into = tmp_path / f"{name}-out"
        into.mkdir()
        wheel = wheel_of_project(project(tmp_path / name), settings, into=into)
        assert list(into.iterdir()) == [wheel]
        built.append((wheel.name, wheel.read_bytes()))
    assert built[0] == built[1]
    assert b"315532800" in built[0][1]


def test_a_back_end_that_fails_is_quoted_and_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    into = tmp_path / "out"
    into.mkdir()
    with pytest.raises(BuildError) as caught:
        wheel_of_project(project(tmp_path / "bad", 'raise SystemExit("no compiler here")'), settings, into=into)
    assert "no compiler here" in (caught.value.why or "")
    assert caught.value.where == str(tmp_path / "bad")
    assert list(into.iterdir()) == []
