"""The complete search: right where there is an answer, and right where there is none."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakbulk.ecosystems.deb.choosing import choose, violations
from breakbulk.ecosystems.deb.explaining import explain
from breakbulk.ecosystems.deb.index import Stanza
from breakbulk.ecosystems.deb.searching import Impossible, search
from breakbulk.ecosystems.deb.universe import Preferences, Universe, Version, Volume

Make = Callable[..., Universe]
Package = Callable[..., str]
NAMES = "abcde"


class Memory:
    """An index in memory, so that thousands of small archives can be tried."""

    def __init__(self, stanzas: list[Stanza]) -> None:
        self._stanzas = stanzas

    def stanzas(self, name: str) -> list[Stanza]:
        return [stanza for stanza in self._stanzas if stanza.name == name]

    def providers(self, name: str) -> list[str]:
        found = (s.name for s in self._stanzas if name in {part.split()[0] for part in s.provides.split(",") if part})
        return list(dict.fromkeys(found))

    def rank(self, name: str) -> int:
        return ord(name[0])


RELATIONS = st.builds(
    lambda name, bound: f"{name}{bound}",
    st.sampled_from(NAMES + "v"),
    st.sampled_from(["", " (>= 2)", " (= 1)", " (<< 2)"]),
)
GROUPS = st.lists(st.lists(RELATIONS, min_size=1, max_size=2).map(" | ".join), max_size=2).map(", ".join)
BODIES = st.fixed_dictionaries(
    {
        "depends": GROUPS,
        "conflicts": st.lists(RELATIONS, max_size=1).map(", ".join),
        "provides": st.sampled_from(["", "", "v", "v (= 2)"]),
    }
)
ARCHIVES = st.fixed_dictionaries({(name, version): st.none() | BODIES for name in NAMES for version in "12"})


def make_universe(bodies: dict[tuple[str, str], dict[str, str] | None]) -> Universe:
    stanzas = [
        Stanza(name, version, "amd64", f"{name}.deb", 1, f"{name}{version}", **body)
        for (name, version), body in bodies.items()
        if body is not None
    ]
    return Universe([Volume(Memory(stanzas), suite="s", component="main", pin=500, origin="T")], "amd64")  # type: ignore[arg-type]


def every_set(universe: Universe, wanted: str) -> Iterator[dict[str, Version]]:
    """Yield every consistent choice that holds `wanted`: the slow truth."""
    options = [(None, *universe.versions(name)) for name in NAMES]
    for choice in product(*options):
        marked = {version.name: version for version in choice if version is not None}
        if wanted in marked and next(violations(Preferences(universe), marked), None) is None:
            yield marked


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ARCHIVES)
def test_finds_a_set_exactly_when_there_is_one(bodies: Any) -> None:
    universe = make_universe(bodies)
    preferences = Preferences(universe)
    possible = next(every_set(universe, "a"), None) is not None
    if possible:
        found = search(preferences, {"a": preferences.order("a")})
        assert "a" in found
        assert list(violations(preferences, found)) == []
    else:
        assert explanation(universe, "a").startswith("install.a needs a")


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ARCHIVES)
def test_what_the_first_pass_chooses_fits_together(bodies: Any) -> None:
    preferences = Preferences(make_universe(bodies))
    if (found := choose(preferences, ["a"])) is not None:
        assert list(violations(preferences, found)) == []
        assert found["a"] is preferences.candidate("a")


def test_goes_back_on_a_choice_that_leads_nowhere(universe: Make, package: Package) -> None:
    many = universe(
        package("a", depends="x | y, lib"),
        package("x", depends="lib (<< 2)"),
        package("y"),
        package("b", depends="lib (>= 2)"),
        package("lib", "1"),
        package("lib", "2"),
    )
    preferences = Preferences(many)
    found = search(preferences, {"a": preferences.order("a"), "b": preferences.order("b")})
    assert {name: version.version for name, version in found.items()} == {
        "a": "1.0",
        "b": "1.0",
        "lib": "2",
        "y": "1.0",
    }


def test_takes_an_older_version_when_only_that_fits(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="lib (<< 2)"), package("lib", "1"), package("lib", "2"))
    preferences = Preferences(many)
    assert search(preferences, {"a": preferences.order("a")})["lib"].version == "1"


def explanation(universe: Universe, *names: str) -> str:
    preferences = Preferences(universe)
    with pytest.raises(Impossible) as caught:
        search(preferences, {name: preferences.order(name) for name in names})
    return explain(caught.value.clauses, universe, lambda name: f"install.{name} needs {name}")


def test_explains_a_missing_version_by_the_chain_that_asks_for_it(universe: Make, package: Package) -> None:
    many = universe(package("x", depends="a"), package("a", depends="b (>= 2)"), package("b", "1.9"), package("c"))
    assert explanation(many, "c", "x") == ("install.x needs x; x 1.0 needs a; a 1.0 needs b (>= 2), only 1.9 in stable")


def test_explains_a_conflict_by_both_sides(universe: Make, package: Package) -> None:
    many = universe(
        package("x", depends="a"),
        package("y", depends="b"),
        package("a", conflicts="mta"),
        package("b", provides="mta"),
    )
    assert explanation(many, "x", "y") == (
        "install.x needs x; install.y needs y; x 1.0 needs a; y 1.0 needs b; a 1.0 conflicts with mta, which b provides"
    )


def test_explains_a_provides_without_version(universe: Make, package: Package) -> None:
    many = universe(package("x", depends="api (>= 1)"), package("b", provides="api"))
    assert explanation(many, "x") == ("install.x needs x; x 1.0 needs api (>= 1), b 1.0 provides it without a version")


def test_a_name_that_nothing_has(universe: Make, package: Package, tmp_path: Path) -> None:
    assert explanation(universe(package("x", depends="gone")), "x").endswith("x 1.0 needs gone, which no suite has")
