"""Who needs whom, found again from what the wheels require."""

from __future__ import annotations

from typing import Any

from packaging.requirements import Requirement

from breakbulk.ecosystems.pypi.graph import edges
from breakbulk.ecosystems.pypi.requirements import Wanted
from breakbulk.ecosystems.pypi.target import Target

BOOKWORM = Target("x86_64", "3.11", 36)
ARM = Target("aarch64", "3.13", 40)


def draw(requires: dict[str, list[str]], *wanted: str, target: Target = BOOKWORM) -> Any:
    asked = [Wanted(install=f"i{n}", requirement=Requirement(line), priority=5) for n, line in enumerate(wanted)]
    return edges(requires, asked, target)


def test_markers_are_those_of_the_target() -> None:
    requires = {"app": ["a; platform_machine == 'aarch64'", "b; python_version < '3.12'"], "a": [], "b": []}
    assert draw(requires, "app").dependencies["app"] == ("pypi:b",)
    assert draw(requires, "app", target=ARM).dependencies["app"] == ("pypi:a",)


def test_extras_are_followed_through_others() -> None:
    requires = {
        "app": ["lib[fast]"],
        "lib": ["c-lib; extra == 'fast'", "other; extra == 'slow'"],
        "c-lib": [],
        "other": [],
    }
    drawn = draw(requires, "app")
    assert drawn.dependencies["lib"] == ("pypi:c-lib",)
    assert (drawn.why["c-lib"], drawn.why["other"]) == (("pypi:lib",), ())


def test_circles_and_own_extras_end() -> None:
    requires = {"a": ["b", "a[x]", "c; extra == 'x'"], "b": ["a"], "c": []}
    drawn = draw(requires, "a")
    assert drawn.dependencies == {"a": ("pypi:b", "pypi:c"), "b": ("pypi:a",), "c": ()}
    assert drawn.why["a"] == ("install.i0", "pypi:b")


def test_names_are_normalised_and_unreadable_lines_passed_over() -> None:
    drawn = draw({"app": ["My_Lib (>=1)", "broken >>> line"], "my-lib": []}, "App")
    assert drawn.dependencies["app"] == ("pypi:my-lib",)
