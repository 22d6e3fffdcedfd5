"""`breakbulk verify`: check the whole history of an environment of the hub, and everything that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.recording import short_digest, who
from breakbulk.cli.rendering import Style, columns, count, human_size, printable
from breakbulk.errors import IntegrityError, StoreError, UsageError

if TYPE_CHECKING:
    from breakbulk.hub.judging import Judged
    from breakbulk.hub.names import Reference
    from breakbulk.hub.verifying import CheckedChange, Verification

__all__ = ["command"]

_HEADER = ("CHANGE", "KIND", "GENERATION", "DIGEST", "WHO", "SIGNED BY", "")
_RIGHT = frozenset({0, 2})


@declare(
    "verify",
    ("breakbulk verify ada/tickets", "Check its history, its signatures, and that everything it names is there."),
    ("breakbulk verify ada/tickets:3 --deep", "Read all bytes of generation 3 and compare them with their digests."),
    ("breakbulk verify ada/tickets --accept", "Take what the hub says now for the truth, though it said more before."),
    environment=False,
)
@click.argument("name", metavar="OWNER/NAME[:N]", shell_complete=references.references)
@click.option("--deep", is_flag=True, help="Read every object, not only its size.")
@click.option("--accept", is_flag=True, help="Forget what was seen of this environment here, and go on from now.")
def command(invocation: Invocation, name: str, deep: bool, accept: bool) -> int:
    """Check all that the hub says of an environment.

    Each change must be the one its successor followed; its signatures must be right, and, where signatures are
    required, of keys that are believed; a switch must repeat the push it points to; every object must be there with
    its size. Exits with 69 when anything is wrong.
    """
    from breakbulk.hub.names import parse_reference
    from breakbulk.hub.verifying import verify

    reference = parse_reference(name)
    accepted = _accept(invocation, reference) if accept else None
    found = verify(invocation.hub, reference, invocation.settings, deep=deep, reporter=invocation)
    document = {**_document(found), "deep": deep, "hub": invocation.hub.url, "accepted": accepted}
    invocation.show(document, lambda: _text(found, deep=deep, look=invocation.style))
    return 0 if found.good else IntegrityError.exit_code


def _accept(invocation: Invocation, reference: Reference) -> dict[str, Any]:
    """Take the hub's present state for the truth, and tell what is lost with that."""
    from breakbulk.hub.verifying import accept

    if reference.pinned:
        raise UsageError(
            "--accept is about the whole history", hint=f"breakbulk verify {reference.environment} --accept"
        )
    try:
        before, newest = accept(invocation.hub, reference.environment, invocation.settings)
    except OSError as error:
        raise StoreError("it cannot be remembered", where=str(error.filename), why=error.strerror) from error
    now = newest.change
    if before is None:
        invocation.note(f"accepted change {now.number}, generation {now.generation}; nothing was known before")
    else:
        lost = before.number - now.number
        gone = f"; lost for good: {count(lost, 'change')} after that" if lost > 0 else ""
        invocation.note(
            f"accepted change {now.number}, generation {now.generation}; seen before was change {before.number}, "
            f"generation {before.generation}{gone}"
        )
    return {"change": now.number, "generation": now.generation, "change_before": before.number if before else None}


def _document(found: Verification) -> dict[str, Any]:
    return {
        "environment": found.environment,
        "good": found.good,
        "faults": found.faults,
        "signatures_required": found.required,
        "signatures_required_by_hub": found.required_by_hub,
        "objects": found.objects,
        "bytes_read": found.bytes_read,
        "changes": [_change_document(checked) for checked in found.changes],
    }


def _change_document(checked: CheckedChange) -> dict[str, Any]:
    change = checked.change
    return {
        "change": checked.number,
        "kind": change.kind if change else None,
        "generation": change.generation if change else None,
        "digest": change.digest if change else None,
        "author": change.author if change else None,
        "time": change.time if change else None,
        "signatures": [
            {"key": judged.key_id, "name": judged.name, "verdict": judged.verdict} for judged in checked.signatures
        ],
        "faults": checked.faults,
    }


def _text(found: Verification, *, deep: bool, look: Style) -> str:
    table = columns(_HEADER, (_row(checked) for checked in found.changes), look, right=_RIGHT)
    wrong = [f"change {checked.number}: {fault}" for checked in found.changes for fault in checked.faults]
    lines = [look.bad(printable(fault)) for fault in (*found.faults, *wrong)]
    read = f", {human_size(found.bytes_read)} read" if deep else ""
    seen = f"{count(len(found.changes), 'change')}, {count(found.objects, 'object')}{read}"
    if lines:
        return "\n".join([table, *lines, look.bad(f"{found.environment}: {count(len(lines), 'fault')}; {seen}")])
    return f"{table}\n{look.good(f'{found.environment} is as it was recorded')}; {seen}{_what_is_signed(found)}"


def _what_is_signed(found: Verification) -> str:
    """Say of how many changes nobody here knows who made them, where that is not a fault."""
    unsigned = sum(1 for checked in found.changes if not any(each.verdict == "good" for each in checked.signatures))
    return f"; {unsigned} not signed by anybody whom this machine believes" if unsigned else ""


def _row(checked: CheckedChange) -> tuple[str, ...]:
    change = checked.change
    if change is None:
        return (str(checked.number), "?", "", "", "", "", "damaged")
    return (
        str(checked.number),
        change.kind,
        str(change.generation),
        short_digest(change.digest),
        who(change),
        ", ".join(map(_signed_by, checked.signatures)) or "nobody",
        "wrong" if checked.faults else "",
    )


def _signed_by(judged: Judged) -> str:
    name = printable(judged.name) or judged.key_id[:16]
    return name if judged.verdict == "good" else f"{name} ({judged.verdict})"
