"""Which publications of a package may be installed here: the one way from a hub's packages to a lock.

Where signatures are required, what no believed key has signed for its owner is passed over, as if it had not been
published; only if nothing is left is that an error. What a key signed before it was replaced counts on, as far as the
rotation's anchor reaches. A wrong signature is an error everywhere, and so is a hub that says less than it said before.
Counterpart of `trust`, which does so for environments.
"""

from __future__ import annotations

from contextlib import suppress

from breakbulk.errors import IntegrityError
from breakbulk.hub.hub import Hub
from breakbulk.hub.judging import Verifier
from breakbulk.hub.key_statements import KeyStatement
from breakbulk.hub.packages import Publication, PublishedPackages, RecordedPublication
from breakbulk.hub.seen import Histories, Sighting
from breakbulk.settings import Settings

__all__ = ["publication_fault", "trusted_publications"]

_History = tuple[RecordedPublication, ...]


def trusted_publications(hub: Hub, package: str, settings: Settings) -> _History:
    """Return what was published of `owner/name` and may be installed, oldest first.

    Raises:
        IntegrityError: As `trust.resolve_trusted` has them for signatures, of the newest where none will do;
            `history-rewound`, `seen-damaged`; as `PublishedPackages.history`.
        NotFoundError: `package-unknown`.

    """
    history = _remembered(hub, package, settings)
    verifier = Verifier(hub, settings)
    good, faults = [], []
    for each in history:
        fault = publication_fault(verifier, each, history)
        if fault is not None and fault.reference == "signature-invalid":
            raise fault
        if fault is None or not verifier.required:
            good.append(each)
        else:
            faults.append(fault)
    if not good:
        raise faults[-1]
    return tuple(good)


def publication_fault(
    verifier: Verifier, recorded: RecordedPublication, history: _History = ()
) -> IntegrityError | None:
    """Return why the signatures of a publication do not suffice, None when they do; of old ones by their history."""
    publication = recorded.publication
    where = f"change {publication.number} of the package {publication.package}"
    owner = publication.package.partition("/")[0]
    return verifier.fault(recorded.envelope, owner, where, lambda rotation: _reaches(rotation, publication, history))


def _reaches(rotation: KeyStatement, publication: Publication, history: _History) -> bool:
    """Say whether the history that a rotation names has this publication; all of it is linked by its digests."""
    anchor = rotation.packages.get(publication.package)
    if anchor is None or not publication.number <= anchor.number <= len(history):
        return False
    return history[anchor.number - 1].sha256 == anchor.sha256


def _remembered(hub: Hub, package: str, settings: Settings) -> _History:
    """Return the whole history of a package, which goes on from what was seen of it here."""
    histories = Histories(settings.store, hub.url, "packages")
    seen = histories.last(package)  # before the hub is asked: others may see more meanwhile, but none less
    history = PublishedPackages(hub.objects).history(package)
    if seen and (lost := _lost(history, seen)):
        raise histories.rewound(package, lost)
    with suppress(OSError):  # a store that somebody else keeps remembers nothing
        histories.remember(package, Sighting(number=len(history), sha256=history[-1].sha256))
    return history


def _lost(history: _History, seen: Sighting) -> str | None:
    if len(history) < seen.number:
        return f"change {seen.number} was seen here, and the newest on the hub is {len(history)}"
    if history[seen.number - 1].sha256 != seen.sha256:
        return f"change {seen.number} is not the one that was seen here"
    return None
