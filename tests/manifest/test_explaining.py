"""An entry of a composed manifest is explained: who wrote it where, over what, and what was taken out."""

from __future__ import annotations

from pathlib import Path

from breakbulk.manifest.composition import Composed, compose
from breakbulk.manifest.explaining import Explained, Source, explain_keys


def composed(tmp_path: Path) -> Composed:
    base = tmp_path / "base"
    base.mkdir()
    (base / "breakbulk.toml").write_text("[vars]\nPORT = '80'\nGONE = 'x'\n[hook]\non-activate = 'low'\n")
    (tmp_path / "breakbulk.toml").write_text(
        "remove = ['vars.GONE']\ninclude.environments = [{ dir = 'base' }]\n"
        "[vars]\nPORT = '81'\n[hook]\non-activate = 'high'\n"
    )
    return compose(tmp_path / "breakbulk.toml")


def test_an_override_is_explained_with_both_places(tmp_path: Path) -> None:
    [entry] = explain_keys(composed(tmp_path), "vars.PORT")
    assert entry == Explained(
        key="vars.PORT",
        sources=(Source(manifest="Current manifest", place=f"{tmp_path}/breakbulk.toml:4", value="81"),),
        replaced=(Source(manifest="base", place=f"{tmp_path}/base/breakbulk.toml:2", value="80"),),
    )


def test_joined_text_is_explained_part_by_part(tmp_path: Path) -> None:
    [entry] = explain_keys(composed(tmp_path), "hook.on-activate")
    assert [(part.manifest, part.value) for part in entry.sources] == [("base", "low"), ("Current manifest", "high")]
    assert entry.replaced == ()


def test_what_was_taken_out_is_explained(tmp_path: Path) -> None:
    [entry] = explain_keys(composed(tmp_path), "vars.GONE")
    assert entry.sources == ()
    assert [part.value for part in entry.removed] == ["x"]
    assert entry.removed_by == (f"{tmp_path}/breakbulk.toml:1",)


def test_a_table_and_everything_can_be_asked_for(tmp_path: Path) -> None:
    found = composed(tmp_path)
    assert {entry.key for entry in explain_keys(found, "vars")} == {"vars.PORT", "vars.GONE"}
    assert {entry.key for entry in explain_keys(found)} == {"vars.PORT", "vars.GONE", "hook.on-activate"}
    assert explain_keys(found, "libc6") == explain_keys(found, "deb:libc6") == ()
