"""Variables in the words of a shell mean what they mean to Breakbulk."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import ManifestError
from breakbulk.images.variables import exports, settled
from breakbulk.manifest.variables import expand

HOST = {"HOME": "/root", "PATH": "/usr/bin:/bin", "EMPTY": ""}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
PIECES = st.sampled_from(
    ["$HOME", "${HOME}", "${EMPTY:-x y}", "${NONE:-'\"*}", "$$", "\\$", "\\`", '\\"', "$A", "\\\\"]
)


def shell(lines: list[str], names: list[str], program: str) -> list[str]:
    script = "\n".join([*lines, *(f'printf "%s\\0" "${name}"' for name in names)])
    done = subprocess.run([program, "-c", script], env=HOST, capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@given(st.lists(st.one_of(PIECES, TEXT.map(lambda text: text.replace("$", "").replace("`", "").replace("\\", "")))))
def test_a_shell_finds_what_breakbulk_finds(pieces: list[str]) -> None:
    variables = {"B": "".join(pieces), "A": "a*b 'c' \\\\"}
    try:
        expected = expand(variables, HOST)
    except ManifestError:
        return
    assert shell(exports(variables), ["B", "A"], "bash") == [expected["B"], expected["A"]]
    assert shell(exports(variables), ["B"], "sh") == [expected["B"]]


def test_what_is_not_set_is_refused_by_the_shell_too() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        shell(exports({"A": "$NOBODY"}), ["A"], "sh")


def test_a_variable_of_its_own_name_is_the_one_before() -> None:
    assert shell(exports({"PATH": "$PATH:/opt/x"}), ["PATH"], "sh") == ["/usr/bin:/bin:/opt/x"]


def test_what_is_known_beforehand_is_settled_and_the_rest_is_left() -> None:
    variables = {"A": "1", "B": "$A/2", "C": "$HOME/x", "D": "$C", "PATH": "$PATH:/opt"}
    assert settled(variables, {"PATH": "/bin"}) == {"A": "1", "B": "1/2", "PATH": "/bin:/opt"}
