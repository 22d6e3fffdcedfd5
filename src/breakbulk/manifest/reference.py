"""The reference of every key of a manifest, as a Markdown table generated from the schema.

`docs/manifest.md` holds what `table` gives; a test compares them, and fails when a key of the schema has no meaning
here. Types and defaults are never written by hand.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from breakbulk.manifest.decoding import encode, keys_of
from breakbulk.manifest.schema import Install, Manifest

__all__ = ["MEANINGS", "keys", "table"]

_WORDS = {str: "string", int: "integer", bool: "boolean", float: "number", Any: "any"}
_PLURALS = {"string": "strings", "table": "tables"}

MEANINGS: dict[str, str] = {
    "schema-version": "Version of Flox's schema that the manifest is written for, up to 1.15.0",
    "version": "Older form of `schema-version`; its only value is 1",
    "minimum-cli-version": "Oldest Flox that reads the manifest; kept, not judged",
    "minimum-cli-version.version": "The version",
    "minimum-cli-version.reason": "Why",
    "install.<id>": "A package; exactly one of the keys `pkg-path`, `flake`, `store-path`, `pypi`, `deb`, `path`, "
    '`git`, `url` says where it comes from. A string is the short form: `jq = "deb:jq"`',
    "install.<id>.systems": "Systems on which it is installed; by default all of `options.systems`",
    "install.<id>.priority": "Of two packages with one file the one with the lower number wins",
    "install.<id>.pkg-path": "Package of Flox's catalog, or `owner/package` of a hub",
    "install.<id>.pkg-group": "Packages of one group come from one page of the catalog",
    "install.<id>.version": "`pypi`: PEP 440 specifier, a bare version means exactly it. `deb`: a version, `*` at its "
    "end for a prefix, or a relation such as `>= 1.2`. `pkg-path`: a version or semantic range",
    "install.<id>.outputs": "Outputs of a Nix package",
    "install.<id>.flake": "Flake reference of Nix",
    "install.<id>.store-path": "Path in the Nix store of this machine",
    "install.<id>.pypi": "Python package: name, or requirement of PEP 508",
    "install.<id>.extras": "Extras of a Python package, of an index or of one's own",
    "install.<id>.dependencies": "Whether what a Python package requires comes along",
    "install.<id>.build": "Whether a Python package is built here from its source archive, for what has no wheel",
    "install.<id>.deb": "Debian package",
    "install.<id>.suite": "Suite from which this package, and what only it needs, is taken",
    "install.<id>.path": "Directory with source, relative to the manifest; a Python project becomes a wheel",
    "install.<id>.destination": "Where a tree that is no wheel is put; by default `/opt/<id>`",
    "install.<id>.exclude": "Patterns, as in `.gitignore`, of what is left out",
    "install.<id>.git": "Address of a Git repository",
    "install.<id>.rev": "Commit; at most one of `rev`, `branch`, `tag`",
    "install.<id>.branch": "Branch",
    "install.<id>.tag": "Tag",
    "install.<id>.subdirectory": "Directory inside the repository",
    "install.<id>.url": "Address of an archive (tar, zip, zstd)",
    "install.<id>.sha256": "Its digest, 64 lowercase hexadecimal digits",
    "install.<id>.strip": "Leading directories that are dropped from the names in the archive",
    "vars.<name>": "Environment variable",
    "hook.on-activate": "Bash, once per activation, before the command",
    "hook.on-deactivate": "Bash, when the last activation ends",
    "profile.common": "Shell code for every interactive shell",
    "profile.bash": "For bash",
    "profile.zsh": "For zsh",
    "profile.fish": "For fish",
    "profile.tcsh": "For tcsh",
    "profile.deactivate.common": "Shell code when an interactive shell ends",
    "profile.deactivate.bash": "For bash",
    "profile.deactivate.zsh": "For zsh",
    "profile.deactivate.fish": "For fish",
    "profile.deactivate.tcsh": "For tcsh",
    "services.auto-start": "Whether services start with the environment",
    "services.<name>.command": "Command that starts the service, for bash",
    "services.<name>.vars.<name>": "Variable of this service only",
    "services.<name>.is-daemon": "Whether the command puts itself into the background; needs `shutdown.command`",
    "services.<name>.shutdown.command": "Command that ends the service",
    "services.<name>.systems": "Systems on which the service exists",
    "services.<name>.systemd": "Settings for systemd; kept, not judged",
    "services.<name>.ready.command": "The service is ready when this command succeeds",
    "services.<name>.ready.port": "The service is ready when this port of loopback accepts connections",
    "services.<name>.ready.interval-s": "Seconds between two tries",
    "services.<name>.ready.timeout-s": "Seconds after which the service has failed",
    "services.<name>.restart": "When the service is started again after its end",
    "services.<name>.depends-on": "Services that are ready before this one starts",
    "include.environments": "Environments that this one is composed of, lowest priority first; a string is "
    "`owner/name` or `owner/name:generation`",
    "include.environments[].dir": "Directory of an environment, relative to the manifest",
    "include.environments[].name": "Name in messages, when it should not be the environment's own",
    "include.environments[].remote": "`owner/name` on a hub",
    "include.environments[].generation": "Generation; by default the live one",
    "build.<name>.command": "Command that makes a package",
    "build.<name>.sandbox": "How far the build is shut off; by default `pure`. `off` and `warn` give it the network",
    "build.<name>.sandbox-allow": "What it may reach nevertheless: `network`, or absolute paths of this machine",
    "build.<name>.version": "Version of the package",
    "build.<name>.version.file": "File that holds it",
    "build.<name>.version.command": "Command that prints it",
    "build.<name>.description": "Description of the package",
    "build.<name>.runtime-packages": "Installs that the package needs when it runs",
    "build.<name>.license": "Its licence",
    "build.<name>.matrix.<name>": "Values of a variable; there is a package for each combination",
    "build.<name>.exclude": "Combinations that are left out, as tables of values",
    "build.<name>.name": "Name of each combination, with `{variable}`; by default the recipe's name and all values, "
    "`version` last",
    "build.<name>.cpu": "Levels of x86-64 for which it is built, each once; the best is chosen where it runs",
    "build.<name>.destination": "Where the package is in the root file system; by default `/opt/<name>`",
    "options.systems": "Systems that are locked",
    "options.activate.mode": "Kept, not judged: there is one mode, Flox's `run`",
    "options.allow.unfree": "Whether packages of Debian's non-free areas may be locked",
    "options.allow.broken": "For Flox's catalog; kept, not judged",
    "options.allow.licenses": "The only licences that may be locked; all of Debian is `LicenseRef-debian-main`",
    "options.semver.allow-pre-releases": "For Flox's catalog; kept, not judged",
    "options.cuda-detection": "Kept, not judged: device nodes of GPUs are always shown",
    "options.snapshot": "Everything resolves as of this date (RFC 3339)",
    "options.suite": "Debian suite, or several; by default `bookworm`",
    "options.suite[].name": "Name of a suite",
    "options.suite[].priority": "Of two candidates that of the suite with the higher priority wins, as in apt",
    "options.suite[].components": "Components of the archive",
    "options.python": "Minor version of Python, such as `3.11`; by default the suite's",
    "options.base": "What comes without being asked for: a minimal system, Debian's Essential set too, or nothing",
    "options.locales": "Locales, such as `de_DE.UTF-8`",
    "options.constraints": "Files of pip constraints, relative to the manifest",
    "plugins.<name>": "Settings of a plugin; kept, not judged",
    "containerize.config.user": "User of an exported image",
    "containerize.config.exposed-ports": "Ports it says it listens on",
    "containerize.config.cmd": "Its command",
    "containerize.config.volumes": "Its volumes",
    "containerize.config.working-dir": "Its working directory",
    "containerize.config.labels.<name>": "A label",
    "containerize.config.stop-signal": "Signal that ends it",
    "remove": "Entries of the included environments that are left out, such as `install.jq` or `vars.DEBUG`",
}


def keys() -> dict[str, tuple[str, str]]:
    """Return (type, default) of every key of the schema, by its path with placeholders."""
    found: dict[str, tuple[str, str]] = {}
    for path, hint, default in _walk(Manifest, ""):
        found.setdefault(_in_file(path), (_type(hint), default))
    return found


def table() -> str:
    """Return the reference as a Markdown table."""
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, (kind, default) in keys().items():
        rows.append(f"| `{key}` | {kind} | {default} | {MEANINGS[key]} |")
    return "\n".join(rows) + "\n"


def _walk(struct: type[msgspec.Struct], path: str) -> Iterator[tuple[str, Any, str]]:
    hints = typing.get_type_hints(struct)
    for name, field in keys_of(struct).items():
        yield from _key(f"{path}.{name}" if path else name, hints[field.name], _default(field))


def _key(path: str, hint: Any, default: str) -> Iterator[tuple[str, Any, str]]:
    """Yield a key if a value can stand there, and the keys below it."""
    alternatives = _alternatives(hint)
    if any(not _is_table(part) for part in alternatives) or hint == Install:
        yield path, hint, default
    for part in alternatives:
        origin, arguments = typing.get_origin(part), typing.get_args(part)
        if (origin is dict and "<" not in path) or part in {dict[str, str], dict[str, tuple[str, ...]]}:
            yield from _key(f"{path}.<{'id' if path == 'install' else 'name'}>", arguments[1], "")
        elif origin is tuple:
            for element in _alternatives(arguments[0]):
                if _is_struct(element):
                    yield from _walk(element, f"{path}[]")
        elif _is_struct(part):
            yield from _walk(part, path)


def _in_file(path: str) -> str:
    """Return the path as in the file, where Flox's switch stands in the table of services."""
    return "services.auto-start" if path == "services-auto-start" else path


def _is_table(hint: Any) -> bool:
    return _is_struct(hint) or (typing.get_origin(hint) is dict and typing.get_args(hint)[1] is not Any)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return tuple(part for part in typing.get_args(hint) if part is not types.NoneType)
    return (hint,)


def _type(hint: Any) -> str:
    words = dict.fromkeys(_word(part) for part in _alternatives(hint))
    return " or ".join(words)


def _word(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return "array of " + " or ".join(_PLURALS.get(word, word) for word in _type(arguments[0]).split(" or "))
    return "table" if _is_struct(hint) or origin is dict else _WORDS[hint]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default
    if default is None or default is msgspec.NODEFAULT or isinstance(default, msgspec.Struct):
        return ""
    text = " ".join(map(str, encode(default))) if isinstance(default, tuple) else str(default)
    return f"`{text.lower()}`" if text else ""
