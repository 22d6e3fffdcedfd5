"""The variables of a build: all it has, and none of the caller's. Pure, but for the own trees of the root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from breakbulk.builds.recipes import Recipe
from breakbulk.builds.workplace import EPOCH_S
from breakbulk.environment.visibility import CA_BUNDLE
from breakbulk.manifest.schema import CpuLevel
from breakbulk.manifest.variables import expand

__all__ = ["FIXED", "SYSTEM_PATH", "build_variables", "cpu_flags", "network_variables"]

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FIXED = {
    "HOME": "/build/home",
    "TMPDIR": "/tmp",  # noqa: S108 - of the build's own root
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "FLOX_ENV": "/",
    "SOURCE_DATE_EPOCH": str(EPOCH_S),
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",  # what an import writes has a time in it; the store compiles without
}
"""What every build has, whatever it builds."""
_CERTIFICATES = ("CURL_CA_BUNDLE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def build_variables(
    recipe: Recipe, *, variables: Mapping[str, str], lowers: Sequence[Path], jobs: int, version: str | None = None
) -> dict[str, str]:
    """Return all variables of a build.

    Args:
        recipe: What is built.
        variables: `[vars]` of the manifest.
        lowers: The packages, for PATH.
        jobs: How much it may do at once (`BREAKBULK_JOBS`).
        version: Of the package, once it is known.

    Raises `ManifestError` for `[vars]` that cannot be expanded.

    """
    own = sorted({f"/opt/{tree.parent.name}/bin" for lower in lowers for tree in lower.glob("opt/*/bin")})
    fixed = FIXED | {"PATH": ":".join((SYSTEM_PATH, *own)), "PWD": "/build/source"}
    ours = {"out": recipe.destination, "BREAKBULK_OUT": recipe.destination, "BREAKBULK_BUILD": recipe.name}
    ours |= {"BREAKBULK_JOBS": str(jobs)} | ({} if version is None else {"BREAKBULK_VERSION": version})
    return fixed | expand(variables, fixed) | recipe.values | cpu_flags(recipe.cpu) | ours


def cpu_flags(level: CpuLevel | None) -> dict[str, str]:
    """Return the variables that make compilers use a level of x86-64; they follow the psABI's names for levels."""
    if level is None:
        return {}
    number = level[-1]
    machine = "x86-64" if number == "1" else f"x86-64-v{number}"
    c = f"-O2 -march={machine}"
    rust = f"-C target-cpu={machine}"
    flags = {"CFLAGS": c, "CXXFLAGS": c, "FFLAGS": c, "RUSTFLAGS": rust, "GOAMD64": f"v{number}"}
    return {"BREAKBULK_CPU": level, **flags}


def network_variables(caller: Mapping[str, str]) -> dict[str, str]:
    """Return what reaching the network takes: the caller's proxies, which may hold credentials, and certificates."""
    proxies = {name: value for name, value in caller.items() if name.lower() in _PROXIES}
    return proxies | dict.fromkeys(_CERTIFICATES, CA_BUNDLE)
