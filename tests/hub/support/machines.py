"""Machines that share nothing but a hub, and projects of own sources, which lock and realise without any network."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from breakbulk.hub.names import parse_reference
from breakbulk.hub.push import Pushed
from breakbulk.hub.records import Authorship
from breakbulk.library import Environment
from breakbulk.library.publishing import publish
from breakbulk.settings import Settings

MANIFEST = """\
# the tool of the team
[install]
tool = { path = "./tool" }

[vars]
COLOUR = "blue"

[options]
base = "none"
systems = ["x86_64-linux", "aarch64-linux"]
"""

BY = Authorship(author="ada", host="loom", command="breakbulk push", time=datetime(2026, 1, 2, tzinfo=UTC))


class Machine:
    """A machine: a store, a cache and a configuration of its own; it says what it was told."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory = directory
        self.settings = replace(
            settings,
            store=directory / "store",
            cache=directory / "cache",
            configuration=directory / "configuration",
        )
        self.notes: list[str] = []
        directory.mkdir()

    def project(self, name: str = "project", manifest: str = MANIFEST, **files: str) -> Path:
        """Write a project whose source `tool` has `files`."""
        directory = self.directory / name
        (directory / "tool").mkdir(parents=True)
        (directory / "breakbulk.toml").write_text(manifest)
        for file, text in (files or {"data": "one\n"}).items():
            (directory / "tool" / file).write_text(text)
        return directory

    def open(self, directory: Path, **options) -> Environment:
        return Environment.open(directory, self.settings, self, **options)

    def push(self, directory: Path, name: str = "ada/tool", **options) -> Pushed:
        return publish(self.open(directory), parse_reference(name), BY, **options)

    def begin(self, *_arguments, **_options):
        return self

    def note(self, message: str) -> None:
        self.notes.append(message)

    def advance(self, _amount: int = 1) -> None:
        pass

    def grow(self, _amount: int) -> None:
        pass

    def finish(self) -> None:
        pass
