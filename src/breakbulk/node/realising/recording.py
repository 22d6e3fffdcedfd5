"""Records of pods, in two places: for the handler where it looks, and where they outlive a restart of the machine.

A machine that starts anew starts the containers of the same pods, which get what they had. Counterpart: `records`.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from breakbulk.node.records import PodRecord, ready_path, record_path, waiting_path
from breakbulk.store.faults import store_fault

__all__ = ["forget_record", "prepare_places", "read_record", "recorded_uids", "write_record"]


def prepare_places(run: str, state: str) -> None:
    """Make the directories of plans and records, for root alone, without what killed writers left in them.

    Raises `StoreError`.
    """
    try:
        for place in (f"{run}/pods", f"{run}/ready", f"{run}/waiting", f"{state}/plans", f"{state}/pods"):
            os.makedirs(place, exist_ok=True)
            os.chmod(place, 0o700)
            _remove_half_written(place)
    except OSError as error:
        raise store_fault(error, Path(state), variable="BREAKBULK_STORE") from error


def read_record(run: str, state: str, uid: str) -> PodRecord | None:
    """Return the record of a pod, from wherever there is one."""
    with contextlib.suppress(ValueError):
        return PodRecord.read(run, uid) or PodRecord.read(state, uid)
    return None


def write_record(run: str, state: str, record: PodRecord, *, ready: bool) -> None:
    """Write a record, unless it says what is written already. Raises `StoreError`.

    Args:
        run: Where the handler looks.
        state: What outlives a restart.
        record: Of one pod.
        ready: Whether all environments of the pod are here, so that its sandbox need not wait.

    """
    try:
        for place in (run, state):
            if not _same(PodRecord.read(place, record.uid), record):
                record.write(place)
        if ready:
            os.close(os.open(ready_path(run, record.uid), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise store_fault(error, Path(state), variable="BREAKBULK_STORE") from error


def forget_record(run: str, state: str, uid: str) -> None:
    """Remove what was written down of a pod."""
    with contextlib.suppress(ValueError):
        for path in (record_path(run, uid), ready_path(run, uid), waiting_path(run, uid), record_path(state, uid)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def recorded_uids(run: str, state: str, age_s: float) -> list[str]:
    """Return the uids of all pods with a record that is older than so many seconds."""
    found: set[str] = set()
    oldest = time.time() - age_s
    places = ((f"{run}/pods", ".json"), (f"{run}/ready", ""), (f"{run}/waiting", ""), (f"{state}/pods", ".json"))
    for place, suffix in places:
        for name in os.listdir(place):
            with contextlib.suppress(FileNotFoundError):  # its pod has become ready, or has gone
                if name.endswith(suffix) and os.stat(f"{place}/{name}").st_mtime <= oldest:
                    found.add(name.removesuffix(suffix))
    return sorted(found)


def _remove_half_written(place: str) -> None:
    """Remove files that `records` was about to name when its process was killed; it lives on in nobody's `/proc`."""
    for name in os.listdir(place):
        head, _, writer = name.rpartition(".")
        if head.endswith(".json") and writer.isdigit() and not os.path.exists(f"/proc/{writer}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{place}/{name}")


def _same(written: PodRecord | None, record: PodRecord) -> bool:
    return written is not None and all(getattr(written, name) == getattr(record, name) for name in PodRecord.__slots__)
