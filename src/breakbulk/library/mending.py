"""Make packages of the store again that were damaged there, from wherever the environments that need them have them.

A damaged tree is set aside, an environment that needs it is realised, and the new tree is compared like the old one. A
tree that is mounted is left alone: whoever runs from it would lose its files. Counterpart: `store.verification`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.library.opening import open_environment
from breakbulk.library.runnable import Runnable
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.collection import needed
from breakbulk.store.layout import Layout, plain_name
from breakbulk.store.mounted import mounted, with_trees
from breakbulk.store.roots import Root, read_roots
from breakbulk.store.verification import Checked, set_aside, verify

__all__ = ["Mended", "mend"]


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a damaged tree: None, or why it is still damaged."""

    directory: str
    failure: str | None = None


def mend(damaged: Iterable[Checked], settings: Settings, reporter: Reporter = SILENT) -> tuple[Mended, ...]:
    """Make each of `damaged` again.

    Raises:
        OSError: The store cannot be written.

    """
    layout = Layout(settings.store)
    roots = [root for root in read_roots(layout) if root.lock is not None]
    return tuple(
        Mended(directory=one.directory, failure=_mend(one.directory, layout, roots, settings, reporter))
        for one in damaged
    )


def _mend(name: str, layout: Layout, roots: list[Root], settings: Settings, reporter: Reporter) -> str | None:
    seen = with_trees(mounted(), layout)
    if seen.has(name) or seen.unknown:
        return "something runs from it: end that first"
    failures = []
    for environment in _having(name, roots, settings, reporter):
        try:
            with set_aside(layout, name):
                environment.realise()
        except BreakbulkError as error:
            failures.append(f"{environment.place}: {error.message}")
            continue
        [again] = verify(layout, [name], threads=1)
        if again.good:
            return None
        failures.append(f"{environment.place}: it was not made again")
    return "; ".join(failures) or "no environment here has it any more: `breakbulk store gc` removes it"


def _having(name: str, roots: list[Root], settings: Settings, reporter: Reporter) -> Iterator[Runnable]:
    """Yield environments that need a tree, and can be realised."""
    for root in roots:
        if root.lock is not None and plain_name(name) in needed(root.lock) and root.kind != "pin":
            place = str(Path(root.name).parent) if root.kind == "project" else root.name
            try:
                yield open_environment(place, settings, reporter, frozen=True)
            except BreakbulkError:
                continue  # its manifest is broken, or gone
