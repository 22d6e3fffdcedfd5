"""Walk the final stage of a Dockerfile, instruction by instruction, and put what it means into an assembly.

Nothing is run. What an instruction does that a manifest cannot say is reported with its line. A stage that the final
one copies from is walked for the Python packages that it installs: that is what such stages are mostly for.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from breakbulk.errors import ManifestError
from breakbulk.importing.assembly import Assembly
from breakbulk.importing.bases import base_of
from breakbulk.importing.container import DEFAULT_PATH, Container, Health, describe, seconds
from breakbulk.importing.dockerfile.copying import Copied, copies, ignored, inside
from breakbulk.importing.dockerfile.installers import Installers
from breakbulk.importing.dockerfile.instructions import Instruction, as_list, read_instructions
from breakbulk.importing.dockerfile.shell_steps import ShellSyntaxError, Step, steps
from breakbulk.importing.dockerfile.stages import Stage, find_stage, lineage, read_stages
from breakbulk.importing.dockerfile.words import Words, pairs
from breakbulk.importing.report import Imported
from breakbulk.manifest.importing.drafting import read_text
from breakbulk.manifest.schema import DebInstall, PathInstall

__all__ = ["from_dockerfile"]

_TOOL_IMAGES = re.compile(r"(?:.*/)?(?:uv|poetry|pip)(?:[:@].*)?")
_ASSUMED = {"PATH": DEFAULT_PATH}


def from_dockerfile(path: Path, *, into: Path, name: str | None = None) -> Imported:
    """Return a manifest for the directory `into` that has what a Dockerfile makes; the context is its directory.

    A service that it describes is called `name`. Raises `NotFoundError`, or `ManifestError`: `import-unreadable`,
    `import-no-stage` for a file without FROM.
    """
    stages = read_stages(read_instructions(read_text(path)))
    if not stages:
        raise ManifestError(
            f"{path.name} has no instruction FROM",
            identifier="import-no-stage",
            where=str(path),
            hint="name a Dockerfile; requirements files and pyproject.toml are taken over by `breakbulk init --from`",
        )
    assembly = Assembly(f"Made from {path.name} by `breakbulk import`.", into)
    final = lineage(stages[-1], stages)
    _take_base(final[0], assembly)
    reading = _Reading(assembly, path.parent, stages)
    for stage in final:
        reading.walk(stage)
    reading.finish(name or path.absolute().parent.name)
    return assembly.finished()


def _take_base(stage: Stage, assembly: Assembly) -> None:
    base = base_of(stage.base)
    assembly.line = stage.start.line
    assembly.remark(base.fate, str(stage.start), base.note)
    if base.suite:
        assembly.choose(suite=base.suite)
    for package in (*base.packages, *(("python3",) if base.python else ())):
        assembly.install(package, DebInstall(deb=package))


class _Reading:
    """One walk: the state that instructions change, and where what they mean goes."""

    def __init__(self, assembly: Assembly, context: Path, stages: list[Stage], *, builder: bool = False) -> None:
        self.assembly = assembly
        self.context = context
        self.stages = stages
        self.builder = builder
        self.stage = stages[0]
        self.values = dict(_ASSUMED)
        self.container = Container()
        self.copied: list[tuple[int | None, str, list[Copied]]] = []
        self.mounted: list[Copied] = []
        self.installers = Installers(assembly, self.on_host, system=not builder)
        self.builders: set[str] = set()

    def walk(self, stage: Stage) -> None:
        self.stage = stage
        for instruction in stage.instructions:
            self.assembly.line = instruction.line
            known = _HANDLERS.get(instruction.keyword)
            if known is None:
                self.left(instruction, "no instruction of a Dockerfile")
            else:
                known(self, instruction)

    def left(self, instruction: Instruction, why: str) -> None:
        if not self.builder:
            self.assembly.remark("left", str(instruction), why)

    def words(self, instruction: Instruction) -> list[str]:
        reader = Words(self.values, instruction.escape)
        found = as_list(instruction.text)
        return self.told(reader, [reader.expand(w) for w in found] if found else reader.split(instruction.text))

    def text(self, instruction: Instruction) -> str:
        reader = Words(self.values, instruction.escape)
        return self.told(reader, [reader.expand(instruction.text.strip())])[0]

    def told(self, reader: Words, found: list[str]) -> list[str]:
        """Return `found`, after saying which variables had no value."""
        for name in sorted(reader.missing):
            self.assembly.remark("approximated", f"${name}", "it has no value here and became empty")
        return found

    def on_host(self, path: str) -> Path | None:
        """Return the file of the context that is at `path` of the image."""
        whole = inside(path, self.container.directory)
        copied = [each for _, _, group in self.copied for each in group]
        return next((found for each in reversed([*copied, *self.mounted]) if (found := each.on_host(whole))), None)

    def environment(self, instruction: Instruction) -> None:
        reader = Words(self.values, instruction.escape)
        found = pairs(instruction.text, reader)
        self.told(reader, [])
        self.values.update(found)
        self.container.variables.update(found)
        if found and not self.builder:
            self.assembly.remark("taken", str(instruction), ", ".join(f"vars.{name}" for name in found))

    def argument(self, instruction: Instruction) -> None:
        reader = Words(self.values, instruction.escape)
        for word in reader.raw(instruction.text):
            name, equals, value = word.partition("=")
            if name in self.container.variables:
                continue  # as there, ENV wins
            if equals or name in self.stage.arguments:
                self.values[name] = reader.expand(value) if equals else self.stage.arguments[name]
        self.told(reader, [])

    def run(self, instruction: Instruction) -> None:
        self.mounted = self.mounts(instruction)
        words = as_list(instruction.text)
        if words:
            self.step(Step(tuple(words)))
            return
        script = instruction.documents[0] if _only_document(instruction) else _script(instruction)
        try:
            found = list(steps(script, self.values))
        except (ShellSyntaxError, RecursionError) as error:
            self.left(instruction, f"the script cannot be read: {error}")
            return
        before = self.container.directory
        for step in found:
            self.step(step)
        self.container.directory = before

    def step(self, step: Step) -> None:
        if step.words[0] == "cd" and len(step.words) == 2 and step.words[1]:
            self.container.directory = inside(step.words[1], self.container.directory)
        if not self.installers.take(step) and not self.builder:
            self.assembly.remark("left", f"RUN {step}", "only a build could run it: a hook, or a recipe in [build]")

    def mounts(self, instruction: Instruction) -> list[Copied]:
        """Return what `--mount=type=bind` puts into the image for one RUN."""
        found: list[Copied] = []
        for mount in instruction.values("mount"):
            options = dict(part.partition("=")[::2] for part in mount.split(","))
            target = options.get("target") or options.get("dst") or options.get("destination")
            if options.get("type", "bind") == "bind" and target and "from" not in options:
                sources = [options.get("source") or options.get("src") or "."]
                found += copies(self.context, sources, target, self.container.directory)
        return found

    def copy(self, instruction: Instruction) -> None:
        words = self.words(instruction)
        if origin := next(iter(instruction.values("from")), None):
            self.copy_from(instruction, origin)
        elif instruction.documents:
            self.left(instruction, "a file that is written in the Dockerfile: put it into a directory of your source")
        elif any("://" in word or word.startswith("git@") for word in words[:-1]):
            self.left(instruction, "an archive needs its digest: breakbulk install 'URL#sha256=DIGEST'")
        elif len(words) > 1:
            found = copies(self.context, words[:-1], words[-1], self.container.directory)
            self.copied.append((instruction.line, str(instruction), found))
            if not found:
                self.left(instruction, "the build context has no such file")

    def copy_from(self, instruction: Instruction, origin: str) -> None:
        """Take the Python packages of the stage that is copied from."""
        stage = find_stage(origin, self.stages[: self.stages.index(self.stage)])
        if stage is None:
            tool = _TOOL_IMAGES.fullmatch(origin)
            why = "not needed: Breakbulk resolves" if tool else "another image: install what is meant as a package"
            self.assembly.remark("taken" if tool else "left", f"{instruction} from {origin}", why)
            return
        if stage.name not in self.builders:
            self.builders.add(stage.name)
            line = self.assembly.line
            reading = _Reading(self.assembly, self.context, self.stages, builder=True)
            for each in lineage(stage, self.stages):
                reading.walk(each)
            self.installers.consumed |= reading.installers.consumed
            self.assembly.line = line
        note = f"Python packages of stage {stage.name} are taken; of what else it builds make a recipe in [build]"
        self.assembly.remark("approximated", f"{instruction} from {origin}", note)

    def work_in(self, instruction: Instruction) -> None:
        self.container.directory = inside(self.text(instruction), self.container.directory)

    def start(self, instruction: Instruction) -> None:
        command = as_list(instruction.text) or instruction.text.strip()
        if instruction.keyword == "ENTRYPOINT":
            self.container.entrypoint, self.container.command = command, None
        else:
            self.container.command = command

    def run_as(self, instruction: Instruction) -> None:
        self.container.user = self.text(instruction) or None

    def expose(self, instruction: Instruction) -> None:
        self.container.ports += [port if "/" in port else f"{port}/tcp" for port in self.words(instruction)]

    def volume(self, instruction: Instruction) -> None:
        self.container.volumes += self.words(instruction)

    def label(self, instruction: Instruction) -> None:
        reader = Words(self.values, instruction.escape)
        self.container.labels.update(pairs(instruction.text, reader))
        self.told(reader, [])

    def stop_signal(self, instruction: Instruction) -> None:
        self.container.stop_signal = self.text(instruction) or None

    def health(self, instruction: Instruction) -> None:
        kind, _, text = instruction.text.strip().partition(" ")
        if kind.upper() != "CMD" or not text.strip():
            self.container.health = None
            return
        found = as_list(text)
        flags = dict(instruction.flags)
        retries = flags.get("retries", "")
        self.container.health = Health(
            command=shlex.join(found) if found else text.strip(),
            interval_s=seconds(flags.get("interval", "")) or 30.0,
            start_s=seconds(flags.get("start-period", "")) or 0.0,
            retries=int(retries) if retries.isascii() and retries.isdecimal() and len(retries) < 5 else 3,
        )

    def shell(self, instruction: Instruction) -> None:
        found = as_list(instruction.text)
        if not found or posixpath.basename(found[0]) not in {"sh", "bash", "dash", "ash"}:
            self.left(instruction, "commands are read as those of a POSIX shell")

    def later(self, instruction: Instruction) -> None:
        self.left(instruction, "it acts in images that build on this one: include this environment there instead")

    def finish(self, name: str) -> None:
        """Install the own source that was copied, and say how it is run."""
        for line, source, group in self.copied:
            self.assembly.line = line
            self.install_source(source, [each for each in group if each.source not in self.installers.consumed])
        self.assembly.line = None
        describe(self.container, self.assembly, name)
        if constraints := self.assembly.requirements.constraints:
            self.assembly.choose(constraints=tuple(dict.fromkeys(constraints)))

    def install_source(self, source: str, group: Sequence[Copied]) -> None:
        """Install what one COPY copied: each directory as a tree, files of one directory together."""
        files: dict[tuple[Path, str], list[str]] = {}
        for each in group:
            place, called = posixpath.split(each.destination)
            if each.source.is_dir():
                exclude = tuple(ignored(self.context)) if each.source == self.context else ()
                self.tree(source, each.source, each.destination, exclude)
            elif called == each.source.name:
                files.setdefault((each.source.parent, place), []).append(called)
            else:
                why = f"a file cannot be renamed: call it {called}, or copy it in hook.on-activate"
                self.assembly.remark("left", source, why)
        for (directory, place), names in files.items():
            self.tree(source, directory, place, ("*", *(f"!/{name}" for name in names)))

    def tree(self, source: str, directory: Path, destination: str, exclude: tuple[str, ...]) -> None:
        relative = os.path.relpath(directory, self.assembly.directory)
        path = relative if relative.startswith(".") else f"./{relative}"
        install = PathInstall(path=path, destination=destination, exclude=exclude)
        self.assembly.take(source, posixpath.basename(destination) or "files", install, note=f"at {destination}")


def _only_document(instruction: Instruction) -> bool:
    """Tell whether RUN has a script as its here-document and nothing else, or a shell that reads one."""
    if len(instruction.documents) != 1:
        return False
    before = instruction.text.partition("<<")[0].strip()
    return before in {"", "sh", "bash", "/bin/sh", "/bin/bash"} and not instruction.documents[0].startswith("#!/usr")


def _script(instruction: Instruction) -> str:
    """Return a script with its here-documents as the shell would read them."""
    if not instruction.documents:
        return instruction.text
    names = re.findall(r"<<-?[\"']?([A-Za-z_][A-Za-z0-9_]*)", instruction.text)
    bodies = (f"{body}\n{name}" for body, name in zip(instruction.documents, names, strict=False))
    return "\n".join([instruction.text, *bodies]) + "\n"


def _nothing(_reading: _Reading, _instruction: Instruction) -> None:
    """Do nothing: who maintains an image is no part of an environment."""


_HANDLERS: dict[str, Callable[[_Reading, Instruction], None]] = {
    "ADD": _Reading.copy,
    "ARG": _Reading.argument,
    "CMD": _Reading.start,
    "COPY": _Reading.copy,
    "ENTRYPOINT": _Reading.start,
    "ENV": _Reading.environment,
    "EXPOSE": _Reading.expose,
    "HEALTHCHECK": _Reading.health,
    "LABEL": _Reading.label,
    "MAINTAINER": _nothing,
    "ONBUILD": _Reading.later,
    "RUN": _Reading.run,
    "SHELL": _Reading.shell,
    "STOPSIGNAL": _Reading.stop_signal,
    "USER": _Reading.run_as,
    "VOLUME": _Reading.volume,
    "WORKDIR": _Reading.work_in,
}
