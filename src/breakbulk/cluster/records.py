"""Which clusters there are: one directory for each, with `cluster.json` in it, written before anything else is done.

    <state>/clusters/NAME/cluster.json    which driver keeps it, and what that driver has to remember

A record is replaced whole. Whatever else a driver keeps in that directory is its own affair; a directory without one
is what a killed `up` or `down` left, and no cluster. The drivers are the counterparts: each has a struct of its own,
whose field `driver` says whose it is.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from breakbulk.cluster.model import DriverKind
from breakbulk.errors import ClusterError

__all__ = ["ClusterRecord", "cluster_directory", "cluster_names", "read_record", "recorded_driver", "write_record"]

_FORMAT = 1
_FILE = "cluster.json"
_TEXTS = (IPv4Network, Path)
"""Types of fields that are texts in a record."""


class ClusterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What every record has; drivers add to it by inheriting."""

    driver: DriverKind
    format: int = _FORMAT


Record = TypeVar("Record", bound=ClusterRecord)


def cluster_directory(state: Path, name: str) -> Path:
    """Return the directory of a cluster, which need not exist; `state` is `Settings.state`."""
    return state / "clusters" / name


def cluster_names(state: Path) -> list[str]:
    """Return the names of all clusters, whoever keeps them, sorted."""
    return sorted(path.parent.name for path in (state / "clusters").glob(f"*/{_FILE}"))


def recorded_driver(directory: Path) -> DriverKind | None:
    """Return who keeps the cluster of a directory, None when there is none.

    Where the record is damaged that is `native`: it needs no record to remove everything that bears a cluster's name.
    """
    try:
        record = read_record(directory, ClusterRecord)
    except ClusterError:
        return "native"
    return record.driver if record else None


def read_record(directory: Path, kind: type[Record]) -> Record | None:
    """Return the record of a cluster, None when there is none.

    Raises:
        ClusterError: `cluster-record`: it is damaged, or of a later version of Breakbulk.

    """
    path = directory / _FILE
    try:
        record = msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=_decode)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise _unreadable(path, str(error)) from error
    if record.format != _FORMAT:
        raise _unreadable(path, f"its format is {record.format}, this version of Breakbulk knows {_FORMAT}")
    return record


def write_record(directory: Path, record: ClusterRecord) -> None:
    """Write the record of a cluster, durably, and its directory, which only its owner may enter; raise `OSError`."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = directory / f".{_FILE}.{os.getpid()}"
    with half.open("wb") as file:
        file.write(_pretty(record))
        file.flush()
        os.fsync(file.fileno())
    half.replace(directory / _FILE)


def _pretty(record: ClusterRecord) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record, enc_hook=_encode), indent=2) + b"\n"


def _encode(value: Any) -> str:
    if isinstance(value, _TEXTS):
        return str(value)
    raise NotImplementedError(type(value))


def _decode(kind: type, value: Any) -> Any:
    if issubclass(kind, _TEXTS):
        return kind(value)
    raise NotImplementedError(kind)


def _unreadable(path: Path, why: str) -> ClusterError:
    return ClusterError(
        "the record of a cluster cannot be read",
        identifier="cluster-record",
        where=str(path),
        why=why,
        hint=f"`breakbulk cluster down --name {path.parent.name}` removes what is left of the cluster",
    )
