"""`breakbulk push`: publish the environment on the hub, as the next generation of a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.authoring import authorship
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import count, human_size
from breakbulk.cli.signing_options import chosen_signer, refuse_unsigned, signing_options
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.hub.names import Reference
    from breakbulk.hub.push import Pushed
    from breakbulk.library import Environment

__all__ = ["command"]


@declare(
    "push",
    ("breakbulk push ada/tickets", "Publish the environment; `breakbulk run -e ada/tickets -- COMMAND` runs it."),
    ("breakbulk push --message 'pandas 2.3'", "Publish the next generation where it was pushed or pulled before."),
)
@click.argument("name", metavar="[OWNER/NAME]", required=False, shell_complete=references.environments)
@click.option("-m", "--message", default="", metavar="TEXT", help="What is new; `breakbulk history` shows it.")
@click.option("--force", is_flag=True, help="Push though nothing is new, or though others have pushed since.")
@click.option("--strict", is_flag=True, help="Fail when an included environment is overridden without `remove`.")
@signing_options
def command(
    invocation: Invocation,
    *,
    name: str | None,
    message: str,
    force: bool,
    strict: bool,
    sign: str | None,
    no_sign: bool,
) -> None:
    """Publish the environment on the hub.

    It is locked and realised first. What the hub lacks is sent, and nothing else: the lock, your own sources, and the
    packages unpacked and compiled for this machine's system. Others run it by its name, without building anything.
    """
    from breakbulk.hub.names import parse_reference
    from breakbulk.library.publishing import publish

    named = parse_reference(name) if name is not None else None
    signer = chosen_signer(invocation, sign, no_sign=no_sign)
    refuse_unsigned(invocation, signer)
    environment = invocation.environment()
    if strict:
        from breakbulk.manifest.composition import refuse_overrides

        refuse_overrides(environment.composed)
    reference = named or _known(environment)
    pushed = publish(environment, reference, authorship(invocation, message), sign=signer, force=force)
    if message and not pushed.new:
        invocation.note("nothing is new, so the message was not recorded (--force pushes all the same)")
    _note_other_systems(invocation, pushed)
    invocation.report(_document(pushed), lambda: _text(pushed))
    invocation.suggest(f"breakbulk run -e {reference.environment} -- COMMAND")


def _known(environment: Environment) -> Reference:
    """Return where the environment was pushed or pulled before."""
    from breakbulk.hub.names import parse_reference
    from breakbulk.library.upstream import read_upstream

    known = read_upstream(environment.directory)
    if known is None:
        raise UsageError(
            "this environment has no name on a hub yet",
            identifier="push-unnamed",
            where=str(environment.directory),
            hint="breakbulk push OWNER/NAME",
        )
    return parse_reference(known.environment)


def _note_other_systems(invocation: Invocation, pushed: Pushed) -> None:
    change = pushed.recorded.change
    lock = invocation.environment().read_lock()
    others = sorted((lock.systems.keys() if lock else set()) - change.prepared.keys())
    if others:
        names = ", ".join(others)
        invocation.note(f"machines of {names} make the packages from their archives, until one of them pushes")


def _document(pushed: Pushed) -> dict[str, Any]:
    change = pushed.recorded.change
    return {
        "environment": change.environment,
        "generation": change.generation,
        "change": change.number,
        "new": pushed.new,
        "digest": change.digest,
        "message": change.message,
        "bytes_sent": pushed.bytes_sent,
        "objects_sent": pushed.objects_sent,
        "packages_prepared": pushed.prepared,
        "packages_made": pushed.made,
        "systems_prepared": sorted(change.prepared),
    }


def _text(pushed: Pushed) -> str:
    change = pushed.recorded.change
    if not pushed.new:
        return f"{change.environment}:{change.generation} is that already, {change.digest}"
    sent = f"{human_size(pushed.bytes_sent)} sent in {count(pushed.objects_sent, 'object')}"
    return f"pushed {change.environment}:{change.generation}, {change.digest}\n{sent}"
