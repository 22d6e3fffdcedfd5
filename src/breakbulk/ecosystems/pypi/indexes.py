"""Which indexes and wheel directories are configured, in uv's own words.

uv prints the indexes it would use when it compiles nothing at all; so its configuration (and its default, which is
named nowhere in Breakbulk) is read by uv itself, without network. The answer holds credentials and stays in memory.
"""

from __future__ import annotations

import shlex
import tempfile
import threading
from pathlib import Path

import msgspec

from breakbulk.ecosystems.pypi import uv
from breakbulk.ecosystems.pypi.client_configuration import client_configuration
from breakbulk.ecosystems.pypi.credentials import Credentials
from breakbulk.ecosystems.pypi.explanation import plain
from breakbulk.errors import PlatformError
from breakbulk.settings import Settings

__all__ = ["Access", "ConfiguredIndexes", "Indexes"]


class Indexes(msgspec.Struct, frozen=True):
    """Addresses of indexes in the order in which they are asked; `links` are wheel directories and pages of links."""

    simple: tuple[str, ...]
    links: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<{len(self.simple)} indexes, {len(self.links)} links>"  # the addresses may hold passwords


class Access(msgspec.Struct, frozen=True):
    """The configured indexes, and who one is to them."""

    indexes: Indexes
    credentials: Credentials


class ConfiguredIndexes:
    """Asks uv once for each configuration that it meets; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[frozenset[tuple[str, str]], Access] = {}

    def get(self, settings: Settings) -> Access:
        """Return what `settings` configure; raise `PlatformError` with uv's words when that is damaged."""
        key = frozenset(settings.environment.items())
        with self._lock:
            if key not in self._known:
                indexes = _ask(settings)
                self._known[key] = Access(indexes, Credentials((*indexes.simple, *indexes.links), settings))
            return self._known[key]


def _ask(settings: Settings) -> Indexes:
    with tempfile.TemporaryDirectory(prefix="breakbulk-uv-") as scratch:
        Path(scratch, "requirements.in").touch()
        arguments = ["pip", "compile", "requirements.in", "--quiet", "--no-header"]
        answer = uv.run([*arguments, "--emit-index-url", "--emit-find-links"], Path(scratch), settings)
    if answer.returncode != 0:
        raise PlatformError(
            "uv does not accept its configuration",
            identifier="uv-configuration-invalid",
            why=plain(answer.stderr).strip(),
            hint="correct uv.toml or the UV_ variable named above",
        )
    options: dict[str, list[str]] = {"--index-url": [], "--extra-index-url": [], "--find-links": []}
    for line in answer.stdout.splitlines():
        name, _, value = line.partition(" ")
        if name in options:
            options[name].append(shlex.split(value)[0])
    without_index = "--no-index" in client_configuration(settings).arguments
    simple = () if without_index else (*options["--extra-index-url"], *options["--index-url"])
    return Indexes(simple=simple, links=tuple(options["--find-links"]))
