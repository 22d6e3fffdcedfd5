from __future__ import annotations

from typing import Literal

import pytest

from breakbulk.store.base.shell_evaluation import evaluate
from breakbulk.store.base.shell_state import Invocation, Outcome, State
from breakbulk.store.base.shell_syntax import parse


class World:
    """Files by path, and a list of what was called."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.called: list[Invocation] = []

    def kind(self, path: str, *, follow: bool = True) -> Literal["file", "link", "directory"] | None:
        return "file" if path in self.files else None

    def text(self, path: str) -> str | None:
        return self.files.get(path)

    def matches(self, pattern: str) -> list[str]:
        return sorted(self.files) if pattern == "/usr/share/x/*" else []

    def execute(self, invocation: Invocation) -> Outcome:
        self.called.append(invocation)
        return None


def called(script: str, *arguments: str, files: dict[str, str] | None = None) -> list[tuple[str, ...]]:
    return [invocation.words for invocation in invocations(script, *arguments, files=files)]


def invocations(script: str, *arguments: str, files: dict[str, str] | None = None) -> list[Invocation]:
    world = World(files or {})
    variables = {"DPKG_MAINTSCRIPT_ARCH": "amd64"}
    evaluate(parse(script), State(variables, arguments or ("configure", ""), world, templates={"q": "yes"}))
    return world.called


def test_the_branch_of_the_action_is_walked_and_no_other() -> None:
    script = 'case "$1" in install|upgrade) a ;; configure) b; [ -z "$2" ] && c ;; *) d ;; esac; [ "$1" = remove ] && e'
    assert called(script) == [("b",), ("c",)]


def test_a_loop_over_tools_with_slaves_in_an_unquoted_variable() -> None:
    script = """
        tools='java keytool'
        for i in $tools; do
            unset slave
            if [ -e /man/$i.1.gz ]; then slave="--slave /m/$i.1.gz $i.1.gz /man/$i.1.gz"; fi
            update --install /usr/bin/$i $i /jvm/bin/$i 1711 $slave
        done
    """
    assert called(script, files={"/man/java.1.gz": ""}) == [
        ("update", "--install", "/usr/bin/java", "java", "/jvm/bin/java", "1711",
         "--slave", "/m/java.1.gz", "java.1.gz", "/man/java.1.gz"),
        ("update", "--install", "/usr/bin/keytool", "keytool", "/jvm/bin/keytool", "1711"),
    ]  # fmt: skip


def test_what_depends_on_the_unknown_is_walked_and_marked() -> None:
    found = invocations("if getent passwd x; then a; else b; fi; c")
    assert [(each.words[0], each.certain) for each in found] == [
        ("getent", True), ("a", False), ("b", False), ("c", True),
    ]  # fmt: skip


def test_leaving_in_doubt_ends_the_branch_only() -> None:
    assert called("if unknown; then exit 1; never; fi; after; exit 0; never") == [("unknown",), ("after",)]


def test_functions_have_their_own_arguments_and_return() -> None:
    script = 'f() { [ -n "$2" ] || return 0; use "$1" "$2"; }; f a; f b c; use "$1"'
    assert called(script) == [("use", "b", "c"), ("use", "configure")]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("${x:-d}", "d"),
        ("${v%.*}", "a.b"),
        ("${v%%.*}", "a"),
        ("${v#*.}", "b.c"),
        ("${v##*.}", "c"),
        ("${v:+set}", "set"),
        ("${#v}", "5"),
        ("$((n + 1))", "8"),
        ("$(basename /a/b.c .c)", "b"),
        ("`dpkg --print-architecture`", "amd64"),
        ("$(expr 1)", "\0"),
        ("'$v'", "$v"),
    ],
)
def test_expansions(word: str, expected: str) -> None:
    assert called(f"v=a.b.c n=7; show {word}") == [("show", expected)]


def test_quoting_decides_about_splitting_and_path_names() -> None:
    files = {"/usr/share/x/1": "", "/usr/share/x/2": ""}
    script = 'v="a b"; show $v "$v" x$v; show /usr/share/x/* "/usr/share/x/*"'
    assert called(script, files=files) == [
        ("show", "a", "b", "a b", "xa", "b"),
        ("show", "/usr/share/x/1", "/usr/share/x/2", "/usr/share/x/*"),
    ]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("[ a = a -a ! -e /nothing ]", True),
        ("[ 3 -gt 5 -o -f /there ]", True),
        ("test -d /proc", True),
        ("[ -d /run/systemd/system ]", False),
        ("[[ configure == conf* ]]", True),
        ('dpkg --compare-versions "" lt 2', True),
        ('dpkg --compare-versions "" lt-nl 2', False),
        ("command -v update-alternatives", True),
        ("which absent", False),
        ("! false", True),
        ('[ "" ]', False),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    assert called(f"if {condition}; then yes; else no; fi", files={"/there": ""}) == [("yes",) if holds else ("no",)]


def test_sourced_files_define_functions_and_debconf_answers_with_defaults() -> None:
    files = {"/usr/share/x/lib.sh": "helper() { use $1; }"}
    script = '. /usr/share/debconf/confmodule; . /usr/share/x/lib.sh; db_get q; helper "$RET"'
    assert called(script, files=files) == [("use", "yes")]


def test_endless_scripts_end_and_what_came_before_is_kept() -> None:
    assert called("before; f() { f; }; f; next; g() { g; g; }; g; never") == [("before",), ("next",)]


def test_functions_that_nest_deeply_end() -> None:
    body = "if true; then " * 50 + "f" + "; fi" * 50
    assert called(f"before; f() {{ {body}; }}; f") == [("before",)]
