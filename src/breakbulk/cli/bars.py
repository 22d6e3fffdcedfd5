"""Draw the work under way as bars at the foot of a terminal, by rich.

Imported only when there is something to draw, because rich takes longer to import than most commands take.
Counterpart of `progress`, whose thread calls `paint`; rich's own refresh thread is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from typing import TextIO

    from breakbulk.cli.progress import View

__all__ = ["Bars"]

MOST_BARS = 8
"""More would push what the user has typed off the screen; the rest is counted."""


class Bars:
    """A painter for terminals; obeys NO_COLOR, as rich does."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._bars: Progress | None = None
        self._tasks: dict[int, TaskID] = {}

    def paint(self, views: Sequence[View], now: float) -> None:  # noqa: ARG002
        """Bring the bars into line with the work under way."""
        if self._bars is None:
            if not views:
                return
            self._bars = self._started()
        shown = views[:MOST_BARS]
        for key in [key for key in self._tasks if key not in {view.key for view in shown}]:
            self._bars.remove_task(self._tasks.pop(key))
        for view in shown:
            self._update(self._bars, view)
        self._bars.refresh()

    def note(self, message: str) -> None:
        """Print the message above the bars."""
        self._console.print(message, markup=False)

    def clear(self) -> None:
        """Remove the bars and give the cursor back."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = None
        self._tasks.clear()

    def _started(self) -> Progress:
        bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        bars.start()
        return bars

    def _update(self, bars: Progress, view: View) -> None:
        if view.key not in self._tasks:
            self._tasks[view.key] = bars.add_task(view.title, total=view.total, amount="")
        bars.update(self._tasks[view.key], completed=view.done, total=view.total, amount=view.amount())
