"""Read manifests: find the file, parse it strictly, and say of every fault where it is and what would be right.

    text ──tomllib──► plain values ──decoding──► Manifest ──rules──► Manifest
                           ▲                        │ Fault(key path)
                           └── to_builtins          └──locating──► ManifestError(file:line)

Counterpart of `schema`, whose values it makes, and of `editing`, which changes the text. `to_builtins` and
`from_builtins` carry a manifest through a lock without loss.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.errors import ManifestError, NotFoundError, UsageError
from breakbulk.manifest import rules
from breakbulk.manifest.decoding import decode, encode, keys_of
from breakbulk.manifest.faults import Fault, KeyPath, nearest
from breakbulk.manifest.locating import locate
from breakbulk.manifest.schema import Hook, Manifest, Options, Profile
from breakbulk.manifest.specs import parse_spec

__all__ = [
    "MANIFEST_NAME",
    "Document",
    "directory_of",
    "find_manifest",
    "from_builtins",
    "from_tables",
    "manifest_in",
    "parse_document",
    "parse_manifest",
    "read_document",
    "read_manifest",
    "to_builtins",
]

MANIFEST_NAME = "breakbulk.toml"
_FLOX_MANIFEST = Path(".flox/env/manifest.toml")
_TWICE = "every table and every key stands once: move these lines below the first of the same name"
_TOML_PLACE = re.compile(r"^(?P<problem>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)


@dataclass(frozen=True)
class Document:
    """A manifest together with the text it was read from."""

    manifest: Manifest
    file: str
    text: str

    def where(self, path: KeyPath) -> str:
        """Return `file:line` of a key path, or of what is nearest around it."""
        return f"{self.file}:{locate(self.text).of(path)}"


def find_manifest(directory: Path) -> Path:
    """Return the manifest that holds in `directory`: its own, or the one of the nearest directory above.

    Raises `NotFoundError` when there is none up to the root of the file system.
    """
    start = directory.absolute()
    for candidate in (start, *start.parents):
        found = manifest_in(candidate)
        if found is not None:
            return found
    raise NotFoundError(
        f"no {MANIFEST_NAME} in {start} or above it",
        identifier="manifest-not-found",
        where=str(start),
        hint="breakbulk init",
    )


def manifest_in(directory: Path) -> Path | None:
    """Return the manifest of `directory` itself: Breakbulk's, Flox's, or, of a `.flox` directory, what is inside."""
    names = [Path(MANIFEST_NAME), _FLOX_MANIFEST]
    if directory.name == ".flox":
        names.append(_FLOX_MANIFEST.relative_to(".flox"))
    return next((directory / name for name in names if (directory / name).is_file()), None)


def directory_of(manifest: Path) -> Path:
    """Return the directory where a manifest's relative paths start: its own, of Flox's the one that holds `.flox`."""
    whole = manifest.absolute()
    if whole.parts[-3:] == _FLOX_MANIFEST.parts:
        return whole.parents[2]
    return whole.parent


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in the file `path`; raise `ManifestError` with file, line, key path and correction."""
    return read_document(path).manifest


