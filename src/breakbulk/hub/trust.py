"""Decide whether an environment of a hub may run here: the one way from a reference to something to realise.

    reference ─► change ─► its signatures ─► what their keys are worth (`judging`) ─► what was seen before (`seen`)

Where signatures are required, only a change runs that a believed key has signed for its owner; else what is signed is
checked all the same, and a wrong signature is an error everywhere. A name alone means the newest change, so whoever
makes another generation live without a key, or takes changes away, is noticed. A generation or digest that is asked for
needs its own signature only.
"""

from __future__ import annotations

from collections.abc import Callable

from breakbulk.errors import IntegrityError
from breakbulk.hub.hub import Hub
from breakbulk.hub.judging import Verifier
from breakbulk.hub.names import Reference
from breakbulk.hub.records import Recorded
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.seen import Histories, Sighting, has_lost
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

__all__ = ["check_vouched", "resolve_trusted"]


def resolve_trusted(hub: Hub, reference: Reference, settings: Settings, reporter: Reporter = SILENT) -> Recorded:
    """Return the change that says what `reference` is, if it may run here.

    Raises:
        IntegrityError: `signature-missing`, `signature-invalid`, `key-untrusted`, `key-retired`, `key-revoked`;
            `history-rewound`; `trust-damaged`, `seen-damaged`; as `Hub.resolve`.
        BreakbulkError: As `Hub.resolve`.

    """
    histories = Histories(settings.store, hub.url)
    seen = None if reference.pinned else histories.last(reference.environment)
    recorded = hub.resolve(reference)  # after what was seen is read: others may see more meanwhile, but none less
    Verifier(hub, settings).check(recorded, reporter)
    if reference.pinned:
        return recorded
    if seen and (lost := has_lost(hub, recorded, seen)):
        live = f"generation {seen.generation} was live then, {recorded.change.generation} is now"
        runs = f"`{reference.environment}:N` still runs"
        raise histories.rewound(reference.environment, f"{lost}; {live}", f"{runs}, and ")
    try:
        histories.remember(reference.environment, Sighting.of(recorded))
    except OSError as error:
        reporter.note(f"what the hub says of {reference.environment} cannot be remembered: {error.strerror}")
    return recorded


def check_vouched(hub: Hub, settings: Settings, sign: Signer) -> Callable[[Recorded], None]:
    """Return what refuses to have `sign` vouch for a change that no believed key has signed (`switching.Check`).

    A switch repeats what a push says: whoever can write to the hub could have it say anything, and the signature of
    the switch would be theirs.
    """

    def check(recorded: Recorded) -> None:
        if sign is nobody:
            return
        try:
            Verifier(hub, settings, required=True).check(recorded)
        except IntegrityError as error:
            change = recorded.change
            error.why = "; ".join(filter(None, (error.why, "your signature would vouch for what it says")))
            error.hint = (
                f"`breakbulk pull {change.environment}:{change.generation} --into DIRECTORY`, look at it and push it "
                "again; or do this with --no-sign"
            )
            raise

    return check
