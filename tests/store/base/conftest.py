"""Environments of invented packages: real trees on disk, with the records that unpacking would have given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from breakbulk.ecosystems.interface import Content, DebFacts, Entry
from breakbulk.store.base.facts import Facts, Member

Files = Mapping[str, str | None]
Make = Callable[..., Member]


@pytest.fixture
def package(tmp_path: Path) -> Make:
    """Make a Debian package: `files` by path, `-> target` for a link, None for a directory; scripts by name."""

    def make(name: str, files: Files | None = None, *, control: str = "", **scripts: str) -> Member:
        tree = tmp_path / name
        tree.mkdir()
        content: Content = {}
        for path, text in (files or {}).items():
            parents = [str(parent) for parent in Path(path).parents][:-1]
            content.update(dict.fromkeys(parents, Entry("directory", 0o755, "")))
            content[path] = _write(tree / path, text)
        control = control or f"Package: {name}\nVersion: 1-1\nArchitecture: amd64\n"
        shell = {
            key: text if key in ("conffiles", "templates") else f"#!/bin/sh\nset -e\n{text}"
            for key, text in scripts.items()
        }
        return Member(
            name=name, version="1-1", tree=tree, content=content, deb=DebFacts(control=control, scripts=shell)
        )

    return make


@pytest.fixture
def facts() -> Callable[..., Facts]:
    return lambda *members: Facts(members, "amd64")


def _write(path: Path, text: str | None) -> Entry:
    if text is None:
        path.mkdir(parents=True, exist_ok=True)
        return Entry("directory", 0o755, "")
    path.parent.mkdir(parents=True, exist_ok=True)
    if text.startswith("-> "):
        path.symlink_to(text[3:])
        return Entry("link", 0o777, text[3:])
    path.write_text(text)
    path.chmod(0o644)
    return Entry("file", 0o644, hashlib.sha256(text.encode()).hexdigest(), len(text))
