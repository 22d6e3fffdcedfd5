"""A Dockerfile is read as its own parser reads it, and any text is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.importing.dockerfile.instructions import as_list, read_instructions


def read(text: str) -> list[tuple[int, str, str]]:
    return [(each.line, each.keyword, each.text) for each in read_instructions(text)]


def test_continued_lines_are_one_and_comments_between_them_are_none() -> None:
    text = "# a comment\nFROM debian\n\nrun a && \\\n  # not the end\n\n  b \\\n  c\r\nCMD x\n"
    assert read(text) == [(2, "FROM", "debian"), (4, "RUN", "a &&   b   c"), (9, "CMD", "x")]


def test_the_escape_character_can_be_chosen_above_everything_else() -> None:
    assert read("# escape=`\nRUN a `\n  b\n") == [(2, "RUN", "a   b")]
    assert read("FROM a\n# escape=`\nRUN a `\nRUN b\n")[1:] == [(3, "RUN", "a `"), (4, "RUN", "b")]


def test_flags_are_apart_and_may_come_twice() -> None:
    [copy, run] = read_instructions(
        "COPY --from=a --chown=1:1 x y\nRUN --mount=type=bind --mount=type=cache cmd --flag\n"
    )
    assert (copy.flags, copy.text) == ((("from", "a"), ("chown", "1:1")), "x y")
    assert (run.values("mount"), run.text) == (["type=bind", "type=cache"], "cmd --flag")


def test_here_documents_belong_to_their_instruction() -> None:
    text = "RUN <<EOF\napt-get update\nFROM nothing\nEOF\nCOPY <<-A <<'B' /x\n\ttabs\n\tA\nsecond\nB\nCMD y\n"
    run, copy, start = read_instructions(text)
    assert run.documents == ("apt-get update\nFROM nothing",)
    assert copy.documents == ("tabs", "second")
    assert (start.line, start.keyword) == (10, "CMD")


def test_a_here_document_without_end_is_none() -> None:
    assert read("RUN cat <<EOF\nCMD x\n") == [(1, "RUN", "cat <<EOF"), (2, "CMD", "x")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["a", "b c"]', ["a", "b c"]),
        ("[a]", None),
        ("['a']", None),
        ('["a", 1]', None),
        ("a", None),
        ("[" * 9999, None),
    ],
)
def test_the_json_form(text: str, words: list[str] | None) -> None:
    assert as_list(text) == words


lines = st.lists(st.sampled_from(["FROM a", "RUN <<X", "X", "\\", "a \\", "# c", "", "COPY <<Y <<Y b", "Y", "\t"]))


@given(st.one_of(st.text(), lines.map("\n".join)))
def test_any_text_is_read_and_lines_only_grow(text: str) -> None:
    found = [each.line for each in read_instructions(text)]
    assert found == sorted(set(found))
    assert all(1 <= line <= text.count("\n") + 1 for line in found)
