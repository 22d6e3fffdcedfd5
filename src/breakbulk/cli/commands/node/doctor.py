"""`breakbulk node doctor`: every check of this machine, with the remedy of what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import place_of, place_options
from breakbulk.cli.rendering import Style, indented

if TYPE_CHECKING:
    from breakbulk.checks import Check

__all__ = ["command"]

_FAILED = 1


@declare(
    "doctor",
    ("sudo breakbulk node doctor", "Examine this machine."),
    ("sudo breakbulk node doctor --json", "Print what was found for a program."),
    environment=False,
)
@place_options
def command(invocation: Invocation, **given: Any) -> int:
    """Find out what keeps pods without images from starting here.

    Nothing is changed. Each check that fails says what to do. The exit code is 1 when one has failed.
    """
    from breakbulk.checks import worst
    from breakbulk.node.distributions import kubelet_settings
    from breakbulk.node.examining.doctor import checks

    task = invocation.begin("examining this node")
    try:
        found = list(checks(place_of(invocation, given), invocation.settings, kubelet_settings=kubelet_settings()))
    finally:
        task.finish()
    document = {"state": worst(found), "checks": found}
    invocation.show(document, lambda: "\n".join(_lines(check, invocation.style) for check in found))
    return _FAILED if worst(found) == "failed" else 0


def _lines(check: Check, style: Style) -> str:
    mark = {
        "ok": style.good("ok       "),
        "warning": style.notable("warning  "),
        "failed": style.bad("failed   "),
        "unknown": style.faint("unknown  "),
    }[check.state]
    lines = [f"{mark}{check.what}"]
    lines += [f"why: {check.why}"] if check.why else []
    lines += [f"fix: {check.fix}"] if check.fix else []
    return indented("\n".join(lines), 9)
