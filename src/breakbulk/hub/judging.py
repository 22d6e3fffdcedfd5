"""Judge signatures by the keys that this machine believes, and say why one does not suffice.

What a key is worth is decided by `standing` from what is configured here (`trusted_keys`, `keys`) and what hubs have
said of keys (`key_statements`): one LIST for the key of a signature, and further ones only where it was replaced or
revoked. Counterpart: `trust`, which asks for a judgement before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Literal

import msgspec

from breakbulk.errors import IntegrityError
from breakbulk.hub.configuration import read_configuration
from breakbulk.hub.hub import Hub
from breakbulk.hub.key_statements import KeyStatement, KeyStatements, SignedStatement
from breakbulk.hub.keys import KeyRing
from breakbulk.hub.records import Recorded
from breakbulk.hub.signing import is_signed_by
from breakbulk.hub.standing import Standing, standings
from breakbulk.hub.statements import Envelope, Signature
from breakbulk.hub.trusted_keys import covers, read_trust
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

__all__ = ["Judged", "Verdict", "Verifier"]

_KEYS_MAX = 16  # that statements lead to from one change
_READERS = 16

Verdict = Literal["good", "invalid", "retired", "revoked", "unknown"]
Covered = Callable[[KeyStatement], bool]
"""Says whether what is judged was there already when this rotation retired the key."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One signature: the key's id, what it is called here (empty: it is not known), and what it is worth."""

    key_id: str
    name: str
    verdict: Verdict


class Verifier:
    """Judges signatures of one hub by the keys that this machine believes.

    Args:
        hub: The hub.
        settings: They name the keys.
        required: Whether something has to be signed; None means what is configured.
        changes: Gives a change by environment and number; by default the hub.

    """

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        *,
        required: bool | None = None,
        changes: Callable[[str, int], Recorded] | None = None,
    ) -> None:
        self.required = read_configuration(settings).require_signatures if required is None else required
        self._trust = read_trust(settings)
        ring = KeyRing(settings)
        self._own = (*ring.own(), *ring.former())
        self._published = KeyStatements(hub.objects, hub.url, settings.store)
        self._changes = changes or hub.recorded
        self._statements: dict[str, tuple[SignedStatement, ...]] = {}

    def check(self, recorded: Recorded, reporter: Reporter = SILENT) -> None:
        """Refuse a change that must not run here; raises `IntegrityError` as `resolve_trusted`."""
        change = recorded.change
        where = f"change {change.number} of {change.environment}"
        owner = change.environment.partition("/")[0]
        fault = self.refused(_fault(self.judge(recorded), owner, where))
        if fault is not None and any(covers(each.owners, owner) for each in self._trust.keys):
            reporter.note(f"{where}: {fault.message}")

    def refused(self, fault: IntegrityError | None) -> IntegrityError | None:
        """Raise a fault that nothing excuses; return one that is none where signatures are not required."""
        if fault is not None and (self.required or fault.reference == "signature-invalid"):
            raise fault
        return fault

    def fault(
        self, envelope: Envelope, owner: str, where: str, covered: Covered = lambda _rotation: False
    ) -> IntegrityError | None:
        """Return why the signatures of a statement of `owner` do not suffice, None when they do."""
        return _fault(self.judge_envelope(envelope, owner, covered), owner, where)

    def judge(self, recorded: Recorded) -> tuple[Judged, ...]:
        """Return what each signature of a change is worth."""
        owner = recorded.change.environment.partition("/")[0]
        return self.judge_envelope(recorded.envelope, owner, lambda rotation: self._reaches(rotation, recorded))

    def judge_envelope(
        self, envelope: Envelope, owner: str, covered: Covered = lambda _rotation: False
    ) -> tuple[Judged, ...]:
        """Return what each signature of a statement of `owner` is worth; of a retired key, where it is `covered`."""
        known = self._standings(owner, envelope.signatures) if envelope.signatures else {}
        twice = len({signature.keyid for signature in envelope.signatures}) < len(envelope.signatures)
        return tuple(
            _judged(envelope, signature, known.get(signature.keyid), covered, twice=twice)
            for signature in envelope.signatures
        )

    def _standings(self, owner: str, signatures: Iterable[Signature]) -> Mapping[str, Standing]:
        """Return what keys are worth for an owner; the hub is asked only where somebody is believed at all."""
        if not self._own and not any(covers(each.owners, owner) for each in self._trust.keys):
            return {}
        waiting = [signature.keyid for signature in signatures]
        asked: list[str] = []
        while waiting and len(asked) < _KEYS_MAX:
            key_id = waiting.pop(0)
            if key_id in asked or not _is_id(key_id):
                continue
            asked.append(key_id)
            waiting += _mentioned(self._about(key_id))
        return standings(owner, self._trust, self._own, [each for key_id in asked for each in self._about(key_id)])

    def _about(self, key_id: str) -> tuple[SignedStatement, ...]:
        if key_id not in self._statements:
            self._statements[key_id] = self._published.about(key_id)
        return self._statements[key_id]

    def _reaches(self, rotation: KeyStatement, recorded: Recorded) -> bool:
        """Say whether the history that a rotation names begins with this change, by the digests between them."""
        change = recorded.change
        anchor = rotation.anchors.get(change.environment)
        if anchor is None or anchor.number < change.number:
            return False
        numbers = range(change.number + 1, anchor.number + 1)
        with ThreadPoolExecutor(_READERS) as readers:
            later = tuple(readers.map(lambda number: self._changes(change.environment, number), numbers))
        linked = all(after.change.parent == before.sha256 for before, after in pairwise((recorded, *later)))
        return linked and (recorded, *later)[-1].sha256 == anchor.sha256


