"""Every setting, once, typed: its variable, unit, default and reason.

Nothing below the command line reads `os.environ`; it is handed a `Settings`. The reference in the docs is generated
from the metadata of these fields.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings"]

ROOT_STORE = Path("/var/lib/breakbulk")


def _setting(variable: str, meaning: str) -> Any:
    return field(metadata={"variable": variable, "meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one process.

    Build with `Settings.load(os.environ)`; a test builds one with paths of its own.
    """

    store: Path = _setting(
        "BREAKBULK_STORE",
        "Directory of unpacked packages. For root `/var/lib/breakbulk`, otherwise `breakbulk` in the user's "
        "data directory",
    )
    cache: Path = _setting(
        "BREAKBULK_CACHE",
        "Directory of indices, downloaded archives and other things that can be had again. "
        "For root `/var/cache/breakbulk`, otherwise `breakbulk` in the user's cache directory",
    )
    jobs: int = _setting("BREAKBULK_JOBS", "Processes that unpack and compile at once; by default the usable cores")
    downloads: int = _setting("BREAKBULK_DOWNLOADS", "Transfers at once; 16 saturates a mirror without being rude")
    timeout_s: float = _setting("BREAKBULK_TIMEOUT", "Seconds without a byte after which a transfer is tried again; 30")
    retries: int = _setting("BREAKBULK_RETRIES", "Tries of one transfer, with back-off; 5")
    apt_directory: Path = _setting(
        "BREAKBULK_APT", "Where apt is configured: sources, keyrings, credentials; `/etc/apt`"
    )
    configuration: Path = _setting(
        "BREAKBULK_CONFIGURATION",
        "Directory of `config.toml`, signing keys, trusted keys and credentials. For root `/etc/breakbulk`, otherwise "
        "`breakbulk` in the user's configuration directory",
    )
    hub: str = _setting(
        "BREAKBULK_HUB",
        "Address of the hub: a directory, `file://`, `s3://`, `gs://`, `az://` or `https://`. By default `hub` in "
        "`config.toml`, else a directory: for root `/var/lib/breakbulk-hub`, otherwise `breakbulk-hub` in the user's "
        "data directory",
    )
    require_signatures: bool | None = _setting(
        "BREAKBULK_REQUIRE_SIGNATURES",
        "`1` refuses every environment of a hub that no trusted key has signed; by default `require-signatures` in "
        "`config.toml`, else `0`",
    )
    cpu: str = _setting(
        "BREAKBULK_CPU",
        "Level of x86-64 for which packages are chosen, `x86_64-v1` to `x86_64-v4`; by default the processor's",
    )
    kubernetes: Path = _setting(
        "BREAKBULK_KUBERNETES",
        "Directory of the programs that native clusters consist of, a directory per version: what `make kubernetes` "
        "builds. By default `breakbulk/kubernetes` in the user's cache directory, for root too",
    )
    environment: Mapping[str, str] = field(
        metadata={"meaning": "The process's environment, as tools like uv need it for indices, proxies and credentials"}
    )

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables; raise `UsageError` naming the variable that is wrong."""
        root = os.geteuid() == 0
        return cls(
            store=_path(environment, "BREAKBULK_STORE", ROOT_STORE if root else _user_directory(environment, "data")),
            cache=_path(
                environment,
                "BREAKBULK_CACHE",
                Path("/var/cache/breakbulk") if root else _user_directory(environment, "cache"),
            ),
            jobs=int(_number(environment, "BREAKBULK_JOBS", len(os.sched_getaffinity(0)), least=1)),
            downloads=int(_number(environment, "BREAKBULK_DOWNLOADS", 16, least=1)),
            timeout_s=_number(environment, "BREAKBULK_TIMEOUT", 30.0, least=0.1),
            retries=int(_number(environment, "BREAKBULK_RETRIES", 5, least=1)),
            apt_directory=_path(environment, "BREAKBULK_APT", Path("/etc/apt")),
            configuration=_path(
                environment,
                "BREAKBULK_CONFIGURATION",
                Path("/etc/breakbulk") if root else _user_directory(environment, "configuration"),
            ),
            hub=environment.get("BREAKBULK_HUB", ""),
            require_signatures=_flag(environment, "BREAKBULK_REQUIRE_SIGNATURES"),
            cpu=environment.get("BREAKBULK_CPU", ""),
            kubernetes=_path(environment, "BREAKBULK_KUBERNETES", _user_directory(environment, "cache") / "kubernetes"),
            environment=dict(environment),
        )

    @property
    def default_hub(self) -> Path:
        """The directory that is the hub where none is configured."""
        if os.geteuid() == 0:
            return Path("/var/lib/breakbulk-hub")
        return _user_directory(self.environment, "data").with_name("breakbulk-hub")

    @property
    def state(self) -> Path:
        """Where environments of a hub keep what they write between runs: caches, logs of their services.

        Of root it is beside the packages; otherwise in the user's state directory.
        """
        return self.store if os.geteuid() == 0 else _user_directory(self.environment, "state")

    @classmethod
    def documented(cls) -> list[tuple[str, str]]:
        """Return (variable, meaning) of every setting that has a variable, for the reference."""
        return [(f.metadata["variable"], f.metadata["meaning"]) for f in fields(cls) if "variable" in f.metadata]


def _user_directory(environment: Mapping[str, str], kind: str) -> Path:
    """Return the user's data, cache, state or configuration directory after the XDG Base Directory specification."""
    variable, fallback = {
        "data": ("XDG_DATA_HOME", ".local/share"),
        "cache": ("XDG_CACHE_HOME", ".cache"),
        "state": ("XDG_STATE_HOME", ".local/state"),
        "configuration": ("XDG_CONFIG_HOME", ".config"),
    }[kind]
    configured = environment.get(variable, "")
    base = (
        Path(configured) if configured.startswith("/") else Path(environment.get("HOME", "~")).expanduser() / fallback
    )
    return base / "breakbulk"


def _path(environment: Mapping[str, str], variable: str, default: Path) -> Path:
    value = environment.get(variable)
    if not value:
        return default
    if not value.startswith("/"):
        raise UsageError(f"{variable} is not an absolute path", where=f"{variable}={value}", hint="give the whole path")
    return Path(value)


def _flag(environment: Mapping[str, str], variable: str) -> bool | None:
    value = environment.get(variable)
    if not value:
        return None
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if value.lower() not in known:
        raise UsageError(f"{variable} is neither 1 nor 0", where=f"{variable}={value}")
    return known[value.lower()]


def _number(environment: Mapping[str, str], variable: str, default: float, *, least: float) -> float:
    value = environment.get(variable)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not least <= number < float("inf"):
        raise UsageError(f"{variable} is not a number of at least {least:g}", where=f"{variable}={value}")
    return number
