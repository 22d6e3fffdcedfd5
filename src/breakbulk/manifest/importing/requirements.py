"""Make a manifest from a requirements file of pip.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/ . Requirements become `pypi` installs with
their markers, `-e` and directories `path` installs, `git+` addresses `git` installs, `-c` files `options.constraints`;
files named by `-r` are read in place. Hashes are dropped, as the lock has its own; options that choose an index are
dropped too, as indices are configuration and never part of a manifest. Comments say so.
"""

from __future__ import annotations

import os
import re
import shlex
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from breakbulk.errors import ManifestError, UsageError
from breakbulk.manifest.importing.drafting import DEFAULT_SUITE, DEFAULT_SYSTEMS, Draft, read_text, without_credentials
from breakbulk.manifest.importing.joining import Asked, joined
from breakbulk.manifest.schema import Install, PypiInstall
from breakbulk.manifest.specs import parse_spec

__all__ = ["Installs", "RequirementsReader", "from_requirements"]

_CONTINUATION = re.compile(r"\\\r?\n")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"\s+--(?:hash|global-option|config-settings?)(?:=|\s+)\S+")
_EXTRAS = re.compile(r"\[(?P<extras>[^\]]*)\]$")
_INDEX_OPTIONS = {"-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links", "--no-index"}
_INDEX_OPTIONS |= {"--trusted-host"}
_FILE_OPTIONS = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c", "-e": "-e", "--editable": "-e"}


class _Line(NamedTuple):
    text: str
    number: int


def from_requirements(
    path: Path, *, suite: str = DEFAULT_SUITE, systems: Sequence[str] = DEFAULT_SYSTEMS
) -> str:  # fmt: skip
    """Return a manifest, to stand in the directory of the requirements file `path`, that installs the same.

    Raises `NotFoundError` for a file that does not exist, `ManifestError` with file and line for a requirement that
    cannot be understood (`import-requirement`), or that another excludes (`import-contradiction`).
    """
    draft = Draft(f"Made from {path.name}.")
    reader = RequirementsReader(draft, path.parent)
    reader.read(path)
    if reader.constraints:
        draft.option("constraints", reader.constraints)
    return draft.text(suite, systems)


class Installs(Protocol):
    """Where requirements go: `Draft` and whatever else collects installs."""

    def install(self, name: str, install: Install) -> str:
        """Add an install and return its id."""

    def change(self, install_id: str, install: Install) -> None:
        """Put `install` in the place of the one that has this id."""

    def comment(self, text: str) -> None:
        """Tell the user something."""


