"""What a reference of a pod means now, whether it may run here, and how much of it is missing.

Asked once for every pod, so that its containers get what it got when it came; `hub.trust` decides, here and again in
the process that realises. Nothing is kept but what the hub's memory keeps (`hub.remembering`), so that what is pinned
and has run here runs when the hub is away.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.hub.names import parse_reference
from breakbulk.hub.trust import resolve_trusted
from breakbulk.library.remote import open_remembering
from breakbulk.library.runnable import running_system
from breakbulk.lock.model import Package
from breakbulk.node.realising.pinning import Target
from breakbulk.settings import Settings
from breakbulk.store.layout import Layout, directory_name, plain_name
from breakbulk.store.processor import for_this_machine

__all__ = ["Resolved", "Resolver"]


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: the environment, its generation, and how many bytes of archives are missing here, at most."""

    target: Target
    generation: int
    left_bytes: int


class Resolver:
    """Asks one hub. May be used from several threads.

    Args:
        settings: Name the hub, whom to believe, and the store.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hub = open_remembering(settings)
        self._layout = Layout(settings.store)

    def resolve(self, reference: str) -> Resolved:
        """Return what `reference` means.

        Raises:
            UsageError: `reference-invalid`.
            BreakbulkError: As `hub.trust.resolve_trusted`.

        """
        change = resolve_trusted(self._hub, parse_reference(reference), self._settings).change
        target = Target(change.environment, change.digest.removeprefix("sha256:"))
        try:
            system = self._hub.lock(change).systems.get(running_system())
            left = self._missing(for_this_machine(system, self._settings).packages) if system else 0
        except BreakbulkError:
            left = 0  # whoever realises says what is wrong
        return Resolved(target=target, generation=change.generation, left_bytes=left)

    def _missing(self, packages: Iterable[Package]) -> int:
        try:
            present = {plain_name(name) for name in os.listdir(self._layout.packages)}
        except FileNotFoundError:
            present = set()
        return sum(package.size for package in packages if directory_name(package) not in present)
