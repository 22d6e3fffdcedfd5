"""`breakbulk search`: find packages by words, printed so that they can be installed by pasting a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, columns
from breakbulk.errors import BreakbulkError, NotFoundError

__all__ = ["command"]

_HEADER = ("INSTALL WITH", "VERSION", "SUMMARY")


@dataclass(frozen=True)
class _Match:
    """A package that was found; `spec` is what `breakbulk install` takes."""

    spec: str
    version: str
    summary: str


@declare(
    "search",
    ("breakbulk search json processor", "Find packages with both words in their name or summary."),
    ("breakbulk search pandas --limit 5", "Show only the first five."),
)
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to show at most.")
def command(invocation: Invocation, words: tuple[str, ...], limit: int) -> None:
    """Find packages by words.

    Debian packages are found by name and summary, in the suites of the environment if there is one. Python indexes can
    only be asked for a name, so the words joined by a hyphen are looked up. Each line begins with what to paste.
    """
    matches = _found(invocation, lambda: _distributions(invocation, words), lambda: _debian(invocation, words, limit))
    if not matches:
        raise NotFoundError(
            f"nothing is found for {' '.join(words)!r}",
            identifier="search-empty",
            hint="use fewer or other words; a Python distribution must be named exactly",
        )
    shown = matches[:limit]
    invocation.show({"packages": [asdict(match) for match in shown]}, lambda: _text(shown, invocation.style))


def _found(invocation: Invocation, *searches: Callable[[], list[_Match]]) -> list[_Match]:
    """Return what the searches find; one that fails is only an error when no other finds anything."""
    matches: list[_Match] = []
    failures: list[BreakbulkError] = []
    for search in searches:
        try:
            matches += search()
        except BreakbulkError as error:
            failures.append(error)
    if failures and not matches:
        raise failures[0]
    for failure in failures:
        invocation.note(f"not searched: {failure.message}")
    return matches


def _distributions(invocation: Invocation, words: tuple[str, ...]) -> list[_Match]:
    from breakbulk.ecosystems.pypi import Pypi

    name = "-".join(words)
    versions = Pypi().lookup(name, invocation.settings)
    return [_Match(f"pypi:{name}", versions[0], "a distribution of the Python index")] if versions else []


def _debian(invocation: Invocation, words: tuple[str, ...], limit: int) -> list[_Match]:
    from breakbulk.ecosystems.deb import search
    from breakbulk.library import Environment

    try:
        environment = Environment.open(invocation.directory or Path(), invocation.settings)
        options = environment.manifest.options
    except NotFoundError:
        if invocation.directory:
            raise
        options = None
    found = search(invocation.settings, words, limit, options=options, reporter=invocation)
    return [_Match(f"deb:{item.name}", item.version, item.summary) for item in found]


def _text(matches: list[_Match], look: Style) -> str:
    rows = [(f"breakbulk install {match.spec}", match.version, match.summary) for match in matches]
    return columns(_HEADER, rows, look)
