"""What belongs to a source, compared with Git where Git says the same, and how changes are seen."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakbulk.ecosystems.source import selection
from breakbulk.ecosystems.source.ignoring import rules_of, tracked_only
from breakbulk.ecosystems.source.remembered import DirectoryState, recall, remember
from breakbulk.ecosystems.source.selection import Item, select, tree_digest
from breakbulk.errors import NotFoundError, ResolutionError

Write = Callable[[Mapping[str, str]], Path]
TREE = {"a.py": "a", "b/c.txt": "c", "b/d/e.log": "e", "bin/run": "#!", "link": "->b/c.txt"}


def items(
    root: Path, exclude: tuple[str, ...] = (), states: dict[str, DirectoryState] | None = None
) -> tuple[Item, ...]:
    return select(root, rules_of(root, exclude), states or {}).items


def names(root: Path, exclude: tuple[str, ...] = ()) -> set[str]:
    return {item.path for item in items(root, exclude) if item.kind != "directory"}


def test_everything_belongs_but_what_tools_keep_beside_it(write: Write) -> None:
    root = write(
        TREE
        | {".git/HEAD": "x", ".venv/x": "x", "b/__pycache__/x.pyc": "x", "breakbulk.lock": "{}", "breakbulk.toml": ""}
        | {".breakbulk/x": "x", ".flox/env/manifest.toml": ""}
    )
    assert names(root) == set(TREE)


def test_exclude_has_the_last_word(write: Write) -> None:
    root = write(TREE | {".gitignore": "*.log\n"})
    assert names(root, ("*.txt", "/bin/")) == {".gitignore", "a.py", "link"}
    assert "b/d/e.log" in names(root, ("!e.log",))


def test_rules_from_above_count_up_to_the_top_of_the_repository(tmp_path: Path, write: Write) -> None:
    root = write({"services/api/x.log": "", "services/api/x.py": "", ".gitignore": "*.log\n/services/api/x.py\n"})
    assert names(root / "services/api") == {"x.log", "x.py"}
    (root / ".git").mkdir()
    assert names(root / "services/api") == set()


PATTERNS = st.sampled_from(
    [
        "a",
        "b",
        "*.log",
        "/a",
        "b/",
        "!a",
        "!b/",
        "a/b",
        "**/c",
        "/b/*",
        "!/b/c",
        "# c",
        "",
        "c*",
        "!a/b",
        "!**/c",
        "*",
        "!*/",
        "b/**/a.log",
        "\\!x",
        "a/**",
        "[ab]",
    ]
)
IGNORES = st.dictionaries(st.sampled_from(["", "a/", "b/", "a/b/"]), st.lists(PATTERNS, max_size=4), max_size=3)
FILES = st.sets(
    st.sampled_from(["a", "b", "c", "a/a", "a/b", "a/c", "b/a", "b/c", "a/b/c", "b/c/a.log", "!x", "x.log"]), max_size=8
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, ignores=IGNORES)
def test_what_is_ignored_is_what_git_ignores(
    files: set[str], ignores: dict[str, list[str]], tmp_path: Path, git: Callable[..., str]
) -> None:
    root = tmp_path / "source"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name in sorted(files, key=len, reverse=True):  # of `a` and `a/b` the directory wins
        path = root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    for prefix, lines in ignores.items():
        if (root / prefix).is_dir():
            (root / prefix / ".gitignore").write_text("\n".join(lines) + "\n")
    git("init", "-q")
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    assert names(root) == set(filter(None, listed.split("\0")))


@given(lines=st.lists(st.text(max_size=12), max_size=5), path=st.sampled_from(["a", "a/b/", "[", "é"]))
def test_no_pattern_is_an_error(lines: list[str], path: str) -> None:
    rules = rules_of(Path("/nowhere"), lines).below("", "\n".join(lines))
    assert rules.ignores(path) in {True, False}


def test_the_digest_is_of_content_kind_and_executable_bit_only(write: Write) -> None:
    root = write(TREE)
    before = tree_digest(items(root))
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (root / "a.py").chmod(0o600)
    assert tree_digest(items(root)) == before
    seen = {before}
    for change in (
        lambda: (root / "a.py").write_text("A"),
        lambda: (root / "a.py").chmod(0o700),
        lambda: (root / "a.py").rename(root / "z.py"),
        (root / "empty").mkdir,
        lambda: ((root / "link").unlink(), (root / "link").symlink_to("a")),
    ):
        change()
        seen.add(tree_digest(items(root)))
    assert len(seen) == 6


class Reads:
    """Counts which files are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        original = selection.file_digest

        def digest(path: str) -> str:
            self.paths.append(os.path.basename(path))  # noqa: PTH119
            return original(path)

        monkeypatch.setattr(selection, "file_digest", digest)


