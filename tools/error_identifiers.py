"""Find every identifier of an error in the sources, with what it says: the material of docs/reference/errors.md.

Identifiers are written where errors are raised, often through a function that a package shares (any with a parameter
named `identifier`). This reads the sources' syntax trees, so it also finds errors that no test provokes. What is only
known when the program runs becomes an ellipsis.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Use", "find_classes", "find_uses"]

UNKNOWN = "…"
_FAULT = {"Fault": "ManifestError"}
"""Exceptions inside a package that become errors at its edge."""


@dataclass(frozen=True, order=True)
class Use:
    """A place where an error is made: its class, its identifier (empty: that of the class), and what it says."""

    error: str
    identifier: str
    what: str
    hint: str


@dataclass(frozen=True)
class _Maker:
    """A function or class that makes errors: their class, and where in a call the identifier stands."""

    error: str
    position: int | None


def find_classes(sources: Iterable[Path], root: str) -> dict[str, Path]:
    """Return the classes that derive from the class `root`, itself too, each with the file that defines it."""
    defined = [
        (node.name, {_name(base) for base in node.bases}, path)
        for path in sources
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    found = {name: path for name, _, path in defined if name == root}
    while more := {name: path for name, bases, path in defined if name not in found and bases & found.keys()}:
        found |= more
    return found


def find_uses(sources: Iterable[Path], errors: Iterable[str]) -> set[Use]:
    """Return every use in the files `sources`; `errors` are the names of the error classes."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources]
    makers = {name: _Maker(name, None) for name in errors}
    makers |= {name: _Maker(error, None) for name, error in _FAULT.items()}
    for tree in trees:
        makers |= dict(_functions(tree, makers))
    return {use for tree in trees for use in _uses(tree, makers)}


def _functions(tree: ast.Module, makers: Mapping[str, _Maker]) -> Iterator[tuple[str, _Maker]]:
    """Yield the functions that take an identifier and return an error."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id in makers:
            names = [argument.arg for argument in node.args.args if argument.arg != "self"]
            if "identifier" in names or any(argument.arg == "identifier" for argument in node.args.kwonlyargs):
                position = names.index("identifier") if "identifier" in names else None
                yield node.name, _Maker(makers[node.returns.id].error, position)


def _uses(tree: ast.Module, makers: Mapping[str, _Maker]) -> Iterator[Use]:
    constants = _constants(tree.body)
    scopes: list[tuple[ast.AST, dict[str, set[str]]]] = [(tree, constants)]
    while scopes:
        scope, known = scopes.pop()
        for node in _inside(scope):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                scopes.append((node, {**known, **_constants(list(_inside(node)))}))
            elif isinstance(node, ast.Call) and (maker := makers.get(_name(node.func))):
                yield from _of_call(node, maker, known)


def _inside(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield what is inside a scope but not inside a function of it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(ast.iter_child_nodes(node))


def _of_call(call: ast.Call, maker: _Maker, known: Mapping[str, set[str]]) -> Iterator[Use]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    expression = keywords.get("identifier")
    if expression is None and maker.position is not None and len(call.args) > maker.position:
        expression = call.args[maker.position]
    hint = _words(keywords.get("hint"))
    words = [argument for index, argument in enumerate(call.args) if index != maker.position]
    what = next((text for text in map(_words, words) if text), "")
    what = f"{UNKNOWN} {what}" if _name(call.func) in _FAULT else what  # such an error begins with the key
    for identifier in _strings(expression, known) if expression is not None else {""}:
        yield Use(maker.error, identifier, what, hint)


def _strings(expression: ast.expr, known: Mapping[str, set[str]]) -> set[str]:
    match expression:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Name(id=name):
            return known.get(name, set())
        case ast.IfExp(body=body, orelse=orelse):
            return _strings(body, known) | _strings(orelse, known)
        case ast.BoolOp(values=values):
            return set().union(*(_strings(value, known) for value in values))
        case ast.Tuple(elts=elements):
            return set().union(*(_strings(element, known) for element in elements))
        case _:
            return set()


def _constants(nodes: Iterable[ast.AST]) -> dict[str, set[str]]:
    """Return the names that stand for strings: assigned, unpacked, or run through by a loop."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.For(target=ast.Name(id=name), iter=value):
                found.setdefault(name, set()).update(_strings(value, found))
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=False):
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, set()).update(_strings(value, found))
    return found


def _words(expression: ast.expr | None) -> str:
    """Return the text of a message, with what is not known an ellipsis; nothing when nothing is known."""
    match expression:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_words(value) if isinstance(value, ast.Constant) else UNKNOWN for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (_words(left) or UNKNOWN) + (_words(right) or UNKNOWN)
        case _:
            return ""


def _name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )
