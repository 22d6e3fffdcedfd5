"""Which publications of a package may be installed here: the one way from a hub's packages to a lock.

Where signatures are required, what no believed key has signed for its owner is passed over, as if it had not been
published; only if nothing is left is that an error. A wrong signature is one everywhere. Counterpart of `trust`, which
does so for environments.
"""

from __future__ import annotations

from breakbulk.hub.hub import Hub
from breakbulk.hub.judging import Verifier
from breakbulk.hub.packages import PublishedPackages, RecordedPublication
from breakbulk.settings import Settings

__all__ = ["trusted_publications"]


def trusted_publications(hub: Hub, package: str, settings: Settings) -> tuple[RecordedPublication, ...]:
    """Return what was published of `owner/name` and may be installed, oldest first.

    Raises:
        IntegrityError: As `trust.resolve_trusted` has them for signatures, of the newest where none will do; as
            `PublishedPackages.history`.
        NotFoundError: `package-unknown`.

    """
    history = PublishedPackages(hub.objects).history(package)
    verifier = Verifier(hub, settings)
    owner = package.partition("/")[0]
    good = []
    faults = []
    for each in history:
        where = f"change {each.publication.number} of the package {package}"
        fault = verifier.fault(each.envelope, owner, where)
        if fault is not None and fault.reference == "signature-invalid":
            raise fault
        if fault is None or not verifier.required:
            good.append(each)
        else:
            faults.append(fault)
    if not good:
        raise faults[-1]
    return tuple(good)
