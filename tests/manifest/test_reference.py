"""The reference in the docs is what the schema says."""

from __future__ import annotations

import tomllib
from pathlib import Path

from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.reference import MEANINGS, keys, table

DOCUMENT = Path(__file__).parents[2] / "docs" / "manifest.md"


def test_every_key_has_a_meaning_and_every_meaning_a_key() -> None:
    assert MEANINGS.keys() == keys().keys()


def test_types_and_defaults_come_from_the_schema() -> None:
    assert keys()["install.<id>.priority"] == ("integer", "`5`")
    assert keys()["options.suite[].components"] == ("array of strings", "`main`")
    assert keys()["services.<name>.restart"] == ("`never`, `on-failure`, `always`", "`never`")
    assert keys()["services.auto-start"] == ("boolean", "")
    assert keys()["services.<name>.command"] == ("string", "required")


def test_the_document_holds_the_generated_table() -> None:
    text = DOCUMENT.read_text()
    assert table() in text, (
        "docs/manifest.md is older than the schema: put in what breakbulk.manifest.reference.table() gives"
    )


def test_every_manifest_in_the_document_is_valid() -> None:
    blocks = [part.partition("```")[0] for part in DOCUMENT.read_text().split("```toml\n")[1:]]
    assert blocks
    for block in blocks:
        tomllib.loads(block)
        parse_manifest(block, "docs/manifest.md")
