r"""Expand the variables of an environment, in dependency order.

Flox writes `[vars]` as `export NAME="value"` lines that bash expands, each after those it refers to. This module gives
the same results without a shell, for what a value should contain, and refuses the rest by name:

| in a value | means |
| --- | --- |
| `$NAME`, `${NAME}` | another variable of the table, else one of the environment; unknown ones are refused |
| `${NAME:-text}` | the same, or `text` (plain text only) where the variable is unset or empty |
| a variable within its own value | the environment's value, as in `PATH = "$PATH:/opt/bin"` |
| `\$`, `$$` | a dollar sign |
| `\\`, `\"`, ``\` `` | that character; any other backslash stands for itself |
| `$(command)`, `` `command` `` | refused: commands belong into `hook.on-activate` |
"""

from __future__ import annotations

import graphlib
import re
import shlex
from collections.abc import Mapping

from breakbulk.manifest.faults import Fault

__all__ = ["NAME", "check", "expand", "references", "translate"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = NAME.pattern
_TOKEN = re.compile(
    rf"""
      \\(?P<escaped>[\\$"`])
    | (?P<dollar>\$\$)
    | \$\{{(?P<braced>{_NAME})(?P<default>:-[^{{}}$`\\]*)?\}}
    | \$(?P<bare>{_NAME})
    | (?P<command>\$\(|`)
    | (?P<malformed>\$\{{)
    """,
    re.VERBOSE,
)


def expand(variables: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return `variables`, in their own order, with every reference replaced.

    Raises `ManifestError`: `vars-cycle` names the circle, `vars-undefined` the variable nobody has set, `vars-command`
    and `vars-reference` a value that cannot be expanded.
    """
    try:
        order = _order(variables)
        expanded: dict[str, str] = {}
        for name in order:
            expanded[name] = _substitute(name, variables[name], expanded, environment)
    except Fault as fault:
        raise fault.error(None) from None
    return {name: expanded[name] for name in variables}


def check(variables: Mapping[str, str]) -> None:
    """Raise `Fault` for a value that no environment could expand: a cycle, a command, a malformed reference."""
    _order(variables)


def references(name: str, value: str) -> set[str]:
    """Return the variables to which the value of `name` refers, itself among them where it does."""
    return {found for token in _tokens(name, value) if (found := token["braced"] or token["bare"])}


def translate(name: str, value: str) -> str:
    """Return the value of `name` as what a POSIX shell assigns, which looks up what it refers to; raise `Fault`.

    It is to stand right of an assignment and nowhere else: only there a shell does not split what it has looked up.
    """
    words, end = [], 0
    for token in _tokens(name, value):
        words += [value[end : token.start()] and shlex.quote(value[end : token.start()]), _reference(token)]
        end = token.end()
    return "".join([*words, shlex.quote(value[end:])])


def _reference(token: re.Match[str]) -> str:
    if token["escaped"] or token["dollar"]:
        return shlex.quote(token["escaped"] or "$")
    wanted, default = token["braced"] or token["bare"], token["default"]
    return f'"${{{wanted}?is not set}}"' if default is None else f"${{{wanted}:-{shlex.quote(default[2:])}}}"


def _order(variables: Mapping[str, str]) -> list[str]:
    graph = {name: (references(name, value) & variables.keys()) - {name} for name, value in variables.items()}
    try:
        return list(graphlib.TopologicalSorter({name: sorted(needs) for name, needs in graph.items()}).static_order())
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1][::-1]
        raise Fault(
            (circle[0],),
            f"refers to itself in a circle: {' -> '.join(circle)}",
            hint="give one of them a value of its own",
            identifier="vars-cycle",
        ) from None


def _substitute(name: str, value: str, expanded: Mapping[str, str], environment: Mapping[str, str]) -> str:
    def replaced(token: re.Match[str]) -> str:
        if token["escaped"]:
            return token["escaped"]
        if token["dollar"]:
            return "$"
        wanted, default = token["braced"] or token["bare"], token["default"]
        # In its own value a variable is not yet in `expanded`, so the environment's value is taken.
        found = expanded.get(wanted, environment.get(wanted))
        if default is not None:
            return found or default[2:]
        if found is None:
            raise Fault(
                (name,),
                f"refers to `{wanted}`, which is set neither in the manifest nor in the environment",
                hint=f"set {wanted}, or write ${{{wanted}:-}} for nothing instead",
                identifier="vars-undefined",
            )
        return found

    return _TOKEN.sub(replaced, value)


def _tokens(name: str, value: str) -> list[re.Match[str]]:
    tokens = list(_TOKEN.finditer(value))
    for token in tokens:
        if token["command"]:
            raise Fault(
                (name,),
                "holds a command to execute, which variables cannot",
                hint=f"export {name} in hook.on-activate, or write \\{token.group()} for the character itself",
                identifier="vars-command",
            )
        if token["malformed"]:
            raise Fault(
                (name,),
                f"holds a reference that cannot be read: {value[token.start() :][:40]!r}",
                hint="write ${NAME} or ${NAME:-default}; \\$ is a dollar sign",
                identifier="vars-reference",
            )
    return tokens
