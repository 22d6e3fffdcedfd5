from __future__ import annotations

import contextlib
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.store.base import shell_tree as tree
from breakbulk.store.base.shell_syntax import ShellSyntaxError, parse


def test_a_script_with_every_construct_is_read() -> None:
    script = parse(
        """
        NAME=value OTHER="a $NAME"   # a comment
        if [ "$1" = configure ] && ! test -e /x; then echo yes; elif false; then :; else exit 1; fi
        case "$1" in (install|upgrade) a ;; *) b; esac
        for each in a b; do echo $each; done
        while read line; do :; done < /etc/passwd
        helper() { return 0; }
        ( cd / && ls ) 2>/dev/null | sort >&2 || true
        x=`basename "$0"`; y=$(dirname $(readlink -f /x)); z=$((1 + (2 * 3)))
        """
    )
    kinds = [type(node).__name__ for node in script]
    assert kinds == ["Command", "If", "Case", "For", "Group", "Function", "Chain", "Command", "Command", "Command"]


def test_two_here_documents_of_one_line_are_read_in_order() -> None:
    (first,) = parse("cat <<A <<-'B'\none $x\nA\n\ttwo $x\n\tB\n")
    assert isinstance(first, tree.Command)
    assert first.redirects[0].word[0] == tree.Text("one ", quoted=True)
    assert isinstance(first.redirects[0].word[1], tree.Parameter)
    assert first.redirects[1].word == (tree.Text("two $x\n", quoted=True),)


@pytest.mark.parametrize(
    "text", ["if true; then", "echo 'open", 'echo "open', "case x in", "cat <<E\nx\n", "fi", ")", "${"]
)
def test_what_is_no_script_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ShellSyntaxError, match="line "):
        parse(text)


def test_deep_nesting_is_refused_instead_of_exhausting_the_stack() -> None:
    with pytest.raises(ShellSyntaxError, match="too deeply"):
        parse("( " * 5000)


@given(st.text(alphabet="abif thenfi;|&<>()$`'\"\\{}#=\n12 doneesac", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ShellSyntaxError):
        parse(text)


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=12), min_size=1, max_size=4))
def test_quoted_words_mean_what_the_shell_means(words: list[str]) -> None:
    (command,) = parse(f"printf {shlex.join(words)}")
    assert isinstance(command, tree.Command)
    read = ["".join(part.text for part in word if isinstance(part, tree.Text)) for word in command.words[1:]]
    assert read == words


def test_this_machines_shell_agrees_that_the_test_scripts_are_valid() -> None:
    subprocess.run(["sh", "-n", "-c", "x=$((1 + (2 * 3))); case a in (a|b) :;; *) :; esac"], check=True)
