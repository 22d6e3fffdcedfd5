"""A requirements file becomes a manifest that installs the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

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


@pytest.mark.parametrize("before", ["rich", "a @ https://h.example/a-1-py3-none-any.whl"])
def test_a_line_with_a_password_is_refused_without_showing_it(tmp_path: Path, before: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"{before}\na @ https://me:secret@h.example/a-1-py3-none-any.whl\n")
    with pytest.raises(ManifestError) as caught:
        from_requirements(tmp_path / "requirements.txt")
    assert "h.example" in str(caught.value)
    assert "secret" not in str(caught.value)


def installs_of(tmp_path: Path, *lines: str) -> dict[str, object]:
    (tmp_path / "requirements.txt").write_text("\n".join(lines) + "\n")
    return dict(parse_manifest(from_requirements(tmp_path / "requirements.txt"), "m").install)


def test_spellings_of_one_name_are_one_install_at_the_first_place(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("foo.bar[b]<3\n")
    found = installs_of(tmp_path, "Foo_Bar[a]>=1", "rich", "-r more.txt", "foo-bar", "RICH")
    assert list(found) == ["foo-bar", "rich"]
    assert found == {"foo-bar": PypiInstall(pypi="Foo_Bar[a,b]<3,>=1"), "rich": PypiInstall(pypi="rich")}


def test_markers_keep_lines_apart_and_equal_ones_join_them(tmp_path: Path) -> None:
    found = installs_of(
        tmp_path, "a==1; python_version<'3.9'", "a==2; python_version>='3.9'", "A[x] ; python_version>='3.9'"
    )
    assert found["a"] == PypiInstall(pypi="a==1; python_version<'3.9'")
    assert found["a-2"] == PypiInstall(pypi='a[x]==2; python_version >= "3.9"')
    assert len(found) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Foo_Bar==1.0", "foo-bar==2.0"),
        ("a>=3", "a[x]<2"),
        ("a @ https://x.example/a-1-py3-none-any.whl", "a @ https://x.example/a-2-py3-none-any.whl"),
    ],
)
def test_lines_that_exclude_each_other_are_both_named(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(ManifestError) as caught:
        installs_of(tmp_path, first, "rich", second)
    path = tmp_path / "requirements.txt"
    assert (caught.value.reference, caught.value.where) == ("import-contradiction", f"{path}:3")
    assert f"{first!r} at {path}:1, {second!r} at {path}:3" in str(caught.value.why)


@given(st.lists(st.sampled_from(["Foo_Bar", "foo-bar", "foo.bar[x]", "FOO__BAR>=1", "foo-bar[y]<4"]), min_size=1))
def test_however_often_a_name_is_said_it_is_one_install(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    (install,) = installs_of(tmp_path_factory.getbasetemp(), *lines).values()
    requirement = Requirement(install.pypi)  # type: ignore[attr-defined]
    assert requirement.extras == {extra for extra in "xy" if any(f"[{extra}]" in line for line in lines)}
    assert {str(each) for each in requirement.specifier} == {
        s for s in (">=1", "<4") if any(s in line for line in lines)
    }


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
