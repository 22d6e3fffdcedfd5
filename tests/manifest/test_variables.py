"""Variables expand as bash would expand them for Flox, and what cannot expand is refused by name."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakbulk.errors import ManifestError
from breakbulk.manifest.variables import expand, references

ENVIRONMENT = {"HOME": "/home/me", "PATH": "/usr/bin:/bin", "EMPTY": ""}


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("plain", "plain"),
        ("$HOME/x", "/home/me/x"),
        ("${HOME}x", "/home/mex"),
        ("$PATH:$HOME", "/usr/bin:/bin:/home/me"),
        ("${NOBODY:-nothing}", "nothing"),
        ("${EMPTY:-nothing}", "nothing"),
        ("${NOBODY:-}", ""),
        ("${HOME:-nothing}", "/home/me"),
        (r"\$HOME", "$HOME"),
        ("$$HOME", "$HOME"),
        (r"\\$HOME", "\\/home/me"),
        (r"C:\dir\new", r"C:\dir\new"),
        (r"say \"yes\"", 'say "yes"'),
        ('say "yes"', 'say "yes"'),
        ("5$ or $ 5 or $5", "5$ or $ 5 or $5"),
        (r"\`id\` \$(id)", "`id` $(id)"),
        ("100 %", "100 %"),
    ],
)
def test_values(value: str, expanded: str) -> None:
    assert expand({"X": value}, ENVIRONMENT) == {"X": expanded}


def test_order_of_writing_does_not_matter_and_is_kept() -> None:
    variables = {"URL": "http://$HOST:${PORT}", "HOST": "$NAME.local", "PORT": "80", "NAME": "db"}
    expanded = expand(variables, {"NAME": "other"})
    assert expanded == {"URL": "http://db.local:80", "HOST": "db.local", "PORT": "80", "NAME": "db"}
    assert list(expanded) == list(variables)


def test_a_variable_in_its_own_value_is_the_outer_one() -> None:
    assert expand({"PATH": "$PATH:/opt/bin"}, ENVIRONMENT)["PATH"] == "/usr/bin:/bin:/opt/bin"
    assert expand({"PATH": "/x:$PATH", "P2": "$PATH"}, ENVIRONMENT)["P2"] == "/x:/usr/bin:/bin"


def test_what_expanded_is_not_expanded_again() -> None:
    assert expand({"A": r"\$HOME", "B": "$A"}, ENVIRONMENT)["B"] == "$HOME"
    assert expand({"B": "$A"}, {"A": "$HOME"})["B"] == "$HOME"


@pytest.mark.parametrize(
    ("variables", "identifier", "words"),
    [
        ({"A": "$B", "B": "$C", "C": "$A"}, "vars-cycle", ("A", "B", "C", "->")),
        ({"A": "$B"}, "vars-undefined", ("`A`", "`B`")),
        ({"A": "$A"}, "vars-undefined", ("`A`",)),
        ({"A": "$(id)"}, "vars-command", ("`A`",)),
        ({"A": "`id`"}, "vars-command", ("`A`",)),
        ({"A": "${B!}"}, "vars-reference", ("${B!}",)),
        ({"A": "${B:-$C}"}, "vars-reference", ("${B:-$C}",)),
    ],
)
def test_refusals(variables: dict[str, str], identifier: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ManifestError) as caught:
        expand(variables, {})
    assert caught.value.reference == identifier
    assert caught.value.hint
    assert all(word in caught.value.message for word in words)


def test_a_long_chain_needs_no_recursion() -> None:
    variables = {f"V{n}": f"${{V{n + 1}}}" for n in range(5000)}
    variables["V5000"] = "end"
    assert set(expand(variables, {}).values()) == {"end"}


def test_references_are_named() -> None:
    assert references("A", r"$A ${B:-x} \$C $$D") == {"A", "B"}


NAMES = ["A", "B", "C", "D"]
TEXT = ["$OUT", "${OUT:-x}", "${NO:-y z}", "\\$A", "\\\\", "\\n", "é", " ", "'", "/", "$", "${EMPTY:-e}"]


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, str]:
    """Variables that refer to themselves and to those before them in some order, written in another."""
    variables = {}
    order = draw(st.permutations(NAMES))
    for position, name in enumerate(order):
        known = [form for other in order[: position + 1] for form in (f"${other}.", f"${{{other}}}")]
        variables[name] = "".join(draw(st.lists(st.sampled_from(known + TEXT), max_size=6)))
    return {name: variables[name] for name in draw(st.permutations(NAMES))}


@settings(max_examples=100, deadline=None)
@given(acyclic())
def test_bash_agrees(variables: dict[str, str]) -> None:
    environment = {"OUT": "outer value", "EMPTY": "", **{name: f"outer {name}" for name in NAMES}}
    # Two dollar signs are bash's own process id, and one dollar sign here.
    variables = {name: re.sub(r"\${2,}", "-$", value) for name, value in variables.items()}
    assert expand(variables, environment) == as_bash_has_it(variables, environment)


def as_bash_has_it(variables: dict[str, str], environment: dict[str, str]) -> dict[str, str]:
    """Export the variables in dependency order, as Flox's activation script does."""
    order: list[str] = []
    while len(order) < len(variables):
        ready = (n for n in variables if n not in order)
        order.append(next(n for n in ready if (references(n, variables[n]) & variables.keys()) - {n} <= set(order)))
    script = "set -u\n" + "".join(f'export {name}="{variables[name]}"\n' for name in order)
    script += "".join(f"printf '%s\\0' \"${name}\"\n" for name in variables)
    run = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=True)
    return dict(zip(variables, run.stdout.decode().split("\0"), strict=False))
