"""The Python that wheels are chosen for: one interpreter of one Debian suite on one machine.

uv is told it as `--python-version` and `--python-platform`; wheel tags and the environment of markers, by which what uv
chose is read, are derived from the same three facts here, so that both sides always agree. Nothing of the machine that
locks is in it: a lock for aarch64 made on x86_64 is the lock made on aarch64.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import msgspec
from packaging.tags import Tag, compatible_tags, cpython_tags

from breakbulk.ecosystems.interface import Request
from breakbulk.errors import ResolutionError
from breakbulk.manifest.schema import Options

__all__ = ["Target", "target_of"]

GLIBC_MINOR = {"bullseye": 31, "bookworm": 36, "trixie": 40, "forky": 40, "sid": 40}
"""Minor of glibc 2 by suite; trixie has 2.41 already, uv knows platforms up to 2.40."""

_DEFAULT_SUITE = "bookworm"
_OLDEST_MINOR = {"x86_64": 5, "aarch64": 17}  # PEP 600: the oldest glibc with wheels of each machine
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}  # PEP 599, 571, 513


class Target(msgspec.Struct, frozen=True):
    """An interpreter on a platform: `machine` such as x86_64, `python` such as 3.11, `glibc_minor` of glibc 2."""

    machine: str
    python: str
    glibc_minor: int

    @property
    def uv_platform(self) -> str:
        """The platform in uv's words (`x86_64-manylinux_2_36`)."""
        return f"{self.machine}-manylinux_2_{self.glibc_minor}"

    @property
    def tag(self) -> str:
        """The tag of the interpreter's bytecode (`cpython-311`), as in PEP 3147."""
        return f"cpython-{self.python.replace('.', '')}"

    @property
    def words(self) -> str:
        """The target as a sentence names it."""
        return f"CPython {self.python} on {self.machine}-linux"

    def markers(self) -> dict[str, str]:
        """Return the environment in which markers are evaluated (PEP 508); the patch level is 0, as uv takes it."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def rank(self, tags: frozenset[Tag]) -> int | None:
        """Return how well a wheel with `tags` suits, 0 being best, or None when it does not run here."""
        ranks = _ranks(self)
        return min((ranks[tag] for tag in tags if tag in ranks), default=None)


def target_of(request: Request) -> Target:
    """Return what `request` resolves for; raise `ResolutionError` when the environment has no Python."""
    if request.python is None:
        raise ResolutionError(
            "Python distributions are asked for in an environment without Python",
            identifier="python-unavailable",
            where=request.system,
            hint="name a Debian suite that has python3 in options.suite",
        )
    return Target(
        machine=request.system.removesuffix("-linux"),
        python=request.python.version,
        glibc_minor=_glibc_minor(request.options),
    )


def _glibc_minor(options: Options) -> int:
    """Return the oldest glibc among the suites, as any of them may give the C library."""
    suites = (options.suite,) if isinstance(options.suite, str) else options.suite or ()
    names = [suite if isinstance(suite, str) else suite.name for suite in suites]
    known = [GLIBC_MINOR[base] for name in names if (base := name.partition("-")[0]) in GLIBC_MINOR]
    return min(known, default=GLIBC_MINOR[_DEFAULT_SUITE])


@cache
def _ranks(target: Target) -> dict[Tag, int]:
    major, minor = (int(part) for part in target.python.split("."))
    interpreter = f"cp{major}{minor}"
    platforms = list(_platforms(target))
    tags = (
        *cpython_tags((major, minor), abis=[interpreter], platforms=platforms),
        *compatible_tags((major, minor), interpreter=interpreter, platforms=platforms),
    )
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def _platforms(target: Target) -> Iterator[str]:
    """Yield platform tags, the newest glibc first (PEP 600)."""
    for minor in range(target.glibc_minor, _OLDEST_MINOR[target.machine] - 1, -1):
        yield f"manylinux_2_{minor}_{target.machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{target.machine}"
    yield f"linux_{target.machine}"
