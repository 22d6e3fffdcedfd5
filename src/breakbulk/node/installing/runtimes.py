"""Our runtimes in containerd's configuration: what they have to say, and whether what containerd made of it says so.

Pure. `Merged` is the answer of `containerd config dump`: main file, imports and defaults as one. An installation is
right when the answer afterwards is the answer before, plus our runtimes (`differences`); nothing is concluded from how
imports ought to be merged, which has changed: containerd 1.7 replaces the whole table of a plugin by that of a later
file, containerd 2.0 merges them. Counterparts: `containerd` asks, `registration` writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from breakbulk.node.annotations import PASSED_ON

__all__ = ["NAMES", "Merged", "differences", "lost_runtimes", "table_name", "tables", "wanted"]

NAMES = ("breakbulk", "flox")
"""Handlers that pods ask for by their RuntimeClass; the second as Flox's users have it in their manifests."""

_PLUGIN = "io.containerd.cri.v1.runtime"
_PLUGIN_BEFORE_3 = "io.containerd.grpc.v1.cri"
_TYPE = "io.containerd.runc.v2"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_INHERITED = ("base_runtime_spec", "cni_conf_dir", "snapshotter")
"""What an administrator may have said of runc that holds for our pods as well."""

Table = Mapping[str, Any]


class Merged(msgspec.Struct, frozen=True):
    """What containerd makes of its configuration."""

    document: dict[str, Any]

    @property
    def version(self) -> int:
        """Of the format."""
        return int(self.document.get("version") or 1)

    @property
    def cri(self) -> Table:
        """The table of the plugin that kubelet speaks to."""
        plugins: Table = self.document.get("plugins") or {}
        found: Table = plugins.get(_PLUGIN) or plugins.get(_PLUGIN_BEFORE_3) or {}
        return found

    @property
    def runtimes(self) -> dict[str, Table]:
        """The runtimes by name."""
        return dict((self.cri.get("containerd") or {}).get("runtimes") or {})

    @property
    def default_runtime(self) -> Table:
        """The runtime of pods that name none."""
        name = (self.cri.get("containerd") or {}).get("default_runtime_name") or "runc"
        return self.runtimes.get(str(name)) or self.runtimes.get("runc") or {}

    @property
    def systemd_cgroup(self) -> bool:
        """Whether systemd makes the control groups of pods."""
        return bool((self.default_runtime.get("options") or {}).get("SystemdCgroup"))

    @property
    def restricts_oom_score(self) -> bool:
        """Whether containerd asks the kernel only for what it may have."""
        return bool(self.cri.get("restrict_oom_score_adj"))

    @property
    def disabled(self) -> bool:
        """Whether the plugin that kubelet speaks to is switched off, as by Docker's packages of containerd."""
        return bool({"cri", _PLUGIN, _PLUGIN_BEFORE_3}.intersection(self.document.get("disabled_plugins") or ()))

    def ours(self, program: str) -> dict[str, Table]:
        """Return the runtimes that call `program`."""
        return {name: table for name, table in self.runtimes.items() if _program(table) == program}


def wanted(before: Merged, program: str) -> dict[str, Table]:
    """Return our runtimes; a name that somebody else's runtime has stays theirs."""
    taken = {name for name in NAMES if name in before.runtimes and name not in before.ours(program)}
    inherited = {key: before.default_runtime[key] for key in _INHERITED if before.default_runtime.get(key)}
    table = {
        "runtime_type": _TYPE,
        "pod_annotations": list(PASSED_ON),
        "container_annotations": list(PASSED_ON),
        **inherited,
        "options": {"BinaryName": program, "SystemdCgroup": before.systemd_cgroup},
    }
    return {name: table for name in NAMES if name not in taken}


def differences(before: Merged, after: Merged, runtimes: Mapping[str, Table], program: str) -> list[str]:
    """Return what is wrong with `after`, dotted names: what it has lost or changed, and which of ours it lacks."""
    ours = {*before.ours(program), *runtimes}
    then, now = (dict(_leaves(_compared(merged, ours))) for merged in (before, after))
    found = [f"{name} is lost" for name in then.keys() - now.keys()]
    found += [f"{name} becomes {now[name]!r}" for name in then.keys() & now.keys() if then[name] != now[name]]
    for name, table in runtimes.items():
        said = dict(_leaves(after.runtimes.get(name, {})))
        found += [f"{name}.{key} is not {value!r}" for key, value in _leaves(table) if said.get(key) != value]
    return sorted(found)


def lost_runtimes(before: Merged, after: Merged, program: str) -> dict[str, Table]:
    """Return the runtimes of others that `after` lacks: one that is named anywhere may replace those by default."""
    return {
        name: table
        for name, table in before.runtimes.items()
        if name not in after.runtimes and _program(table) != program
    }


def table_name(version: int) -> str:
    """Return the plugin whose table holds the runtimes, in a file of this version."""
    return _PLUGIN if version >= 3 else _PLUGIN_BEFORE_3


def tables(runtimes: Mapping[str, Table], version: int) -> str:
    """Return the TOML of runtimes for a file of this version."""
    path = ("plugins", table_name(version), "containerd", "runtimes")
    return "\n".join(line for name, table in runtimes.items() for line in _table((*path, name), table)) + "\n"


def _program(table: Table) -> str:
    return str((table.get("options") or {}).get("BinaryName") or "")


def _compared(merged: Merged, without: set[str]) -> dict[str, Any]:
    """Return the document without the runtimes of these names, and without the list of files it comes from."""
    document = {key: value for key, value in merged.document.items() if key != "imports"}
    plugins = dict(document.get("plugins") or {})
    for plugin in (_PLUGIN, _PLUGIN_BEFORE_3):
        containerd = (plugins.get(plugin) or {}).get("containerd") or {}
        if "runtimes" in containerd:
            kept = {name: table for name, table in containerd["runtimes"].items() if name not in without}
            plugins[plugin] = {**plugins[plugin], "containerd": {**containerd, "runtimes": kept}}
    return {**document, "plugins": plugins}


def _leaves(table: Table, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        elif not isinstance(value, Mapping):
            yield ".".join((*path, key)), value


def _table(path: tuple[str, ...], table: Table) -> Iterator[str]:
    yield f"[{'.'.join(map(_key, path))}]"
    yield from (f"  {_key(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, Mapping))
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _table((*path, key), value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _string(text: str) -> str:
    """Return a basic string; those of JSON are some, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