class RequirementsReader:
    """Reads requirements, and files of them with those they name, for a manifest in `directory`."""

    def __init__(self, draft: Installs, directory: Path) -> None:
        self.draft = draft
        self.directory = directory
        self.constraints: list[str] = []
        self.read_already: set[Path] = set()
        self.said: set[str] = set()
        self.asked: dict[tuple[str, str, bool], Asked] = {}
        self.where = ""

    def read(self, path: Path) -> None:
        """Read a file; raises like `from_requirements`."""
        if path.resolve() in self.read_already:
            return
        self.read_already.add(path.resolve())
        for line in _lines(read_text(path)):
            self.where = f"{path}:{line.number}"
            try:
                self.take(line.text, path)
            except (UsageError, InvalidRequirement) as error:
                message = error.message if isinstance(error, UsageError) else str(error).splitlines()[0]
                raise ManifestError(
                    f"{without_credentials(line.text)!r} is no requirement",
                    identifier="import-requirement",
                    where=self.where,
                    why=without_credentials(message),
                    hint="correct the line, or take it out and install the package afterwards",
                ) from None

    def take(self, text: str, path: Path) -> None:
        """Read one line of the file `path`."""
        if not text.startswith("-"):
            self.requirement(text)
            return
        option, value = _option(text)
        kind = _FILE_OPTIONS.get(option)
        if kind == "-r" and "://" not in value:
            self.read(path.parent / value)
        elif kind == "-c" and "://" not in value:
            self.constrain(path.parent / value)
        elif kind == "-e":
            self.requirement(value if "://" in value or _is_path(value) else f"./{value}")
        elif option in _INDEX_OPTIONS:
            self._say("Which index packages come from is configuration (uv.toml, pip.conf), not part of a manifest.")
        else:
            self.draft.comment(f"not taken over: {option}" + (f" {value}" if value and "://" not in value else ""))

    def constrain(self, file: Path) -> None:
        """Note a file of constraints."""
        self.constraints.append(self._relative(file))

    def requirement(self, text: str) -> None:
        """Read one requirement; raises `UsageError`, `InvalidRequirement` or `ManifestError`."""
        stripped = _HASH.sub("", text).strip()
        if stripped != text.strip():
            self._say("The hashes of the requirements are dropped: the lock has its own.")
        if _is_path(stripped):
            self._path(stripped)
        elif stripped.startswith("git+"):
            self._git(stripped)
        elif "://" in stripped.partition("@")[0]:
            self._address(stripped)
        else:
            self._named(Requirement(stripped), stripped)

    def _named(self, requirement: Requirement, text: str) -> None:
        if requirement.url and requirement.url.startswith("git+"):
            self._git(requirement.url, name=requirement.name, extras=tuple(sorted(requirement.extras)))
            return
        asked = Asked(requirement, text, self.where)
        if before := self.asked.get(asked.key):
            asked = joined(before, asked)
            self.draft.change(asked.install, _install(asked))
        else:
            name = self.draft.install(canonicalize_name(requirement.name), _install(asked))
            asked = asked._replace(install=name)
        self.asked[asked.key] = asked

    def _path(self, text: str) -> None:
        text = urllib.parse.unquote(text.removeprefix("file://")).partition(";")[0].strip()
        match = _EXTRAS.search(text)
        extras = tuple(extra.strip() for extra in match["extras"].split(",")) if match else ()
        spec = parse_spec(_EXTRAS.sub("", text), directory=self.directory)
        self.draft.install(spec.id, msgspec.structs.replace(spec.install, extras=extras))

    def _git(self, text: str, *, name: str | None = None, extras: tuple[str, ...] = ()) -> None:
        spec = parse_spec(text)
        self.draft.install(name or spec.id, msgspec.structs.replace(spec.install, extras=extras))

    def _address(self, text: str) -> None:
        """Take a bare address: a wheel says its own name, anything else has none."""
        file = PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(text).path)).name
        try:
            name = str(parse_wheel_filename(file)[0])
        except InvalidWheelFilename:
            self.draft.comment(f"not taken over, as only wheels can be installed from an address: {file}")
            return
        self.draft.install(name, PypiInstall(pypi=f"{name} @ {text}"))

    def _relative(self, file: Path) -> str:
        return os.path.relpath(file, self.directory)

    def _say(self, text: str) -> None:
        """Comment on something once."""
        if text not in self.said:
            self.said.add(text)
            self.draft.comment(text)


def _install(asked: Asked) -> Install:
    return parse_spec(f"pypi:{asked.text}").install


def _lines(text: str) -> Iterator[_Line]:
    """Yield the logical lines: continued ones joined, comments and empty ones left out."""
    number = 1
    pending: list[str] = []
    for index, raw in enumerate(text.splitlines(keepends=True), start=1):
        number = number if pending else index
        if _CONTINUATION.search(raw) and not raw.lstrip().startswith("#"):
            pending.append(_CONTINUATION.sub("", raw))
            continue
        whole = _COMMENT.sub("", "".join([*pending, raw]).rstrip("\r\n")).strip()
        pending = []
        if whole:
            yield _Line(whole, number)


def _option(text: str) -> tuple[str, str]:
    """Return an option line as (option, value): `-r x`, `-rx`, `--requirement=x`."""
    first, _, rest = text.partition(" ")
    if first.startswith("--") and "=" in first:
        option, _, value = text.partition("=")
        return option, value.strip()
    if not first.startswith("--") and len(first) > 2:
        return first[:2], text[2:].strip()
    value = rest.strip()
    return first, shlex.split(value)[0] if value[:1] in {"'", '"'} else value


def _is_path(text: str) -> bool:
    return text.startswith(("./", "../", "/", "file://")) or re.fullmatch(r"\.{1,2}(\[.*\])?", text) is not None
