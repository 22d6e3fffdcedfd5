"""One word names a package, and a word that does not is answered with one that does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import UsageError
from breakbulk.manifest.schema import (
    ArchiveInstall,
    CatalogInstall,
    DebInstall,
    FlakeInstall,
    GitInstall,
    Install,
    PathInstall,
    PypiInstall,
    StoreInstall,
)
from breakbulk.manifest.specs import Spec, parse_spec

SHA = "0123456789abcdef" * 4
STORE = f"/nix/store/{'a' * 32}-hello-2.12"


@pytest.mark.parametrize(
    ("word", "install", "install_id"),
    [
        ("pypi:pandas", PypiInstall(pypi="pandas"), "pandas"),
        ("pypi:pandas[excel,html]>=2,<3", PypiInstall(pypi="pandas[excel,html]>=2,<3"), "pandas"),
        ("pypi:x @ https://h/x-1-py3-none-any.whl", PypiInstall(pypi="x @ https://h/x-1-py3-none-any.whl"), "x"),
        ("pypi:zope.interface", PypiInstall(pypi="zope.interface"), "zope.interface"),
        ("deb:git", DebInstall(deb="git"), "git"),
        ("deb:git=1:2.39*", DebInstall(deb="git", version="1:2.39*"), "git"),
        ("deb:git>=1:2.39~rc1", DebInstall(deb="git", version=">= 1:2.39~rc1"), "git"),
        ("deb:git/bookworm-backports", DebInstall(deb="git", suite="bookworm-backports"), "git"),
        ("deb:g++", DebInstall(deb="g++"), "g"),
        ("./app", PathInstall(path="./app"), "app"),
        ("../lib", PathInstall(path="../lib"), "lib"),
        ("/srv/my app", PathInstall(path="/srv/my app"), "my-app"),
        ("git+https://h/o/x.git", GitInstall(git="https://h/o/x.git"), "x"),
        (
            "git+https://h/o/x@v1.0#subdirectory=y/z",
            GitInstall(git="https://h/o/x", rev="v1.0", subdirectory="y/z"),
            "x",
        ),
        ("git+ssh://git@h/o/x.git", GitInstall(git="ssh://git@h/o/x.git"), "x"),
        ("git+ssh://git@h/o/x.git@main#egg=name", GitInstall(git="ssh://git@h/o/x.git", rev="main"), "name"),
        ("git+git@h:o/x.git@main", GitInstall(git="git@h:o/x.git", rev="main"), "x"),
        (f"https://h/x-1.tar.gz#sha256={SHA}", ArchiveInstall(url="https://h/x-1.tar.gz", sha256=SHA), "x-1"),
        (
            f"https://h/d.zip#sha256={SHA}&strip=2",
            ArchiveInstall(url="https://h/d.zip", sha256=SHA, strip=2),
            "d",
        ),
        ("hub:owner/airflow", CatalogInstall(pkg_path="owner/airflow"), "airflow"),
        ("flake:github:o/r#hello", FlakeInstall(flake="github:o/r#hello"), "hello"),
        (STORE, StoreInstall(store_path=STORE), "hello-2.12"),
    ],
)
def test_words(word: str, install: Install, install_id: str) -> None:
    assert parse_spec(word) == Spec(install, install_id)


@pytest.mark.parametrize(
    ("word", "identifier", "hint"),
    [
        ("pandas", "ecosystem-missing", "pypi:pandas for the Python package or deb:pandas"),
        ("src/app", "ecosystem-missing", "./src/app"),
        ("pip:pandas", "ecosystem-unknown", "pypi:pandas"),
        ("npm:left-pad", "ecosystem-unknown", "pypi, deb"),
        ("pypi:", "spec-invalid", "name"),
        ("pypi:a b", "spec-invalid", "name"),
        ("deb:Git", "spec-invalid", "lower case"),
        ("deb:git=", "spec-invalid", "deb:git"),
        ("deb:git=new", "spec-invalid", "1:2.39"),
        ("git+https://h/x#branch=y", "spec-invalid", "subdirectory"),
        ("git+https://me:pw@h/x", "spec-invalid", "netrc"),
        ("git+--upload-pack=x", "spec-invalid", "https"),
        ("https://h/x.tar.gz", "digest-missing", "sha256sum"),
        ("https://h/x.tar.gz#sha256=abc", "spec-invalid", "sha256sum"),
        (f"https://h/x.tar.gz#sha256={SHA}&strip=x", "spec-invalid", "strip=1"),
        (f"ftp://h/x.tar.gz#sha256={SHA}", "spec-invalid", "https"),
        ("", "ecosystem-missing", None),
        ("./a\x00b", "spec-invalid", None),
    ],
)
def test_words_that_name_no_package(word: str, identifier: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec(word)
    assert caught.value.reference == identifier
    assert hint is None or hint in (caught.value.hint or "")


def test_a_directory_is_written_relative_to_the_manifest_and_named_like_itself(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    assert parse_spec(".", directory=project) == Spec(PathInstall(path="."), "project")
    assert parse_spec("./", directory=project, here=project / "src") == Spec(PathInstall(path="./src"), "src")
    assert parse_spec("../..", directory=project, here=project / "src") == Spec(PathInstall(path=".."), tmp_path.name)
    assert parse_spec("/srv/x", directory=project, here=project / "src").install == PathInstall(path="/srv/x")


prefixes = st.sampled_from(["pypi:", "deb:", "git+", "https://", "./", "hub:", "flake:", "/nix/store/", ""])


@given(prefixes, st.text(max_size=30))
def test_no_word_gives_anything_but_a_package_or_a_usage_error(prefix: str, rest: str) -> None:
    try:
        spec = parse_spec(prefix + rest)
    except UsageError:
        return
    assert spec.id
    assert "/" not in spec.id
