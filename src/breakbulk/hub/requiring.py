"""Refuse what a hub that requires signatures must not take: for the service, which decides before anything is there.

Counterparts: `policy`, for what a hub requires; `trust` and `trusted_packages`, which decide where something is used,
by the configuration of that machine.
"""

from __future__ import annotations

from collections.abc import Callable

from breakbulk.hub.hub import Hub
from breakbulk.hub.judging import Verifier
from breakbulk.hub.packages import RecordedPublication
from breakbulk.hub.policy import read_policy, requires_signatures
from breakbulk.hub.records import Recorded
from breakbulk.hub.trusted_packages import publication_fault
from breakbulk.settings import Settings

__all__ = ["check_required"]


def check_required(hub: Hub, settings: Settings) -> Callable[[Recorded | RecordedPublication], None]:
    """Return what refuses what `hub` must not take: where it requires signatures, what no believed key has signed.

    For the service, whose machine believes the keys of those who may push. Raises `HubError` `hub-requires-signatures`,
    `IntegrityError` as `resolve_trusted`; a wrong signature is refused whatever is required.
    """

    def check(recorded: Recorded | RecordedPublication) -> None:
        required = read_policy(hub.objects).require_signatures
        if required and not recorded.envelope.signatures:
            raise requires_signatures(f"{_name(recorded)} on {hub.url}")
        verifier = Verifier(hub, settings, required=required)
        if isinstance(recorded, RecordedPublication):
            verifier.refused(publication_fault(verifier, recorded))
        else:
            verifier.check(recorded)

    return check


def _name(recorded: Recorded | RecordedPublication) -> str:
    if isinstance(recorded, RecordedPublication):
        return f"the package {recorded.publication.package}"
    return recorded.change.environment