def _judged(
    envelope: Envelope, signature: Signature, standing: Standing | None, covered: Covered, *, twice: bool
) -> Judged:
    if standing is None:
        return Judged(key_id=signature.keyid, name="", verdict="invalid" if twice else "unknown")
    verdict: Verdict = "good" if standing.worth == "believed" else standing.worth
    if twice or not is_signed_by(envelope, signature, standing.key):
        verdict = "invalid"
    elif standing.worth == "retired" and standing.rotation is not None and covered(standing.rotation):
        verdict = "good"
    return Judged(key_id=signature.keyid, name=standing.key.name, verdict=verdict)


def _mentioned(statements: Iterable[SignedStatement]) -> Iterator[str]:
    """Yield the ids of keys that statements are about, or that signed them."""
    for each in statements:
        yield each.statement.key.id
        if each.statement.successor is not None:
            yield each.statement.successor.id
        yield from (signature.keyid for signature in each.envelope.signatures)


def _is_id(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _fault(judged: tuple[Judged, ...], owner: str, where: str) -> IntegrityError | None:
    """Return why signatures do not suffice, None when they do: one good, and none wrong."""
    verdicts = {each.verdict: each for each in judged}
    if "invalid" in verdicts:
        return _signature_invalid(verdicts["invalid"], where)
    if "good" in verdicts:
        return None
    if not judged:
        return _signature_missing(where)
    if "revoked" in verdicts:
        return _key_revoked(verdicts["revoked"], where)
    if "retired" in verdicts:
        return _key_retired(verdicts["retired"], where)
    return _key_untrusted(judged[0], owner, where)


def _signature_missing(where: str) -> IntegrityError:
    return IntegrityError(
        "nobody has signed it",
        identifier="signature-missing",
        where=where,
        hint="ask who did it to do it again with a key (`breakbulk key new`); `breakbulk verify` tells which "
        "generations are signed, and those run by their number",
    )


def _signature_invalid(judged: Judged, where: str) -> IntegrityError:
    return IntegrityError(
        f"it does not have the signature that it claims to have, of {_called(judged)}",
        identifier="signature-invalid",
        where=where,
        why="what was signed is not what is here, or somebody else signed it",
        hint="do not run it; `breakbulk verify` tells what else is wrong, and a mirror may have it as it was",
    )


def _key_untrusted(judged: Judged, owner: str, where: str) -> IntegrityError:
    return IntegrityError(
        f"it is signed by {_called(judged)}, whom this machine does not believe for {owner}",
        identifier="key-untrusted",
        where=where,
        hint=f"get the public key from its owner, not from the hub, then `breakbulk key trust FILE --owner {owner}`",
    )


def _key_retired(judged: Judged, where: str) -> IntegrityError:
    return IntegrityError(
        f"it is signed by {_called(judged)}, which had been replaced by then",
        identifier="key-retired",
        where=where,
        why="a retired key is good for what was there when it was replaced",
        hint="ask who did it to do it again with the new key",
    )


def _key_revoked(judged: Judged, where: str) -> IntegrityError:
    return IntegrityError(
        f"it is signed by {_called(judged)}, which has been revoked",
        identifier="key-revoked",
        where=where,
        why="nothing counts that a revoked key has ever signed",
        hint="ask its owner to push it again with another key, and `breakbulk key trust` that one",
    )


def _called(judged: Judged) -> str:
    return f"the key {judged.name} ({judged.key_id[:16]})" if judged.name else f"the key {judged.key_id[:16]}"
