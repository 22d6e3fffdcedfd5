"""What a node says of its machine in labels, so that pods can ask for it, and of the environments that it has.

A label is there when it is true. The words of `breakbulk.dev/cpu-...` are those of /proc/cpuinfo.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path

from breakbulk.node.realising.pinning import Target

__all__ = ["labels", "listed"]

_VERSION = "breakbulk.dev/version"
_LEVEL = "breakbulk.dev/cpu"
_FEATURE = "breakbulk.dev/cpu-"
_ENVIRONMENTS = "breakbulk.dev/environments"
_SHOWN_BYTES = 4096
_DIGITS = 12
_CPUINFO = Path("/proc/cpuinfo")
_TELLING = frozenset(
    {"aes", "amx_bf16", "amx_int8", "avx", "avx2", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx512f", "avx_vnni",
     "f16c", "fma", "sha_ni", "asimd", "asimddp", "bf16", "i8mm", "sve", "sve2"}
)  # fmt: skip
"""Features that libraries choose their code by."""


def labels(version: str, level: str, cpuinfo: str | None = None) -> dict[str, str]:
    """Return the labels of this machine.

    Args:
        version: Of Breakbulk.
        level: Of x86-64, such as `x86_64-v3`; the machine's name elsewhere.
        cpuinfo: Of another machine than this one.

    """
    text = _CPUINFO.read_text(encoding="utf-8", errors="replace") if cpuinfo is None else cpuinfo
    found = sorted(_flags(text) & _TELLING)
    return {
        _VERSION: version,
        _LEVEL: level if platform.machine() == "x86_64" else platform.machine(),
        **{f"{_FEATURE}{name.replace('_', '-')}": "true" for name in found},
    }


def listed(targets: Iterable[Target]) -> dict[str, str]:
    """Return the annotation that lists the environments that are here, the newest first, in a few kilobytes at most."""
    shown, size = [], 0
    for target in targets:
        word = f"{target.environment}@{target.digest[:_DIGITS]}"
        size += len(word) + 1
        if size > _SHOWN_BYTES:
            shown.append("...")
            break
        shown.append(word)
    return {_ENVIRONMENTS: ",".join(shown)}


def _flags(cpuinfo: str) -> frozenset[str]:
    """Return what every processor has."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    each = [frozenset(text.split()) for name, _, text in lines if name.strip() in {"flags", "Features"}]
    return frozenset.intersection(*each) if each else frozenset()
