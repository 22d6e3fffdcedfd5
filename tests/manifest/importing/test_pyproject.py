"""A project becomes a path install, and what its developers need a comment."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakbulk.errors import ManifestError, NotFoundError
from breakbulk.manifest.importing import from_pyproject
from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.schema import PathInstall


def imported(tmp_path: Path, text: str) -> str:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    return from_pyproject(path)


def test_the_project_is_installed_with_remarks_on_the_rest(tmp_path: Path) -> None:
    text = imported(
        tmp_path,
        """
        [project]
        name = "My_App"
        requires-python = ">=3.10"
        [project.optional-dependencies]
        s3 = ["boto3"]
        [dependency-groups]
        test = ["pytest>=8", { include-group = "lint" }]
        lint = ["ruff"]
        [tool.uv]
        dev-dependencies = ["ipython"]
        index = [{ url = "https://index.example/simple" }]
        """,
    )
    manifest = parse_manifest(text, "m")
    assert manifest.install == {"my-app": PathInstall(path=".")}
    assert manifest.options.python is None
    for words in ("extras s3", '# pytest.pypi = "pytest>=8"', "the group lint", "ipython", "requires >=3.10"):
        assert words in text
    assert "index.example" not in text


def test_the_one_python_that_will_do_is_chosen(tmp_path: Path) -> None:
    text = imported(tmp_path, '[project]\nname = "x"\nrequires-python = ">=3.11.4,<3.12"\n')
    assert parse_manifest(text, "m").options.python == "3.11"


def test_a_project_of_poetry_is_one_too(tmp_path: Path) -> None:
    text = imported(tmp_path, '[tool.poetry]\nname = "x"\n[tool.poetry.group.dev.dependencies]\npytest = "^8"\n')
    assert parse_manifest(text, "m").install == {"x": PathInstall(path=".")}
    assert '# pytest.pypi = "pytest"' in text


def test_a_file_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="import-no-project"):
        imported(tmp_path, "[tool.ruff]\nline-length = 100\n")
    with pytest.raises(ManifestError) as caught:
        imported(tmp_path, "\n[project\n")
    assert (caught.value.reference, caught.value.where) == ("import-syntax", f"{tmp_path}/pyproject.toml:2")
    with pytest.raises(NotFoundError):
        from_pyproject(tmp_path / "gone" / "pyproject.toml")


def test_odd_values_are_survived(tmp_path: Path) -> None:
    text = imported(
        tmp_path, '[project]\nname = "x"\nrequires-python = "new"\n[dependency-groups]\na = ["???", "b\\u0000c"]\n'
    )
    assert "not taken over: ???" in text
    assert "cannot be read: new" in text
