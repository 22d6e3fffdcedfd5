"""The directory in which containerd describes a container to the runtime: `config.json`, `rootfs`, and a note of ours.

`config.json` is replaced whole, with the mode it had, so that a runtime that is killed leaves one that is complete. The
note, `breakbulk.json`, tells `exec` what its container was started with; containerd removes it with the directory. No
link is followed: what is in a bundle is containerd's and ours. Source: the OCI runtime specification 1.2, `config.md`.
"""

from __future__ import annotations

import os
import stat

from breakbulk.errors import PlatformError
from breakbulk.node import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Bundle"]

_CONFIGURATION = "config.json"
_NOTE = "breakbulk.json"


class Bundle:
    """A bundle.

    Args:
        path: Its directory; empty for the current one.

    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path or ".")

    def read(self) -> dict[str, Any]:
        """Return the configuration; raise `PlatformError` `bundle-invalid`."""
        configuration = self._read(_CONFIGURATION)
        if configuration is None or not isinstance(configuration.get("process"), dict):
            raise self.invalid("it has no config.json with a process")
        return configuration

    def replace(self, configuration: dict[str, Any]) -> None:
        """Put another configuration in the place of the one there is; raise `OSError`."""
        self._write(_CONFIGURATION, configuration, stat.S_IMODE(os.lstat(self._inside(_CONFIGURATION)).st_mode))

    def note(self) -> dict[str, Any] | None:
        """Return the note, None when there is none."""
        return self._read(_NOTE)

    def write_note(self, note: dict[str, Any]) -> None:
        """Write the note, for root alone, as variables may be secrets; raise `OSError`."""
        self._write(_NOTE, note, 0o600)

    def root(self, configuration: dict[str, Any]) -> str:
        """Return where the root file system is mounted; raise `PlatformError` unless it is a directory in here."""
        table = configuration.get("root")
        place = os.path.join(self.path, str(table.get("path", "")) if isinstance(table, dict) else "")
        above, name = os.path.split(place)
        if above != self.path or name in {"", ".", ".."} or not stat.S_ISDIR(os.lstat(place).st_mode):
            raise self.invalid("its root is no directory of the bundle")
        return place

    def invalid(self, why: str) -> PlatformError:
        """Return the error for a bundle that cannot be understood."""
        return PlatformError(
            "the description of the container cannot be used",
            identifier="bundle-invalid",
            where=self.path,
            why=why,
            hint="use containerd 1.7 or newer, through its CRI plugin",
        )

    def _inside(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            descriptor = os.open(self._inside(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            try:
                table = json_text.loads(file.read())
            except ValueError as error:
                raise self.invalid(f"{name} is no JSON") from error
        if not isinstance(table, dict):
            raise self.invalid(f"{name} is no object")
        return table

    def _write(self, name: str, table: dict[str, Any], mode: int) -> None:
        half = self._inside(f".{name}.{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(half, flags, 0o600), "w", encoding="ascii") as file:
            file.write(json_text.dumps(table))
            os.fchmod(file.fileno(), mode)
        os.replace(half, self._inside(name))
