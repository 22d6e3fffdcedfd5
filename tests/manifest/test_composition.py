"""Environments include each other from directories and hubs; the result says who wrote what."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakbulk.errors import BreakbulkError, ManifestError, NotFoundError
from breakbulk.manifest.composition import compose, refuse_overrides
from breakbulk.manifest.merging import CURRENT
from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.schema import GitInstall, IncludedRemote, Manifest, PathInstall


def write(directory: Path, text: str, name: str = "breakbulk.toml") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_manifest_without_includes_is_itself(tmp_path: Path) -> None:
    path = write(tmp_path, '[install]\njq.deb = "jq"\n')
    composed = compose(path)
    assert composed.manifest == parse_manifest(path.read_text(), "m")
    assert composed.provenance == {"install.jq": (CURRENT,)}
    assert (composed.warnings, composed.inputs, composed.directory) == ((), (path,), tmp_path)


def test_includes_are_merged_lowest_first_with_their_own_includes(tmp_path: Path) -> None:
    root = write(tmp_path / "root", "[vars]\nA = 'root'\nROOT = '1'\n[hook]\non-activate = 'root'\n")
    base = write(
        tmp_path / "base",
        "include.environments = [{ dir = '../root' }]\n[vars]\nA = 'base'\nB = 'base'\n[hook]\non-activate = 'base'\n",
    )
    other = write(tmp_path / "other/.flox/env", "version = 1\n[vars]\nB = 'other'\n", "manifest.toml")
    top = write(
        tmp_path / "top",
        "hook.on-activate = 'top'\ninclude.environments = [{ dir = '../base' }, { dir = '../other', name = 'o' }]\n",
    )
    composed = compose(top)
    assert composed.manifest.vars == {"A": "base", "ROOT": "1", "B": "other"}
    assert composed.manifest.hook.on_activate == "root\nbase\ntop"
    assert composed.manifest.include.environments == ()
    assert composed.provenance["hook.on-activate"] == ("base/root", "base", CURRENT)
    assert composed.provenance["vars.ROOT"] == ("base/root",)
    assert composed.provenance["vars.B"] == ("o",)
    assert [(w.key, w.of, w.by) for w in composed.warnings] == [("vars.B", ("base",), "o")]
    assert [path.resolve() for path in composed.inputs] == [top, base, root, other]


def test_relative_paths_of_an_included_environment_stay_its_own(tmp_path: Path) -> None:
    write(
        tmp_path / "base",
        "[install]\napp.path = './src'\nall.path = '/srv/all'\nlib.git = '../lib'\n"
        "[options]\nconstraints = ['c.txt', '/etc/c.txt']\n",
    )
    write(tmp_path / "mid", "[include]\nenvironments = [{ dir = '../base' }]\n")
    composed = compose(write(tmp_path / "a/top", "[include]\nenvironments = [{ dir = '../../mid' }]\n"))
    assert composed.manifest.install == {
        "app": PathInstall(path="../../mid/../base/src"),
        "all": PathInstall(path="/srv/all"),
        "lib": GitInstall(git="../../mid/../base/../lib"),
    }
    assert composed.manifest.options.constraints == ("../../mid/../base/c.txt", "/etc/c.txt")


def test_an_environment_included_on_two_ways_is_no_cycle(tmp_path: Path) -> None:
    write(tmp_path / "root", "[vars]\nA = '1'\n")
    for name in ("left", "right"):
        write(tmp_path / name, "[include]\nenvironments = [{ dir = '../root' }]\n")
    composed = compose(write(tmp_path, "[include]\nenvironments = [{ dir = 'left' }, { dir = 'right' }]\n"))
    assert composed.provenance == {"vars.A": ("right/root",)}
    assert len(composed.inputs) == 4


@pytest.mark.parametrize(
    ("files", "identifier", "line", "words"),
    [
        ({".": "\n[include]\nenvironments = [\n{ dir = 'a' }]", "a": "include.environments = [{ dir = '..' }]"},
         "include-cycle", "a/breakbulk.toml:1", "circle"),
        ({".": "include.environments = [{ dir = '.' }]"}, "include-cycle", "breakbulk.toml:1", "circle"),
        ({".": "include.environments = [\n{ dir = 'a' },\n{ dir = 'b/a' }]", "a": "", "b/a": ""},
         "include-duplicate-name", "breakbulk.toml:3", "multiple environments in include.environments have the name"),
        ({".": "include.environments = [\n{ dir = 'nowhere' }]"}, "include-not-found", "breakbulk.toml:2", "nowhere"),
        ({".": "include.environments = [{ dir = 'a' }]", "a": "[vars]\nX = 1"}, "manifest-invalid",
         "a/breakbulk.toml:2", "`vars.X`"),
        ({".": "include.environments = [{ dir = 'a' }]\n[services.w]\ncommand = 'w'\ndepends-on = ['d']", "a": ""},
         "manifest-invalid", "breakbulk.toml:4", "no service"),
        ({".": "include.environments = [{ dir = 'a' }]\n[vars]\nA = '$B'", "a": "[vars]\nB = '$C'\nC = '$A'"},
         "vars-cycle", None, "circle"),
    ],
)  # fmt: skip
def test_what_cannot_be_composed_is_refused_where_it_is_written(
    tmp_path: Path, files: dict[str, str], identifier: str, line: str | None, words: str
) -> None:
    for directory, text in files.items():
        write(tmp_path / directory, text)
    with pytest.raises(BreakbulkError) as caught:
        compose(tmp_path / "breakbulk.toml")
    assert caught.value.reference == identifier
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.where is not None
    if line is not None:
        assert Path(caught.value.where).resolve() == tmp_path / line


def test_a_name_of_its_own_lets_two_of_one_name_stand_side_by_side(tmp_path: Path) -> None:
    for directory in ("a", "b/a"):
        write(tmp_path / directory, "")
    text = "include.environments = [{ dir = 'a' }, { dir = 'b/a', name = 'ba' }]"
    compose(write(tmp_path, text))


def test_includes_without_end_are_refused(tmp_path: Path) -> None:
    for depth in range(70):
        write(tmp_path / str(depth), f"include.environments = [{{ dir = '../{depth + 1}' }}]")
    with pytest.raises(ManifestError, match="include-too-deep"):
        compose(tmp_path / "0/breakbulk.toml")


@pytest.mark.parametrize("text", ["{ remote = 'owner/base', generation = 3 }", "'owner/base:3'"])
def test_an_environment_on_a_hub_comes_through_the_resolver(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"include.environments = [{text}]\n[vars]\nA = '2'\n")
    with pytest.raises(NotFoundError) as caught:
        compose(path)
    assert (caught.value.reference, caught.value.where) == ("hub-needed", "owner/base")

    asked: list[IncludedRemote] = []

    def hub(included: IncludedRemote) -> Manifest:
        asked.append(included)
        return parse_manifest("[vars]\nA = '1'\nB = '1'\n", "hub")

    composed = compose(path, resolve=hub)
    assert asked == [IncludedRemote(remote="owner/base", generation=3)]
    assert composed.manifest.vars == {"A": "2", "B": "1"}
    assert composed.provenance == {"vars.A": (CURRENT,), "vars.B": ("base",)}


def test_an_environment_on_a_hub_cannot_include_directories(tmp_path: Path) -> None:
    path = write(tmp_path, "include.environments = ['owner/base']")
    nested = parse_manifest("include.environments = [{ dir = '../x' }]", "hub")
    with pytest.raises(ManifestError, match="include-not-composed"):
        compose(path, resolve=lambda _: nested)


def test_a_fault_of_a_hubs_manifest_names_it(tmp_path: Path) -> None:
    path = write(tmp_path, "include.environments = ['owner/base']")
    broken = parse_manifest("[vars]\nA = '1'\n", "hub")
    broken.vars["A"] = "$(id)"
    with pytest.raises(ManifestError) as caught:
        compose(path, resolve=lambda _: broken)
    assert caught.value.where == "base"


def stacked(tmp_path: Path, top: str) -> Path:
    write(tmp_path / "base", "[vars]\nPORT = '80'\nHOST = 'a'\n\n[install]\njq.deb = 'jq'\n")
    return write(tmp_path / "top", "include.environments = [{ dir = '../base' }]\n" + top)


def test_a_silent_override_is_an_error_where_it_is_asked_for(tmp_path: Path) -> None:
    path = stacked(tmp_path, "[vars]\nPORT = '81'\nHOST = 'b'\n")
    with pytest.raises(ManifestError) as caught:
        refuse_overrides(compose(path))
    error = caught.value
    assert (error.reference, error.where) == ("override-not-allowed", f"{path}:3")
    assert f"vars.HOST of base is overridden by Current manifest ({path}:4 over " in (error.why or "")
    assert "base/breakbulk.toml:3)" in (error.why or "")
    assert "remove = ['vars.PORT', 'vars.HOST']" in (error.hint or "")


def test_what_is_removed_first_is_overridden_on_purpose(tmp_path: Path) -> None:
    composed = compose(stacked(tmp_path, "remove = ['vars.PORT', 'install.jq']\n[vars]\nPORT = '81'\n"))
    refuse_overrides(composed)
    assert composed.manifest.vars == {"PORT": "81", "HOST": "a"}
    assert composed.manifest.install == {}
    assert composed.manifest.remove == ()


def test_a_removal_of_nothing_is_found_in_its_line(tmp_path: Path) -> None:
    path = stacked(tmp_path, "remove = [\n  'install.jp',\n]\n")
    with pytest.raises(ManifestError, match=r"takes out `install.jp`") as caught:
        compose(path)
    assert (caught.value.reference, caught.value.where, caught.value.hint) == (
        "remove-unknown",
        f"{path}:3",
        "write `install.jq`",
    )


@pytest.mark.parametrize("text", ["remove = ['install.x']\n", "remove = ['a b']\ninclude.environments = ['a/b']\n"])
def test_removals_that_cannot_be_meant_are_refused_when_the_file_is_read(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError, match="`remove"):
        compose(write(tmp_path, text))


def test_an_included_removal_concerns_what_that_manifest_includes(tmp_path: Path) -> None:
    middle = stacked(tmp_path, "remove = ['vars.HOST']\n[vars]\nNEW = '1'\n")
    top = write(tmp_path / "above", "include.environments = [{ dir = '../base' }, { dir = '../top' }]\n")
    composed = compose(top)
    assert composed.manifest.vars == {"PORT": "80", "HOST": "a", "NEW": "1"}
    assert [(removal.by, removal.origin.parts[0].by) for removal in composed.removals] == [("top", "top/base")]
    assert composed.place("top", ("remove",)) == f"{tmp_path}/above/../{middle.parent.name}/breakbulk.toml:2"


def test_rule_2_what_an_include_includes_is_flattened(tmp_path: Path) -> None:
    write(tmp_path / "root", "[vars]\nA = 'root'\nB = 'root'\n")
    write(tmp_path / "base", "include.environments = [{ dir = '../root' }]\n[vars]\nB = 'base'\n")
    composed = compose(write(tmp_path / "top", "include.environments = [{ dir = '../base' }]\n"))
    flat = "include.environments = [{ dir = '../root' }, { dir = '../plain' }]\n"
    write(tmp_path / "plain", "[vars]\nB = 'base'\n")
    assert composed.manifest == compose(write(tmp_path / "flat", flat)).manifest
    assert composed.manifest.include.environments == ()


def test_rules_3_and_4_names_are_unique_and_may_be_given(tmp_path: Path) -> None:
    for directory in ("a/x", "b/x"):
        write(tmp_path / directory, "")
    twice = write(tmp_path / "twice", "include.environments = [{ dir = '../a/x' }, { dir = '../b/x' }]\n")
    with pytest.raises(ManifestError, match=r"multiple environments in include\.environments have the name"):
        compose(twice)
    named = "include.environments = [{ dir = '../a/x' }, { dir = '../b/x', name = 'y' }]\n"
    assert len(compose(write(tmp_path / "named", named)).documents) == 3
