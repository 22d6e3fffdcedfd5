"""Make another generation of an environment the live one: `switch` chooses it, `rollback` takes steps back.

    live after   push 1   push 2   push 3   rollback   rollback   push 4   rollback
                    1        2        3         2          1         4         1

A rollback goes to the generation that was live before the present one became live, and the next rollback to the one
before that: it never goes back to what was just left, as undo does not. What was left stays: `switch` goes there.
Nothing is removed and no generation is allotted; a switch is one more change, which has all that a machine needs to run
the environment, copied from the push of that generation.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from breakbulk.errors import HubError, NotFoundError
from breakbulk.hub.hub import Hub
from breakbulk.hub.names import Reference, parse_reference
from breakbulk.hub.records import Authorship, Change, ChangeKind, Recorded, new_token
from breakbulk.hub.sealing import Signer, nobody

__all__ = ["rollback", "switch"]


Check = Callable[[Recorded], object]
"""Is handed the push that is made live again, and raises when we must not say the same: who signs a switch vouches."""


def _accept(_recorded: Recorded) -> None:
    """Have nothing against it."""


def switch(
    hub: Hub, reference: Reference, by: Authorship, sign: Signer = nobody, check: Check = _accept
) -> Recorded | None:
    """Make the generation that `reference` names the live one; None, with nothing recorded, when it is already.

    Raises:
        NotFoundError: `environment-unknown`, `generation-unknown`.
        IntegrityError: As `Hub.resolve`.
        HubError: As `Hub.commit`.
        BreakbulkError: What `check` raises.

    """
    found = hub.resolve(reference)
    check(found)
    pushed = found.change

    def make(current: Recorded | None) -> Change | None:
        if current is None:
            raise _changed(reference.environment, pushed.generation, None)
        if current.change.generation == pushed.generation:
            return None
        return _following(current, pushed, "switch", by)

    return hub.commit(reference.environment, make, sign)


def rollback(hub: Hub, environment: str, by: Authorship, sign: Signer = nobody, check: Check = _accept) -> Recorded:
    """Make the generation live that was live before the present one became live.

    Raises:
        NotFoundError: `environment-unknown`; `rollback-impossible`, there was none before.
        IntegrityError: As `Hub.resolve`.
        HubError: `hub-changed`, somebody made another generation live meanwhile; and as `Hub.commit`.
        BreakbulkError: What `check` raises.

    """
    seen = hub.resolve(parse_reference(environment))
    found = hub.resolve(parse_reference(f"{environment}:{_before(hub, seen)}"))
    check(found)
    pushed = found.change

    def make(current: Recorded | None) -> Change:
        if current is None or current.change.generation != seen.change.generation:
            raise _changed(environment, seen.change.generation, current)
        return _following(current, pushed, "rollback", by)

    recorded = hub.commit(environment, make, sign)
    if recorded is None:
        raise _changed(environment, seen.change.generation, None)
    return recorded


def _before(hub: Hub, seen: Recorded) -> int:
    """Return the generation that was live before the one live after `seen` became live.

    Each rollback took back one push or switch, so those that have been taken back are passed over.
    """
    taken_back = 0
    step: Recorded | None = seen
    while step is not None:
        change = step.change
        if change.kind == "rollback":
            taken_back += 1
        elif taken_back:
            taken_back -= 1
        elif change.previous is not None:
            return change.previous
        step = hub.before(step)
    raise NotFoundError(
        f"{seen.change.environment} had no generation live before {seen.change.generation}",
        identifier="rollback-impossible",
        where=hub.url,
        hint=f"`breakbulk switch {seen.change.environment} N` makes any generation live",
    )


def _following(current: Recorded, pushed: Change, kind: ChangeKind, by: Authorship) -> Change:
    """Return the change after `current` that makes the generation of `pushed` live."""
    return msgspec.structs.replace(
        pushed,
        number=current.change.number + 1,
        kind=kind,
        generations=current.change.generations,
        previous=current.change.generation,
        author=by.author,
        host=by.host,
        command=by.command,
        time=by.time,
        message=by.message,
        about=pushed.pushed_message,
        parent=current.sha256,
        token=new_token(),
    )


def _changed(environment: str, generation: int, current: Recorded | None) -> HubError:
    live = f"generation {current.change.generation} is live now" if current else "it has no generation any more"
    return HubError(
        f"somebody changed {environment} meanwhile",
        identifier="hub-changed",
        where=f"{environment}:{generation}",
        why=live,
        hint=f"look at `breakbulk history {environment}`, then run the command again",
    )
