"""A requirements file becomes a manifest that installs the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import BreakbulkError, ManifestError, NotFoundError
from breakbulk.manifest.importing import from_requirements
from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.schema import GitInstall, Manifest, PathInstall, PypiInstall

REQUIREMENTS = """\
# What we need
--index-url https://me:secret@index.example/simple
--extra-index-url=https://other.example/simple
-r nested/more.txt
-c constraints.txt
-e app[dev,test]
.
Pandas[excel]>=2,<3 ; python_version >= "3.9" \\
    --hash=sha256:abc \\
    --hash=sha256:def
requests==2.31.0  # pinned
requests==2.32.0 ; python_version >= "3.12"
git+https://git.example/o/x.git@v1#subdirectory=y&egg=x
-e git+ssh://git@git.example/o/editable
pkg[a] @ git+https://git.example/o/pkg
torch @ https://files.example/torch-2.0-py3-none-any.whl
https://files.example/numpy-1.0-py3-none-any.whl
https://files.example/foo-1.0.tar.gz
--pre
--only-binary :all:
"""


@pytest.fixture
def imported(tmp_path: Path) -> tuple[str, Manifest]:
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested/more.txt").write_text("-r ../requirements.txt\n-c limits.txt\nrich\n")
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    text = from_requirements(tmp_path / "requirements.txt", suite="trixie", systems=["aarch64-linux"])
    return text, parse_manifest(text, "m")


def test_requirements_become_installs(imported: tuple[str, Manifest], tmp_path: Path) -> None:
    _, manifest = imported
    assert manifest.install == {
        "rich": PypiInstall(pypi="rich"),
        "app": PathInstall(path="./app", extras=("dev", "test")),
        tmp_path.name: PathInstall(path="."),
        "pandas": PypiInstall(pypi='Pandas[excel]>=2,<3 ; python_version >= "3.9"'),
        "requests": PypiInstall(pypi="requests==2.31.0"),
        "requests-2": PypiInstall(pypi='requests==2.32.0 ; python_version >= "3.12"'),
        "x": GitInstall(git="https://git.example/o/x.git", rev="v1", subdirectory="y"),
        "editable": GitInstall(git="ssh://git@git.example/o/editable"),
        "pkg": GitInstall(git="https://git.example/o/pkg", extras=("a",)),
        "torch": PypiInstall(pypi="torch @ https://files.example/torch-2.0-py3-none-any.whl"),
        "numpy": PypiInstall(pypi="numpy @ https://files.example/numpy-1.0-py3-none-any.whl"),
    }
    assert manifest.options.constraints == ("nested/limits.txt", "constraints.txt")
    assert (manifest.options.suite, manifest.options.systems) == ("trixie", ("aarch64-linux",))


def test_what_is_left_out_is_said_and_no_index_is_named(imported: tuple[str, Manifest]) -> None:
    text, _ = imported
    assert text.count("is configuration") == 1
    assert text.count("hashes") == 1
    assert "# not taken over: --pre" in text
    assert "# not taken over: --only-binary :all:" in text
    assert "foo-1.0.tar.gz" in text
    assert "secret" not in text
    assert "index.example" not in text


@pytest.mark.parametrize("line", ["pandas >>> 2", "git+https://me:pw@h/x", "a b", "-e git+https://me:pw@h/x"])
def test_a_line_that_is_no_requirement_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"rich\n\n{line}\n")
    with pytest.raises(ManifestError) as caught:
        from_requirements(path)
    assert (caught.value.reference, caught.value.where) == ("import-requirement", f"{path}:3")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r gone.txt\n")
    with pytest.raises(NotFoundError) as caught:
        from_requirements(tmp_path / "requirements.txt")
    assert caught.value.where == str(tmp_path / "gone.txt")


@given(
    st.lists(st.sampled_from(["-", "-r", "-e", "--hash", "=", " ", "\\\n", "#", "a", ">=1", ";", "@", "git+", "://"]))
)
def test_no_file_gives_anything_but_a_manifest_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "requirements.txt"
    path.write_text("".join(parts))
    try:
        text = from_requirements(path)
    except BreakbulkError:
        return
    parse_manifest(text, "m")