def read_document(path: Path) -> Document:
    """Return the manifest in the file `path` together with its text; raise like `read_manifest`."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise NotFoundError(
            "the manifest does not exist", identifier="manifest-not-found", where=str(path), hint="breakbulk init"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            "the manifest is not UTF-8 text",
            identifier="manifest-encoding",
            where=f"{path}:{line}",
            hint="save the file as UTF-8",
        ) from error
    except OSError as error:
        raise ManifestError(
            "the manifest cannot be read",
            identifier="manifest-unreadable",
            where=str(path),
            why=error.strerror,
            hint=f"ls -l '{path}' shows who may read it",
        ) from error
    return parse_document(text, str(path))


def parse_manifest(text: str, file: str) -> Manifest:
    """Return the manifest in `text`; `file` is its name in errors. Raises `ManifestError`."""
    return parse_document(text, file).manifest


def parse_document(text: str, file: str) -> Document:
    """Return the manifest in `text` together with it; `file` is its name in errors. Raises `ManifestError`."""
    try:
        values = tomllib.loads(text)
        manifest = from_tables(values)
        rules.check(manifest, complete=not manifest.include.environments)
    except tomllib.TOMLDecodeError as error:
        raise _malformed(error, text, file) from error
    except RecursionError:
        raise ManifestError(
            "the manifest is nested too deeply", identifier="manifest-syntax", where=file, hint="flatten its arrays"
        ) from None
    except Fault as fault:
        raise fault.error(f"{file}:{locate(text).of(fault.path)}") from None
    return Document(manifest, file, text)


def to_builtins(manifest: Manifest) -> dict[str, Any]:
    """Return the tables of a manifest as plain values that JSON can hold, what is default left out."""
    values: dict[str, Any] = encode(manifest)
    if manifest.services_auto_start is not None:
        del values["services-auto-start"]
        values["services"] = {**values.get("services", {}), "auto-start": manifest.services_auto_start}
    return values


def from_builtins(values: Mapping[str, Any]) -> Manifest:
    """Return the manifest that `to_builtins` gave these values for; raise `ManifestError` if they are none."""
    try:
        manifest = from_tables(values)
        rules.check(manifest, complete=not manifest.include.environments)
    except Fault as fault:
        raise fault.error(None) from None
    return manifest


def from_tables(values: Mapping[str, Any]) -> Manifest:
    """Return the manifest of plain values in the shape of the file, its rules unchecked; raise `Fault`."""
    tables = dict(values)
    known = keys_of(Manifest).keys() - {"services-auto-start"}
    for key in tables:
        if key not in known:
            raise _unknown_table(key, known)
    auto_start = _auto_start(tables)
    _expand_short_forms(tables)
    manifest: Manifest = decode(Manifest, tables, ())
    return msgspec.structs.replace(manifest, services_auto_start=auto_start)


def _unknown_table(key: str, known: set[str]) -> Fault:
    meant = nearest(key, known)
    homes: dict[str, type[msgspec.Struct]] = {"options": Options, "hook": Hook, "profile": Profile}
    home = next((name for name, struct in homes.items() if key in keys_of(struct)), None)
    if key == "services-auto-start":
        hint = "write auto-start in [services]"
    elif meant:
        hint = f"write `{meant}`"
    elif home:
        hint = f"`{key}` belongs into [{home}]"
    else:
        hint = "the tables are " + ", ".join(f"`{name}`" for name in sorted(known))
    return Fault((key,), "is not a key of a manifest", hint=hint, identifier="manifest-unknown-key")


def _auto_start(tables: dict[str, Any]) -> bool | None:
    """Take Flox's switch `auto-start` out of the table of services, which it shares with their entries."""
    services = tables.get("services")
    if not isinstance(services, dict) or "auto-start" not in services:
        return None
    value = services["auto-start"]
    if type(value) is not bool:
        raise Fault(
            ("services", "auto-start"),
            "is Flox's switch, not a service",
            hint="write true or false, or rename the service",
        )
    tables["services"] = {name: entry for name, entry in services.items() if name != "auto-start"}
    return value


def _expand_short_forms(tables: dict[str, Any]) -> None:
    """Replace what may be written shorter: `jq = "deb:jq"`, and a date of TOML for `snapshot`."""
    installs = tables.get("install")
    if isinstance(installs, dict):
        tables["install"] = {name: _descriptor(name, entry) for name, entry in installs.items()}
    options = tables.get("options")
    if isinstance(options, dict) and isinstance(options.get("snapshot"), dt.date):
        tables["options"] = {**options, "snapshot": options["snapshot"].isoformat()}


def _descriptor(name: str, entry: Any) -> Any:
    if not isinstance(entry, str):
        return entry
    try:
        return encode(parse_spec(entry).install)
    except UsageError as error:
        raise Fault(("install", name), f"is not understood: {error.message}", hint=error.hint) from None


def _malformed(error: tomllib.TOMLDecodeError, text: str, file: str) -> ManifestError:
    match = _TOML_PLACE.match(str(error))
    problem = match["problem"] if match else str(error)
    line = int(match["line"]) if match and match["line"] else text.count("\n") + (not text.endswith("\n"))
    return ManifestError(
        f"the manifest is not valid TOML: {problem[:1].lower()}{problem[1:]}",
        identifier="manifest-syntax",
        where=f"{file}:{max(line, 1)}",
        hint=_TWICE if "twice" in problem or "overwrite" in problem else "see toml.io/en/v1.0.0; strings need quotes",
    )
