"""Does containerd know our runtimes as it has to, and does the program that it calls for them work.

Each check stands for one way in which pods have been seen to fail: a configuration that was written and never read,
annotations that are not passed on, a cgroup driver other than kubelet's, scores that the kernel refuses. What
containerd makes of its configuration is asked once; when it cannot be, what depends on it is `unknown`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from breakbulk.checks import Check
from breakbulk.errors import BreakbulkError
from breakbulk.node.annotations import PASSED_ON
from breakbulk.node.examining.machine import CAP_SYS_RESOURCE, effective_capabilities
from breakbulk.node.examining.verdicts import failed, passed, unknown, warning
from breakbulk.node.installing import containerd
from breakbulk.node.installing.containerd import Answering
from breakbulk.node.installing.restarting import is_outdated
from breakbulk.node.installing.runtimes import NAMES, Merged
from breakbulk.node.installing.stub_image import missing_stubs
from breakbulk.node.place import NodePlace

__all__ = ["containerd_checks", "oom_score_check"]

_OLDEST = (1, 7, 0)
_INSTALL = "`breakbulk node install`"
_DEPENDENT = {
    "runtimes": "the configuration names our runtimes",
    "annotations": "annotations of pods are passed on to the runtime",
    "cgroup-driver": "containerd and kubelet agree who makes control groups",
    "oom-score": "containerd may set scores of processes for when memory is short",
}


def containerd_checks(place: NodePlace, kubelet_settings: Path | None) -> Iterator[Check]:
    """Yield what there is to say of containerd and of our runtime.

    Args:
        place: Of the node.
        kubelet_settings: Kubelet's configuration file, None where nobody knows.

    """
    yield _version(place)
    running = containerd.answering(place.containerd_socket)
    yield _answers(place, running)
    try:
        merged = containerd.merged(place.containerd, place.containerd_config)
    except BreakbulkError as error:
        why = error.why or error.message
        yield from (unknown(identifier, what, why) for identifier, what in _DEPENDENT.items())
    else:
        yield _runtimes(place, merged)
        yield _annotations(place, merged)
        yield _cgroup_driver(place, merged, kubelet_settings)
        yield oom_score_check(merged, effective_capabilities(running.process if running else "self"))
    yield _restarted(place, running)
    yield _program(place)
    yield _stub(place, running)


def oom_score_check(merged: Merged, capabilities: int | None) -> Check:
    """Say whether runc can set the scores that containerd asks for; where not, it ends without saying so."""
    identifier, what = "oom-score", _DEPENDENT["oom-score"]
    if merged.restricts_oom_score:
        return passed(identifier, what)
    if capabilities is None:
        return unknown(identifier, what, "the capabilities of containerd cannot be seen")
    if capabilities >> CAP_SYS_RESOURCE & 1:
        return passed(identifier, what)
    return failed(
        identifier,
        what,
        "it has no CAP_SYS_RESOURCE: containers end with `can't get final child's PID from pipe: EOF`",
        "set `restrict_oom_score_adj = true` in the table of containerd's plugin for Kubernetes, and restart it",
    )


def _version(place: NodePlace) -> Check:
    try:
        version = containerd.version(place.containerd)
    except BreakbulkError as error:
        what, why = f"containerd at {place.containerd}", error.why or error.message
        return failed("containerd", what, why, error.hint)
    what = f"containerd {'.'.join(map(str, version))}"
    if version < _OLDEST:
        why = "annotations of pods and their sandboxes are passed on as needed since 1.7"
        return failed("containerd", what, why, "install containerd 1.7 or newer")
    return passed("containerd", what)


def _answers(place: NodePlace, running: Answering | None) -> Check:
    what = f"containerd answers at {place.containerd_socket}"
    if running is None:
        why, fix = "nobody listens there", "`systemctl status containerd`; `journalctl -u containerd -e`"
        return failed("containerd-answers", what, why, fix)
    return passed("containerd-answers", what)


def _runtimes(place: NodePlace, merged: Merged) -> Check:
    identifier, what = "runtimes", _DEPENDENT["runtimes"]
    ours = merged.ours(str(place.runtime))
    if merged.disabled:
        why = "its plugin for Kubernetes is switched off"
        fix = "take `cri` out of `disabled_plugins`, and restart containerd"
        return failed(identifier, what, why, fix)
    if not ours:
        why = "no runtime calls our program; an `imports` may have taken the place of what was there, as with NVIDIA's"
        return failed(identifier, what, why, _INSTALL)
    if len(ours) < len(NAMES):
        missing = next(name for name in NAMES if name not in ours)
        why = f"`{missing}` is somebody else's runtime: pods that ask for it are not ours"
        return warning(identifier, what, why, f"remove it, then {_INSTALL}")
    return passed(identifier, what)


def _annotations(place: NodePlace, merged: Merged) -> Check:
    identifier, what = "annotations", _DEPENDENT["annotations"]
    ours = merged.ours(str(place.runtime))
    if not ours:
        return unknown(identifier, what, "there is no runtime of ours")
    for name, table in ours.items():
        for key in ("pod_annotations", "container_annotations"):
            if missing := [pattern for pattern in PASSED_ON if pattern not in (table.get(key) or ())]:
                why = f"`{key}` of runtime `{name}` lacks {', '.join(missing)}: pods look as if they asked for nothing"
                return failed(identifier, what, why, _INSTALL)
    return passed(identifier, what)


def _cgroup_driver(place: NodePlace, merged: Merged, kubelet_settings: Path | None) -> Check:
    identifier, what = "cgroup-driver", _DEPENDENT["cgroup-driver"]
    ours = merged.ours(str(place.runtime))
    if not ours:
        return unknown(identifier, what, "there is no runtime of ours")
    said = {bool((table.get("options") or {}).get("SystemdCgroup")) for table in ours.values()}
    driver = _kubelet_driver(kubelet_settings)
    expected = merged.systemd_cgroup if driver is None else driver == "systemd"
    if said != {expected}:
        other = "runc's" if driver is None else "kubelet's"
        why = f"`SystemdCgroup` of our runtimes is not as {other}: runc refuses every container"
        fix = f"give runc's runtime `SystemdCgroup = {str(expected).lower()}`, then {_INSTALL}"
        return failed(identifier, what, why, fix)
    return passed(identifier, what)


def _restarted(place: NodePlace, running: Answering | None) -> Check:
    identifier, what = "containerd-restarted", "containerd was started after its configuration was written"
    if running is None:
        return unknown(identifier, what, "containerd does not run")
    try:
        outdated = is_outdated(place)
    except (OSError, BreakbulkError) as error:
        return unknown(identifier, what, str(error))
    if outdated:
        why, fix = "it does not know yet what is written there", f"restart it: {_INSTALL} does so"
        return failed(identifier, what, why, fix)
    return passed(identifier, what)


def _program(place: NodePlace) -> Check:
    """Call our runtime for what every runtime can do: the answer is runc's, through our program."""
    identifier, what = "runtime-program", f"{place.runtime} calls {place.runc}"
    if not place.runtime.exists():
        return failed(identifier, what, "it is not there", _INSTALL)
    try:
        told = subprocess.run(
            [str(place.runtime), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=10,
            env={"PATH": os.defpath},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or "it does not end"
        return failed(identifier, what, why, _INSTALL)
    if told.returncode != 0 or not told.stdout.strip():
        why = told.stderr.strip()[-300:] or f"it ends with {told.returncode} and says nothing"
        return failed(identifier, what, why, _INSTALL)
    return passed(identifier, f"{what}: {told.stdout.splitlines()[0].strip()}")


def _stub(place: NodePlace, running: Answering | None) -> Check:
    identifier, what = "stub-image", "the image that pods with environments name is here, and stays"
    if running is None:
        return unknown(identifier, what, "containerd does not run")
    try:
        missing = missing_stubs(place)
    except BreakbulkError as error:
        return unknown(identifier, what, error.why or error.message)
    if missing:
        why = f"{' and '.join(missing)}: not here, or to be removed when the disk is full; no registry has it"
        return failed(identifier, what, why, f"`breakbulk node stub`, or {_INSTALL}")
    return passed(identifier, what)


def _kubelet_driver(settings: Path | None) -> str | None:
    """Return kubelet's `cgroupDriver`, None where its file does not say."""
    if settings is None:
        return None
    try:
        document = yaml.safe_load(settings.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    driver = document.get("cgroupDriver") if isinstance(document, dict) else None
    return driver if isinstance(driver, str) else None
