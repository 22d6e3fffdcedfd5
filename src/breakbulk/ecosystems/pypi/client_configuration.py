"""How the user's pip and uv are configured, as one environment for uv.

uv reads its own variables and files by itself. What only pip's configuration says (index, extra indexes, wheel
directories, certificates, proxy, trusted hosts) is translated to uv's variables, and only where uv has no word of its
own: where packages come from is configuration and stays the user's. Which packages are chosen is the manifest's matter,
so variables that would change that behind its back are taken out. Credentials travel in the environment only, never in
arguments that other users of the machine can read.

Formats: pip's "Configuration" page (files, `PIP_` variables, precedence); uv's "Environment variables" page.
"""

from __future__ import annotations

import configparser
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.errors import ManifestError
from breakbulk.settings import Settings

__all__ = ["ClientConfiguration", "client_configuration", "uv_files"]

_DECIDING = (
    "UV_BUILD_CONSTRAINT",
    "UV_CONSTRAINT",
    "UV_CUSTOM_COMPILE_COMMAND",
    "UV_EXCLUDE",
    "UV_EXCLUDE_NEWER",
    "UV_EXCLUDE_NEWER_PACKAGE",
    "UV_FORK_STRATEGY",
    "UV_NO_BINARY",
    "UV_NO_BINARY_PACKAGE",
    "UV_NO_SOURCES",
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_PROJECT",
    "UV_PYTHON",
    "UV_RESOLUTION",
    "UV_SYSTEM_PYTHON",
    "UV_TORCH_BACKEND",
    "UV_WORKING_DIR",
    "VIRTUAL_ENV",
)
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


class ClientConfiguration(msgspec.Struct, frozen=True):
    """What uv is started with: its environment, and arguments for what has no variable (never a secret)."""

    environment: dict[str, str]
    arguments: tuple[str, ...] = ()


def client_configuration(settings: Settings) -> ClientConfiguration:
    """Return the user's configuration of pip and uv; raise `ManifestError` for a file of pip's that is damaged."""
    environment = {name: value for name, value in settings.environment.items() if name not in _DECIDING}
    pip = _pip_options(settings.environment)
    for name, value in _translated(pip, settings, uv_decides_index=_uv_decides_index(settings.environment)):
        environment.setdefault(name, value)
    return ClientConfiguration(environment, ("--no-index",) if _truthy(pip.get("no-index")) else ())


def uv_files(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the contents of uv's configuration files, the user's before the system's.

    A damaged one is left out: uv itself names the fault, with the line, when it is started.
    """
    if chosen := environment.get("UV_CONFIG_FILE"):
        candidates = [Path(chosen)]
    elif _truthy(environment.get("UV_NO_CONFIG")):
        candidates = []
    else:
        candidates = [_config_home(environment) / "uv/uv.toml", *_system_files(environment, "uv/uv.toml")]
        candidates.append(Path("/etc/uv/uv.toml"))
    contents = []
    for path in candidates:
        try:
            contents.append(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError):
            continue
    return contents


def _translated(pip: Mapping[str, str], settings: Settings, *, uv_decides_index: bool) -> Iterator[tuple[str, str]]:
    """Yield uv's variables for what pip is told."""
    yield "UV_HTTP_TIMEOUT", str(max(1, round(settings.timeout_s)))
    yield "UV_HTTP_RETRIES", str(settings.retries - 1)
    if not uv_decides_index:
        if index := pip.get("index-url", "").strip():
            yield "UV_DEFAULT_INDEX", index
        if extra := " ".join(pip.get("extra-index-url", "").split()):
            yield "UV_EXTRA_INDEX_URL", extra
    if links := ",".join(_find_links(pip.get("find-links", ""))):
        yield "UV_FIND_LINKS", links
    if certificates := pip.get("cert"):
        yield "SSL_CERT_FILE", certificates
    if client := pip.get("client-cert"):
        yield "SSL_CLIENT_CERT", client
    if trusted := " ".join(pip.get("trusted-host", "").split()):
        yield "UV_INSECURE_HOST", trusted
    if pip.get("keyring-provider") in {"subprocess", "import"}:
        yield "UV_KEYRING_PROVIDER", "subprocess"
    if (proxy := pip.get("proxy")) and not any(settings.environment.get(name) for name in _PROXIES):
        yield "ALL_PROXY", proxy


def _find_links(value: str) -> Iterator[str]:
    """Yield addresses and the directories that exist; pip passes over the others, uv would fail."""
    for link in value.split():
        path = Path(link.removeprefix("file://")).expanduser()
        if "://" in link and not link.startswith("file://"):
            yield link
        elif path.exists():
            yield str(path.absolute())


def _uv_decides_index(environment: Mapping[str, str]) -> bool:
    variables = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
    keys = ("index", "index-url", "extra-index-url")
    return any(environment.get(name) for name in variables) or any(
        table.get(key) for file in uv_files(environment) for table in (file, file.get("pip", {})) for key in keys
    )


def _pip_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options by name, of its files and, before them, its variables."""
    options: dict[str, str] = {}
    for path in _pip_files(environment):
        options |= _read_pip_file(path)
    for name, value in environment.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            options[name[4:].lower().replace("_", "-")] = value
    return options


def _pip_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield pip's configuration files in the order in which later ones win."""
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    yield from reversed(_system_files(environment, "pip/pip.conf"))
    yield Path("/etc/pip.conf")
    yield Path(environment.get("HOME", "/nonexistent")) / ".pip/pip.conf"
    yield _config_home(environment) / "pip/pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if chosen:
        yield Path(chosen)


def _read_pip_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ManifestError(
            "pip's configuration cannot be read",
            identifier="pip-configuration-invalid",
            where=str(path),
            why=str(error).splitlines()[0],
            hint="correct the file; `pip config debug` shows what pip makes of it",
        ) from error
    options: dict[str, str] = {}
    for section in ("global", "download", "install"):
        if parser.has_section(section):
            options |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    return options


def _config_home(environment: Mapping[str, str]) -> Path:
    configured = environment.get("XDG_CONFIG_HOME")
    return Path(configured) if configured else Path(environment.get("HOME", "/nonexistent")) / ".config"


def _system_files(environment: Mapping[str, str], name: str) -> list[Path]:
    directories = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [Path(directory) / name for directory in directories.split(":") if directory]


def _truthy(value: str | None) -> bool:
    return (value or "").strip().lower() in {"1", "true", "yes", "on", "y", "t"}
