"""Commits from repositories on this machine, and what git must never be handed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from breakbulk.ecosystems.source.git import Repository, lend_history
from breakbulk.errors import ManifestError, NetworkError, PlatformError, ResolutionError
from breakbulk.manifest.schema import GitInstall
from breakbulk.settings import Settings

Write = Callable[[Mapping[str, str]], Path]
Git = Callable[..., str]


@pytest.fixture
def repository(write: Write, git: Git) -> Callable[[Mapping[str, str]], str]:
    """Commit files to the repository in `source` and return the commit."""

    def commit(files: Mapping[str, str]) -> str:
        root = write(files)
        if not (root / ".git").exists():
            git("init", "-q", "-b", "main")
        git("add", "-A")
        git("commit", "-q", "-m", "x")
        return git("rev-parse", "HEAD")

    return commit


def opened(own: Settings, tmp_path: Path, **fields: str) -> Repository:
    return Repository(GitInstall(git="./source", **fields), tmp_path, own, "tool")


Commit = Callable[[Mapping[str, str]], str]


def test_branches_tags_and_commits_are_found(repository: Commit, git: Git, own: Settings, tmp_path: Path) -> None:
    first = repository({"a": "1"})
    git("tag", "-a", "v1", "-m", "x")
    second = repository({"a": "2"})
    assert opened(own, tmp_path).commit(None) == second
    assert opened(own, tmp_path, branch="main").commit(None) == second
    assert opened(own, tmp_path, tag="v1").commit(None) == first
    assert opened(own, tmp_path, rev=first).commit(None) == first
    assert opened(own, tmp_path, rev=first[:10]).commit(None) == first


def test_the_locked_commit_stays_until_it_is_upgraded(
    repository: Commit, git: Git, own: Settings, tmp_path: Path
) -> None:
    first = repository({"a": "1"})
    assert opened(own, tmp_path).commit(None) == first
    second = repository({"a": "2"})
    (tmp_path / "source").rename(tmp_path / "gone")  # nothing is asked while the mirror knows the commit
    assert opened(own, tmp_path).commit(first) == first
    (tmp_path / "gone").rename(tmp_path / "source")
    assert opened(own, tmp_path).commit(None) == second


def test_a_locked_commit_that_is_no_longer_asked_for_moves(
    repository: Commit, git: Git, own: Settings, tmp_path: Path
) -> None:
    first = repository({"a": "1"})
    git("tag", "v1")
    second = repository({"a": "2"})
    git("tag", "v2")
    assert opened(own, tmp_path, tag="v2").commit(first) == second
    git("checkout", "-q", "--orphan", "other")
    third = repository({"a": "3"})
    assert opened(own, tmp_path, branch="other").commit(second) == third
    assert opened(own, tmp_path, branch="main").commit(first) == first


def test_a_checkout_has_the_files_of_the_commit_and_its_history(
    repository: Commit, git: Git, own: Settings, tmp_path: Path
) -> None:
    commit = repository({"a": "1", "run": "#!x", "link": "->a", ".gitattributes": "a export-subst\n"})
    git("tag", "v1")
    repository({"a": "2"})
    source = opened(own, tmp_path)
    source.commit(None)
    source.checkout(commit, tmp_path / "checkout")
    assert (tmp_path / "checkout/a").read_text() == "1"
    assert (tmp_path / "checkout/link").readlink() == Path("a")
    assert (tmp_path / "checkout/run").stat().st_mode & 0o111
    assert git("describe", "--tags", directory=tmp_path / "checkout") == "v1"
    assert source.submodules(tmp_path / "checkout") == []


def test_history_is_lent_without_a_touch(repository: Commit, git: Git, own: Settings, tmp_path: Path) -> None:
    repository({"a": "1"})
    git("tag", "v3")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")}
    lend_history(tmp_path / "source", tmp_path / "lent", own)
    (tmp_path / "lent/a").write_text("1")
    assert git("describe", "--tags", "--dirty", directory=tmp_path / "lent") == "v3"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")} == before
    lend_history(tmp_path / "cache", tmp_path / "none", own)
    assert list((tmp_path / "none").iterdir()) == []


@pytest.mark.parametrize(
    "address",
    ["--upload-pack=touch x", "ext::sh -c id", "http://host/x", "fd::7", "-x", "https://h/\nx", "gopher://h/x"],
)
def test_addresses_that_could_run_code_or_talk_in_the_clear_are_refused(
    address: str, own: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match="git-address"):
        Repository(GitInstall(git=address), tmp_path, own, "tool")


@pytest.mark.parametrize("fields", [{"rev": "--output=x"}, {"branch": "-x"}, {"tag": "a\nb"}, {"rev": "a", "tag": "b"}])
def test_names_that_could_be_options_are_refused(fields: dict[str, str], own: Settings, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="git-reference"):
        opened(own, tmp_path, **fields)


def test_what_is_not_there_is_said(repository: Commit, own: Settings, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="git-fetch"):
        opened(own, tmp_path).commit(None)
    repository({"a": "1"})
    for fields in ({"rev": "0" * 40}, {"branch": "nope"}, {"tag": "v9"}):
        with pytest.raises(ResolutionError, match="git-reference-missing"):
            opened(own, tmp_path, **fields).commit(None)


def test_errors_hold_no_credentials(own: Settings, tmp_path: Path) -> None:
    install = GitInstall(git="https://somebody:secret@127.0.0.1:1/x.git")
    with pytest.raises(NetworkError) as caught:
        Repository(install, tmp_path, own, "tool").commit(None)
    assert "secret" not in str(caught.value)


def test_git_that_is_not_installed_is_named(own: Settings, tmp_path: Path) -> None:
    without = replace(own, environment={"PATH": str(tmp_path)})
    with pytest.raises(PlatformError, match="git-missing"):
        opened(without, tmp_path).commit(None)


def test_variables_of_a_surrounding_git_do_not_reach_ours(repository: Commit, own: Settings, tmp_path: Path) -> None:
    commit = repository({"a": "1"})
    misled = replace(own, environment={**own.environment, "GIT_DIR": str(tmp_path / "nowhere"), "GIT_WORK_TREE": "/"})
    assert opened(misled, tmp_path).commit(None) == commit
