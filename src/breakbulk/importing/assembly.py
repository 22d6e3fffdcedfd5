"""A manifest under construction and its report: whatever reads something puts here what it has understood.

Guarantees that the result is valid: what the rules of a manifest refuse is left out and reported. Nothing is written.
Counterparts: the readers of this package, and `manifest.writing`, which gives the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from breakbulk.ecosystems.resolving import DEFAULT_SYSTEMS
from breakbulk.errors import BreakbulkError
from breakbulk.importing.report import Fate, Imported, Remark
from breakbulk.manifest import rules, texts
from breakbulk.manifest.faults import Fault
from breakbulk.manifest.importing.drafting import DEFAULT_SUITE, without_credentials
from breakbulk.manifest.importing.requirements import RequirementsReader
from breakbulk.manifest.install_rules import check_install
from breakbulk.manifest.schema import Containerize, ContainerizeConfig, Install, Manifest, Options, Service, System
from breakbulk.manifest.writing import manifest_text

__all__ = ["Assembly", "shortened"]

_SHOWN_MAX = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


class Assembly:
    """Collects what a manifest is made of; `line` is where the reader is, for the remarks.

    Attributes:
        directory: Where the manifest will stand: its relative paths start here.
        requirements: Reads what pip would, into this.

    """

    def __init__(self, title: str, directory: Path) -> None:
        self.directory = directory
        self.line: int | None = None
        self.requirements = RequirementsReader(self, directory)
        self.options = Options(suite=DEFAULT_SUITE, systems=cast("tuple[System, ...]", DEFAULT_SYSTEMS))
        self._title = title
        self._installs: dict[str, Install] = {}
        self._variables: dict[str, str] = {}
        self._services: dict[str, Service] = {}
        self._config = ContainerizeConfig()
        self._remarks: list[Remark] = []

    def remark(self, fate: Fate, source: str, result: str) -> None:
        """Report what became of `source`."""
        remark = Remark(fate=fate, line=self.line, source=shortened(source), result=without_credentials(result))
        if remark not in self._remarks:
            self._remarks.append(remark)

    def comment(self, text: str) -> None:
        """Report what the reader of requirements has to say."""
        self.remark("left" if text.startswith("not taken over") else "approximated", "requirements", text)

    def install(self, name: str, install: Install) -> str:
        """Add an install under `name`, or `name-2` where that is taken by another, and return its id.

        Raises `Fault` for one that no manifest may have.
        """
        check_install(install, ())
        name = _UNSAFE.sub("-", name).strip(".-+_")[:100] or "source"
        for free in (name, *(f"{name}-{number}" for number in range(2, 10_000))):
            if self._installs.setdefault(free, install) == install:
                return free
        return name

    def change(self, install_id: str, install: Install) -> None:
        """Put `install` in the place of the one that has this id."""
        check_install(install, ())
        self._installs[install_id] = install

    def take(self, source: str, name: str, install: Install, *, fate: Fate = "taken", note: str = "") -> str | None:
        """Add an install and say so; say why not where it cannot be, and return None."""
        try:
            found = self.install(name, install)
        except Fault as fault:
            self.remark("left", source, f"{fault.problem}; {fault.hint}")
            return None
        self.remark(fate, source, f"install.{found}" + (f": {note}" if note else ""))
        return found

    def requirement(self, source: str, words: Sequence[str]) -> None:
        """Add what `pip install` does for these words, such as `name>=1`, `./here`, or ("-r", "file")."""
        before = set(self._installs)
        self.requirements.where = f"line {self.line}" if self.line else source
        try:
            self._require(words)
        except (BreakbulkError, Fault, ValueError) as error:
            said = error.problem if isinstance(error, Fault) else getattr(error, "message", str(error))
            self.remark("left", source, said)
            return
        added = [f"install.{name}" for name in self._installs if name not in before]
        self.remark("taken", source, ", ".join(added[:6]) + (", ..." if len(added) > 6 else "") or "asked for before")

    def _require(self, words: Sequence[str]) -> None:
        match words:
            case ["-r", file]:
                self.requirements.read(Path(file))
            case ["-c", file]:
                self.requirements.constrain(Path(file))
            case _:
                self.requirements.requirement(" ".join(words))

    def variable(self, name: str, value: str) -> None:
        """Set a variable; `value` is as `[vars]` has it, a later one replaces an earlier one."""
        self._variables[name] = value

    def service(self, name: str, service: Service) -> None:
        """Add a service."""
        self._services[_UNSAFE.sub("-", name).strip(".-+_") or "main"] = service

    def configure(self, **fields: Any) -> None:
        """Set keys of `containerize.config`."""
        self._config = msgspec.structs.replace(self._config, **fields)

    def choose(self, **fields: Any) -> None:
        """Set options of the environment."""
        self.options = msgspec.structs.replace(self.options, **fields)

    def finished(self) -> Imported:
        """Return the manifest, with what was left as comments below, and the report."""
        manifest = Manifest(
            install=self._installs,
            vars=self._valid_variables(),
            services=self._services,
            options=self._valid_options(),
            containerize=Containerize(config=self._config) if self._config != ContainerizeConfig() else Containerize(),
        )
        remarks = sorted(self._remarks, key=lambda remark: remark.line or math.inf)
        return Imported(self._text(manifest, remarks), tuple(remarks))

    def _valid_variables(self) -> dict[str, str]:
        kept: dict[str, str] = {}
        for name, value in self._variables.items():
            try:
                rules.check(Manifest(vars={**kept, name: value}))
            except Fault as fault:
                self.remark("left", f"{name}={value}", f"{fault.problem}; {fault.hint}")
            else:
                kept[name] = value
        return kept

    def _valid_options(self) -> Options:
        """Return the options, the default suite where the one that was chosen has no name that can be one."""
        try:
            texts.suite(str(self.options.suite), ())
        except Fault as fault:
            self.remark("left", "suite", f"{fault.problem}; {fault.hint}")
            return msgspec.structs.replace(self.options, suite=DEFAULT_SUITE)
        return self.options

    def _text(self, manifest: Manifest, remarks: Sequence[Remark]) -> str:
        left = [remark for remark in remarks if remark.fate == "left"]
        places = (f"line {each.line}, " if each.line else "" for each in left)
        comments = "\n".join(
            _printable(f"# {place}{each.source}: {each.result}") for place, each in zip(places, left, strict=True)
        )
        text = manifest_text(manifest, _printable(self._title))
        return f"{text}\n# Not taken over:\n{comments}\n" if left else text


def shortened(text: str) -> str:
    """Return `text` on one line, without credentials, cut where nobody would read on."""
    line = " ".join(without_credentials(text).split())
    return _printable(line if len(line) <= _SHOWN_MAX else line[: _SHOWN_MAX - 3] + "...")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
