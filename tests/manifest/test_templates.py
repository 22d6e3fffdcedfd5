"""What `breakbulk init` writes is valid, short, and ready for the first install."""

from __future__ import annotations

from breakbulk.manifest.editing import add_install, parse_spec
from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.schema import Manifest, Options
from breakbulk.manifest.templates import new_manifest


def test_a_new_manifest_says_what_it_was_asked_and_nothing_else() -> None:
    text = new_manifest("trixie", ["x86_64-linux", "aarch64-linux"], python="3.13", snapshot="2025-11-01")
    assert parse_manifest(text, "m") == Manifest(
        options=Options(suite="trixie", systems=("x86_64-linux", "aarch64-linux"), python="3.13", snapshot="2025-11-01")
    )
    assert len(text.splitlines()) < 30


def test_the_examples_in_its_comments_are_valid() -> None:
    text = new_manifest("bookworm", ["x86_64-linux"])
    uncommented = "\n".join(
        line.removeprefix("# ").partition("     a")[0].partition("     the")[0]
        if " = " in line or "# [" in line
        else line
        for line in text.splitlines()
    )
    manifest = parse_manifest(uncommented, "m")
    assert set(manifest.install) == {"pandas", "git", "app"}
    assert manifest.services["redis"].ready is not None


def test_the_first_install_lands_below_the_explanation() -> None:
    lines = add_install(new_manifest("bookworm", ["x86_64-linux"]), parse_spec("pypi:rich")).splitlines()
    at = lines.index('rich.pypi = "rich"')
    assert lines[at - 1].startswith("# app.path")
    assert lines[at + 1] == ""


def test_tables_can_be_added_below() -> None:
    text = new_manifest("bookworm", ["x86_64-linux"]) + '\n[vars]\nA = "1"\n[hook]\non-activate = "true"\n[services]\n'
    assert parse_manifest(text, "m").vars == {"A": "1"}
