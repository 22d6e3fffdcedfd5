"""What the shell offers for words that Breakbulk knows: install ids, package names, services.

Called by click while the user types, so it reads files and asks no network, and an environment that cannot be read
offers nothing instead of an error. Counterpart of the command `completion`, which hooks it into the shell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from breakbulk.cli.invocation import Invocation
from breakbulk.errors import BreakbulkError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from breakbulk.library import Runnable

__all__ = ["explainable_names", "install_ids", "locked_names", "service_names", "specs", "upgradable_names"]

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
_SPEC_STARTS = (
    ("pypi:", "a distribution of a Python index"),
    ("deb:", "a Debian package"),
    ("./", "your own source"),
    ("git+https://", "source in a Git repository"),
)


def specs(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the ways to begin a package to install, and files once a path has begun."""
    from click.shell_completion import CompletionItem

    if incomplete.startswith((".", "/")):
        return [CompletionItem(incomplete, type="dir")]
    return [CompletionItem(start, help=meaning) for start, meaning in _SPEC_STARTS if start.startswith(incomplete)]


def _install_ids(environment: Runnable) -> Iterable[str]:
    return environment.manifest.install


def _service_names(environment: Runnable) -> Iterable[str]:
    return environment.manifest.services


def _locked_names(environment: Runnable) -> Iterable[str]:
    lock = environment.read_lock()
    return {package.name for system in lock.systems.values() for package in system.packages} if lock else ()


def _upgradable_names(environment: Runnable) -> Iterable[str]:
    return {*_install_ids(environment), *_locked_names(environment)}


def _explainable_names(environment: Runnable) -> Iterable[str]:
    from breakbulk.library import Environment

    keys = environment.composed.origins if isinstance(environment, Environment) else ()
    return {*keys, *_locked_names(environment)}


def _offering(names: Callable[[Runnable], Iterable[str]]) -> Completer:
    """Return a completer that offers what `names` finds in the environment that the command line is about."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        invocation = ctx.find_object(Invocation)
        try:
            environment = _environment(invocation) if invocation else None
            found = names(environment) if environment else ()
        except BreakbulkError:
            return []
        typed = set(ctx.params.get(parameter.name or "") or ())
        return [CompletionItem(name) for name in sorted(found) if name.startswith(incomplete) and name not in typed]

    return complete


def _environment(invocation: Invocation) -> Runnable | None:
    """Return the environment, None when a network would have to be asked for it."""
    from breakbulk.library.opening import names_remote, open_environment

    if invocation.directory and names_remote(invocation.directory) and not invocation.hub.url.startswith("/"):
        return None
    return open_environment(invocation.directory, invocation.settings)


install_ids = _offering(_install_ids)
service_names = _offering(_service_names)
explainable_names = _offering(_explainable_names)
locked_names = _offering(_locked_names)
upgradable_names = _offering(_upgradable_names)
