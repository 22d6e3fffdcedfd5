"""Choosing as apt does, rule by rule; the agreement on real targets is in `test_agreement`."""

from collections.abc import Callable

import pytest

from breakbulk.ecosystems.deb.choosing import choose
from breakbulk.ecosystems.deb.universe import Preferences, Universe

Make = Callable[..., Universe]
Package = Callable[..., str]


def chosen(universe: Universe, *wanted: str, **preferences: object) -> set[str] | None:
    found = choose(Preferences(universe, **preferences), wanted)  # type: ignore[arg-type]
    return None if found is None else {f"{version.name}={version.version}" for version in found.values()}


def test_takes_the_first_alternative_that_can_be_had(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="missing | b | c"), package("b"), package("c"))
    assert chosen(many, "a") == {"a=1.0", "b=1.0"}


def test_takes_another_alternative_when_it_is_there_anyway(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="b | c"), package("b"), package("c"))
    assert chosen(many, "a", "c") == {"a=1.0", "c=1.0"}


def test_an_alternative_that_fails_deeper_down_is_given_up(universe: Make, package: Package) -> None:
    many = universe(
        package("a", depends="b | c"), package("b", depends="d"), package("d", depends="missing"), package("c")
    )
    assert chosen(many, "a") == {"a=1.0", "c=1.0"}


def test_prefers_the_real_package_to_providers(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="mta"), package("aaa", provides="mta"), package("mta"))
    assert chosen(many, "a") == {"a=1.0", "mta=1.0"}


def test_prefers_the_provider_of_higher_priority(universe: Make, package: Package) -> None:
    many = universe(
        package("a", depends="awk"),
        package("one", provides="awk", priority="optional"),
        package("two", provides="awk", priority="required"),
        package("three", provides="awk", priority="optional"),
    )
    assert chosen(many, "a") == {"a=1.0", "two=1.0"}


def test_of_equal_providers_the_last_met_wins_as_in_apt(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="awk"), package("one", provides="awk"), package("two", provides="awk"))
    assert chosen(many, "a") == {"a=1.0", "two=1.0"}


def test_a_provider_mentioned_early_was_met_early(universe: Make, package: Package) -> None:
    many = universe(
        package("a", depends="awk", suggests="two"), package("one", provides="awk"), package("two", provides="awk")
    )
    assert chosen(many, "a") == {"a=1.0", "one=1.0"}


@pytest.mark.parametrize(
    ("provides", "satisfied"), [("api", False), ("api (= 1)", False), ("api (= 2)", True), ("api (= 3)", True)]
)
def test_a_bound_needs_a_versioned_provides(universe: Make, package: Package, provides: str, satisfied: bool) -> None:
    many = universe(package("a", depends="api (>= 2)"), package("b", provides=provides))
    assert chosen(many, "a") == ({"a=1.0", "b=1.0"} if satisfied else None)


def test_pre_depends_count(universe: Make, package: Package) -> None:
    assert chosen(universe(package("a", pre_depends="b"), package("b")), "a") == {"a=1.0", "b=1.0"}


def test_recommends_do_not(universe: Make, package: Package) -> None:
    assert chosen(universe(package("a", recommends="b", suggests="b"), package("b")), "a") == {"a=1.0"}


@pytest.mark.parametrize("field", ["conflicts", "breaks"])
def test_conflicts_between_what_was_asked_for_end_the_pass(universe: Make, package: Package, field: str) -> None:
    many = universe(package("a", **{field: "b (<< 2)"}), package("b"))
    assert chosen(many, "a", "b") is None
    assert chosen(many, "a") == {"a=1.0"}


def test_a_package_may_conflict_with_what_it_provides(universe: Make, package: Package) -> None:
    many = universe(package("a", provides="mta", conflicts="mta"))
    assert chosen(many, "a") == {"a=1.0"}


def test_conflicts_reach_providers(universe: Make, package: Package) -> None:
    many = universe(package("a", conflicts="mta"), package("b", provides="mta"))
    assert chosen(many, "a", "b") is None


@pytest.mark.parametrize(
    ("multi_arch", "satisfied"), [("allowed", True), ("same", False), ("foreign", False), ("no", False)]
)
def test_any_needs_multi_arch_allowed(universe: Make, package: Package, multi_arch: str, satisfied: bool) -> None:
    many = universe(package("a", depends="b:any"), package("b", multi_arch=multi_arch))
    assert chosen(many, "a") == ({"a=1.0", "b=1.0"} if satisfied else None)


@pytest.mark.parametrize("multi_arch", ["same", "foreign", "allowed", "no"])
def test_without_qualifier_every_multi_arch_will_do(universe: Make, package: Package, multi_arch: str) -> None:
    many = universe(package("a", depends="b"), package("b", multi_arch=multi_arch))
    assert chosen(many, "a") == {"a=1.0", "b=1.0"}


def test_packages_of_another_architecture_are_not_there(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="b:arm64 | c"), package("b", architecture="arm64"), package("c"))
    assert chosen(many, "a") == {"a=1.0", "c=1.0"}


def test_what_was_marked_for_a_failed_alternative_falls_away(universe: Make, package: Package) -> None:
    many = universe(
        package("a", depends="b | c"), package("b", depends="junk, missing | gone"), package("junk"), package("c")
    )
    assert chosen(many, "a") == {"a=1.0", "c=1.0"}


def test_cycles_end(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="b"), package("b", depends="a"))
    assert chosen(many, "a") == {"a=1.0", "b=1.0"}


def test_long_chains_do_not_exhaust_the_stack(universe: Make, package: Package) -> None:
    chain = [package(f"p{number}", depends=f"p{number + 1}") for number in range(1500)]
    assert len(chosen(universe(*chain, package("p1500")), "p0") or ()) == 1501


class TestSeveralSuites:
    def test_the_newest_wins_among_equals(self, universe: Make, package: Package) -> None:
        many = universe(stable=[package("a", "1")], stable_security=[package("a", "1.1")])
        assert chosen(many, "a") == {"a=1.1"}

    def test_the_higher_priority_wins_over_the_newer(self, universe: Make, package: Package) -> None:
        suites = {"stable": [package("a", "1"), package("only", "1")], "next": [package("a", "2"), package("new", "2")]}
        many = universe(pins={"stable": 900}, **suites)
        assert chosen(many, "a", "new", "only") == {"a=1", "new=2", "only=1"}

    def test_a_priority_below_one_is_never_taken(self, universe: Make, package: Package) -> None:
        assert chosen(universe(pins={"next": -1}, stable=[package("b")], next=[package("a", "2")]), "a") is None

    def test_a_target_suite_counts_for_what_is_not_settled(self, universe: Make, package: Package) -> None:
        many = universe(
            pins={"next": 100},
            stable=[package("a", "1", depends="lib"), package("lib", "1"), package("base", "1")],
            next=[package("a", "2", depends="lib, base"), package("lib", "2"), package("base", "2")],
        )
        options = {"targets": frozenset({"next"}), "settled": frozenset({"base"})}
        assert chosen(many, "a", **options) == {"a=2", "lib=2", "base=1"}


def test_held_versions_stay(universe: Make, package: Package) -> None:
    many = universe(package("a", "1"), package("a", "2"))
    assert chosen(many, "a", held={"a": "1"}) == {"a=1"}


def test_a_held_provider_stays(universe: Make, package: Package) -> None:
    many = universe(package("a", depends="awk"), package("one", provides="awk"), package("two", provides="awk"))
    assert chosen(many, "a", held={"one": "1.0"}) == {"a=1.0", "one=1.0"}