def age(root: Path) -> None:
    """Let the clock tick on, so that what is in `root` is no longer racily clean."""
    newest = max(path.lstat().st_ctime_ns for path in root.rglob("*"))
    while time.time_ns() <= newest + 25_000_000:
        os.sched_yield()


def test_unchanged_files_are_not_read_again(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(TREE)
    age(root)
    remember(tmp_path / "cache", root, select(root, rules_of(root, ()), {}).states)
    reads = Reads(monkeypatch)
    states = recall(tmp_path / "cache", root)
    again = select(root, rules_of(root, ()), states)
    assert reads.paths == []
    (root / "a.py").write_text("b")
    assert tree_digest(items(root, states=again.states)) != tree_digest(again.items)
    assert reads.paths == ["a.py"]


def test_an_edit_of_equal_size_within_one_tick_is_seen(write: Write) -> None:
    root = write({"a": "1"})
    for number in range(50):
        (root / "a").write_text(str(number % 10))
        states = select(root, rules_of(root, ()), {}).states
        before = (root / "a").stat()
        (root / "a").write_text(str((number + 1) % 10))
        os.utime(root / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert items(root, states=states) == items(root)


def test_a_digest_is_trusted_only_when_the_next_edit_must_show_in_the_times(write: Write) -> None:
    root = write({"a": "1"})
    assert select(root, rules_of(root, ()), {}).states[""].files == {}
    age(root)
    assert set(select(root, rules_of(root, ()), {}).states[""].files) == {"a"}


def test_a_new_rule_is_obeyed_at_once(write: Write) -> None:
    root = write(TREE)
    states = select(root, rules_of(root, ()), {}).states
    (root / "b/.gitignore").write_text("*.log\n")
    assert {item.path for item in items(root, states=states)} & {"b/d/e.log"} == set()
    assert {item.path for item in items(root, ("a.py",), states)} & {"a.py"} == set()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(FILES, IGNORES), min_size=2, max_size=4))
def test_what_is_remembered_never_changes_the_answer(
    steps: list[tuple[set[str], dict[str, list[str]]]], tmp_path: Path
) -> None:
    root = tmp_path / "source"
    shutil.rmtree(root, ignore_errors=True)
    states: dict[str, DirectoryState] = {}
    for number, (files, ignores) in enumerate(steps):
        if number % 2:
            shutil.rmtree(root)
        for name in sorted(files, key=len, reverse=True):
            path = root / name
            if not path.exists() and not any(parent.is_file() for parent in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(str(number))
        root.mkdir(exist_ok=True)
        for prefix, lines in ignores.items():
            if (root / prefix).is_dir():
                (root / prefix / ".gitignore").write_text("\n".join(lines))
        selected = select(root, rules_of(root, ()), states)
        assert selected.items == items(root)
        states = selected.states


def test_a_damaged_memory_is_none(write: Write, tmp_path: Path) -> None:
    root = write(TREE)
    remember(tmp_path, root, {})
    path = next((tmp_path / "source" / "states").iterdir())
    path.write_bytes(b"\xff nonsense")
    assert recall(tmp_path, root) == {}


def test_sockets_and_pipes_are_passed_over(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(TREE)
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert names(root) == set(TREE)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "b/../../outside"])
def test_links_that_leave_the_source_are_refused(target: str, write: Write) -> None:
    root = write({"b/x": "", "out": f"->{target}"})
    with pytest.raises(ResolutionError, match="source-link-escape") as caught:
        items(root)
    assert 'exclude = ["/out"]' in str(caught.value.hint)
    assert names(root, ("/out",)) == {"b/x"}


@pytest.mark.parametrize("name", ["a\nb", "a\udcffb"])
def test_names_that_cannot_be_packed_are_refused(name: str, write: Write) -> None:
    with pytest.raises(ResolutionError, match="source-name-invalid"):
        items(write({name: "x"}))


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="source-missing"):
        items(tmp_path / "nowhere")


def test_files_of_a_commit_belong_whatever_gitignore_says(write: Write) -> None:
    root = write({".gitignore": "*", "a": "x"})
    assert {item.path for item in select(root, tracked_only(), {}).items} == {".gitignore", "a"}


def test_no_git_is_needed_for_directories(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert names(write(TREE)) == set(TREE)
