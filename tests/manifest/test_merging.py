"""Flox's merge rules, one by one and as properties.

The numbers are those of the table in our reference (7.3). Rules 1, 2 and 10 are below; 2 to 4 concern the files, and
are in `test_composition`, the locking of what is included (2, 4) in `tests/library/test_remote`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakbulk.manifest.faults import Fault, render
from breakbulk.manifest.merging import CURRENT, Folded, Layer, Written, fold, merge
from breakbulk.manifest.reading import from_builtins, parse_manifest, to_builtins
from breakbulk.manifest.schema import Include, Manifest


def parsed(text: str) -> Manifest:
    return parse_manifest(text, "m")


def folded(low: str, high: str) -> tuple[dict[str, Any], list[str]]:
    result = fold([Layer("base", parsed(low)), Layer(CURRENT, parsed(high))])
    return to_builtins(result.manifest), [warning.key for warning in result.overrides]


@pytest.mark.parametrize(
    ("low", "high", "merged", "warned"),
    [
        (
            "[install]\na = { pypi = 'a', priority = 1 }\nb.deb = 'bb'",
            "[install]\na.deb = 'aa'\nc.deb = 'cc'",
            {"install": {"a": {"deb": "aa"}, "b": {"deb": "bb"}, "c": {"deb": "cc"}}},
            ["install.a"],
        ),
        ("[vars]\nA = '1'\nB = '1'", "[vars]\nA = '1'", {"vars": {"A": "1", "B": "1"}}, ["vars.A"]),
        (
            "[services.a]\ncommand = 'a'\nvars.X = '1'",
            "[services.a]\ncommand = 'b'",
            {"services": {"a": {"command": "b"}}},
            ["services.a"],
        ),
        (
            "[build.a]\ncommand = 'a'\ndescription = 'd'\n[plugins.p]\nx = { y = 1 }",
            "[build.a]\ncommand = 'b'\n[plugins.p]\nx = { z = 1 }",
            {"build": {"a": {"command": "b"}}, "plugins": {"p": {"x": {"z": 1}}}},
            ["build.a", "plugins.p"],
        ),
        ("services.auto-start = true", "services.auto-start = false", {"services": {"auto-start": False}}, []),
        ("services.auto-start = true", "", {"services": {"auto-start": True}}, []),
        ("schema-version = '1.10.0'", "version = 1", {"version": 1}, []),
        ("schema-version = '1.12.0'", "schema-version = '1.11.0'", {"schema-version": "1.11.0"}, []),
        (
            "minimum-cli-version = { version = '1.1', reason = 'r' }",
            "minimum-cli-version = '1.2'",
            {"minimum-cli-version": "1.2"},
            ["minimum-cli-version"],
        ),
        (
            "hook = { on-activate = 'low', on-deactivate = 'low' }",
            "hook = { on-activate = 'high', on-deactivate = 'high' }",
            {"hook": {"on-activate": "low\nhigh", "on-deactivate": "high\nlow"}},
            [],
        ),
        (
            "[profile]\ncommon = 'low'\nbash = 'low'\ndeactivate.common = 'low'",
            "[profile]\ncommon = 'high'\nfish = 'high'\ndeactivate = { common = 'high', zsh = 'high' }",
            {
                "profile": {
                    "common": "low\nhigh",
                    "bash": "low",
                    "fish": "high",
                    "deactivate": {"common": "high\nlow", "zsh": "high"},
                }
            },
            [],
        ),
        (
            (
                "[options]\nsystems = ['aarch64-linux']\nallow = { unfree = true, licenses = ['MIT'] }\n"
                "activate.mode = 'dev'\ncuda-detection = true\npython = '3.11'"
            ),
            (
                "[options]\nsystems = ['x86_64-linux']\nallow = { unfree = false, broken = true }\n"
                "semver.allow-pre-releases = true\ncuda-detection = false\nsuite = 'trixie'"
            ),
            {
                "options": {
                    "systems": ["x86_64-linux"],
                    "activate": {"mode": "dev"},
                    "allow": {"unfree": False, "broken": True, "licenses": ["MIT"]},
                    "semver": {"allow-pre-releases": True},
                    "cuda-detection": False,
                    "suite": "trixie",
                    "python": "3.11",
                }
            },
            ["options.allow.unfree", "options.cuda-detection", "options.systems"],
        ),
        (
            (
                "[containerize.config]\nuser = 'a'\ncmd = ['x', 'y']\nexposed-ports = ['80', '443']\nvolumes = ['/v']\n"
                "labels = { a = '1', b = '1' }"
            ),
            "[containerize.config]\nuser = 'b'\ncmd = ['z']\nexposed-ports = ['80', '22']\nlabels = { b = '2' }",
            {
                "containerize": {
                    "config": {
                        "user": "b",
                        "exposed-ports": ["22", "443", "80"],
                        "cmd": ["z"],
                        "volumes": ["/v"],
                        "labels": {"a": "1", "b": "2"},
                    }
                }
            },
            ["containerize.config.cmd", "containerize.config.labels.b", "containerize.config.user"],
        ),
        ("include.environments = ['a/b']", "include.environments = ['c/d']", {}, []),
        (
            (
                "[options]\nsemver.allow-pre-releases = true\nactivate.mode = 'dev'\n"
                "allow = { broken = true, licenses = ['MIT', 'ISC'] }"
            ),
            (
                "[options]\nsemver.allow-pre-releases = false\nactivate.mode = 'run'\n"
                "allow = { broken = false, licenses = ['MIT'] }"
            ),
            {
                "options": {
                    "activate": {"mode": "run"},
                    "allow": {"broken": False, "licenses": ["MIT"]},
                    "semver": {"allow-pre-releases": False},
                }
            },
            [
                "options.activate.mode",
                "options.allow.broken",
                "options.allow.licenses",
                "options.semver.allow-pre-releases",
            ],
        ),
        (
            "[containerize.config]\nworking-dir = '/a'\nstop-signal = 'SIGINT'\nvolumes = ['/v']",
            "[containerize.config]\nworking-dir = '/b'\nstop-signal = 'SIGTERM'\nvolumes = ['/a']",
            {"containerize": {"config": {"working-dir": "/b", "stop-signal": "SIGTERM", "volumes": ["/a", "/v"]}}},
            ["containerize.config.stop-signal", "containerize.config.working-dir"],
        ),
    ],
    ids=[
        "rule 5: install",
        "rule 5: vars",
        "rule 5: services",
        "rule 5: build, plugins",
        "rule 6: services.auto-start",
        "rule 6: services.auto-start, the lower where the higher has none",
        "rule 6: schema-version, of the older form too",
        "rule 6: schema-version, the higher manifest's though it is older",
        "rule 6: minimum-cli-version",
        "rule 7: hook",
        "rule 7: profile",
        "rule 8: options, leaf by leaf",
        "rule 9: containerize.config",
        "rule 2: include is dropped",
        "rule 8: options, every leaf warns and lists are replaced",
        "rule 9: containerize.config, what is replaced and what is joined",
    ],
)
def test_rules_of_flox(low: str, high: str, merged: dict[str, Any], warned: list[str]) -> None:
    values, warnings = folded(low, high)
    assert values == merged
    assert sorted(warnings) == warned


def test_rule_1_the_fold_is_from_left_to_right_and_the_composer_is_last() -> None:
    layers = [Layer(name, parsed(f"[vars]\nA = '{name}'\n{name.upper()}_ = '1'\n")) for name in ("one", "two", "top")]
    result = fold(layers)
    assert result.manifest.vars == {"A": "top", "ONE_": "1", "TWO_": "1", "TOP_": "1"}
    assert [(each.of, each.by) for each in result.overrides] == [(("one",), "two"), (("two",), "top")]


@given(low=st.deferred(lambda: manifests), high=st.deferred(lambda: manifests))
def test_rule_10_nothing_is_removed_without_saying_so(low: Manifest, high: Manifest) -> None:
    both = fold([Layer("low", low), Layer("high", high)])
    kept = {key for key in fold([Layer("low", low)]).origins if key not in {"schema-version", "version"}}
    assert kept <= both.origins.keys()
    assert both.removals == ()


def test_provenance_names_every_writer_in_the_order_of_the_text() -> None:
    low = parsed("[vars]\nA = '1'\nB = '1'\n[hook]\non-activate = 'x'\non-deactivate = 'x'\n")
    high = parsed("[vars]\nA = '2'\n[hook]\non-activate = 'y'\non-deactivate = 'y'\n")
    result = fold([Layer("base", low), Layer(CURRENT, high)])
    assert writers(result) == {
        "vars.A": (CURRENT,),
        "vars.B": ("base",),
        "hook.on-activate": ("base", CURRENT),
        "hook.on-deactivate": (CURRENT, "base"),
    }
    assert str(result.overrides[0]) == "vars.A of base is overridden by Current manifest"


def test_what_a_composed_layer_included_keeps_its_name() -> None:
    inner = fold([Layer("inner", parsed("[vars]\nA = '1'\n")), Layer(CURRENT, parsed("[vars]\nB = '1'\n"))])
    outer = fold([Layer("base", inner.manifest, inner.origins), Layer(CURRENT, parsed("[vars]\nB = '2'\n"))])
    assert writers(outer) == {"vars.A": ("base/inner",), "vars.B": (CURRENT,)}
    assert outer.overrides[0].of == ("base",)
    assert outer.origins["vars.B"].replaced == (Written("base", "1"),)


def writers(result: Folded) -> dict[str, tuple[str, ...]]:
    return {key: tuple(part.by for part in origin.parts) for key, origin in result.origins.items()}


names = st.sampled_from(["a", "b", "c"])
shells = st.dictionaries(st.sampled_from(["common", "bash", "zsh"]), st.sampled_from(["x", "y\nz", ""]))
entries = st.sampled_from([{"pypi": "aa"}, {"deb": "bb"}, {"deb": "bb", "priority": 1}, {"path": "."}])
systems = st.sampled_from(["x86_64-linux", "aarch64-linux"])
some_ports = st.sampled_from([["80"], ["80", "22"], ["443"]])
tables = st.fixed_dictionaries(
    {},
    optional={
        "schema-version": st.sampled_from(["1.10.0", "1.15.0"]),
        "minimum-cli-version": st.sampled_from(["1.1", "1.2"]),
        "install": st.dictionaries(names, entries),
        "vars": st.dictionaries(names, st.sampled_from(["1", "2", "$HOME"])),
        "hook": st.dictionaries(st.sampled_from(["on-activate", "on-deactivate"]), st.sampled_from(["x", "y"])),
        "profile": shells,
        "services": st.dictionaries(names, st.sampled_from([{"command": "x"}, {"command": "y", "restart": "always"}])),
        "options": st.fixed_dictionaries(
            {},
            optional={
                "systems": st.lists(systems, min_size=1, unique=True),
                "allow": st.dictionaries(st.sampled_from(["unfree", "broken"]), st.booleans(), min_size=1),
                "suite": st.sampled_from(["bookworm", "trixie"]),
                "python": st.sampled_from(["3.11", "3.13"]),
            },
        ),
        "containerize": st.fixed_dictionaries(
            {},
            optional={
                "config": st.fixed_dictionaries(
                    {"user": names}, optional={"exposed-ports": some_ports, "labels": st.dictionaries(names, names)}
                )
            },
        ),
    },
)
manifests = tables.map(from_builtins)


@given(manifests)
def test_merging_with_nothing_changes_nothing(manifest: Manifest) -> None:
    values = to_builtins(manifest)
    assert to_builtins(merge(Manifest(), manifest)) == without_empty(values)
    assert to_builtins(merge(manifest, Manifest())) == without_empty(values)
    assert fold([Layer(CURRENT, manifest)]).overrides == ()


@settings(max_examples=40)
@given(manifests, manifests, manifests)
def test_merging_is_associative(one: Manifest, two: Manifest, three: Manifest) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(manifests, manifests)
def test_the_higher_manifest_wins_and_nothing_is_lost(low: Manifest, high: Manifest) -> None:
    merged = merge(low, high)
    for table in ("install", "vars", "services"):
        assert getattr(merged, table) == {**getattr(low, table), **getattr(high, table)}
    assert merged.include == Include()


@given(manifests, manifests)
def test_every_entry_taken_over_is_warned_of_and_no_other(low: Manifest, high: Manifest) -> None:
    result = fold([Layer("low", low), Layer("high", high)])
    warned = {warning.key for warning in result.overrides}
    both = {f"{table}.{key}" for table in ("install", "vars", "services")
            for key in getattr(low, table).keys() & getattr(high, table).keys()}  # fmt: skip
    assert {key for key in warned if key.split(".")[0] in {"install", "vars", "services"}} == both
    assert all(warning.by == "high" and writers(result)[warning.key] == ("high",) for warning in result.overrides)


@settings(max_examples=40)
@given(st.lists(manifests, max_size=4))
def test_every_entry_has_a_writer(layers: list[Manifest]) -> None:
    result = fold([Layer(f"m{index}", manifest) for index, manifest in enumerate(layers)])
    alone = fold([Layer("all", result.manifest)])
    assert set(result.origins) == set(alone.origins)


def without_empty(values: dict[str, Any]) -> dict[str, Any]:
    """Drop tables that say nothing, at any depth of the tables that are merged leaf by leaf."""
    kept = dict(values)
    for table in ("options", "containerize"):
        if table in kept:
            kept[table] = pruned(kept[table])
    return {key: value for key, value in kept.items() if value != {}}


def pruned(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: pruned(item) for key, item in value.items() if pruned(item) != {}}


def test_removal_takes_out_what_is_included_before_its_own_entries_are_put_in() -> None:
    base = parsed("[install]\njq.deb = 'jq'\ngit.deb = 'git'\n[vars]\nA = '1'\n[hook]\non-activate = 'low'\n")
    top = parsed(
        "remove = ['install.git', 'vars.A', 'hook']\ninclude.environments = ['a/b']\n"
        "[vars]\nA = '2'\n[hook]\non-activate = 'high'\n"
    )
    result = fold([Layer("base", base), Layer(CURRENT, top)])
    assert without_empty(to_builtins(result.manifest)) == {
        "install": {"jq": {"deb": "jq"}},
        "vars": {"A": "2"},
        "hook": {"on-activate": "high"},
    }
    assert result.overrides == ()
    assert [(r.by, r.origin.path, r.origin.parts[0]) for r in result.removals] == [
        (CURRENT, ("install", "git"), Written("base", {"deb": "git"})),
        (CURRENT, ("vars", "A"), Written("base", "1")),
        (CURRENT, ("hook", "on-activate"), Written("base", "low")),
    ]


def test_removing_what_nothing_sets_is_refused_with_the_nearest_key() -> None:
    top = parsed("remove = ['vars.PROT']\ninclude.environments = ['a/b']\n")
    with pytest.raises(Fault, match=r"takes out `vars.PROT`") as caught:
        fold([Layer("base", parsed("[vars]\nPORT = '1'\n")), Layer(CURRENT, top)])
    assert (caught.value.path, caught.value.hint) == (("remove", 0), "write `vars.PORT`")


@given(manifests, manifests)
def test_what_is_removed_comes_from_the_higher_manifest_alone(low: Manifest, high: Manifest) -> None:
    keys = tuple(fold([Layer("low", low)]).origins)
    remover = msgspec.structs.replace(high, remove=keys)
    removed = fold([Layer("low", low), Layer("high", remover)])
    assert removed.manifest == fold([Layer("high", high)]).manifest
    assert removed.overrides == ()
    assert {render(removal.origin.path) for removal in removed.removals} == set(keys)
