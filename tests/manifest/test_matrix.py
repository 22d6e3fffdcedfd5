"""What a recipe with a matrix makes, and which recipes are refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import ManifestError
from breakbulk.manifest.matrix import combinations, package_name
from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.schema import Build

AIRFLOW = """
[build.airflow]
command = "true"
matrix = { version = ["3.1.1", "2.11.0", "2.10.5"], variant = ["", "full", "minimal"] }
"""
NINE = {
    *("airflow-3-1-1", "airflow-full-3-1-1", "airflow-minimal-3-1-1"),
    *("airflow-2-11-0", "airflow-full-2-11-0", "airflow-minimal-2-11-0"),
    *("airflow-2-10-5", "airflow-full-2-10-5", "airflow-minimal-2-10-5"),
}


def names(text: str) -> list[str]:
    manifest = parse_manifest(text, "breakbulk.toml")
    return [
        package_name(recipe, build, values)
        for recipe, build in manifest.build.items()
        for values in combinations(build)
    ]


def test_nine_builds_of_airflow_are_one_recipe() -> None:
    assert set(names(AIRFLOW)) == NINE


def test_a_combination_can_be_left_out() -> None:
    left_out = 'exclude = [{ version = "2.10.5", variant = "full" }, { variant = "minimal" }]\n'
    assert set(names(AIRFLOW + left_out)) == {name for name in NINE if "minimal" not in name} - {"airflow-full-2-10-5"}


def test_a_recipe_may_say_what_its_packages_are_called() -> None:
    named = AIRFLOW + 'name = "{version}_{variant}-af"\n'
    assert {"3-1-1_full-af", "3-1-1_-af"} <= set(names(named))


def test_without_a_matrix_there_is_one_package() -> None:
    assert names('[build.hello]\ncommand = "true"\n') == ["hello"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[build.a]\ncommand = ' '\n", "build.a.command"),
        ("[build.a]\ncommand = 'x'\nmatrix = { v = [] }\n", "build.a.matrix.v"),
        ("[build.a]\ncommand = 'x'\nmatrix = { v = ['1', '1'] }\n", "build.a.matrix.v"),
        ("[build.a]\ncommand = 'x'\nmatrix = { out = ['1'] }\n", "build.a.matrix.out"),
        ("[build.a]\ncommand = 'x'\nmatrix = { v = ['1'] }\nname = 'a-{w}'\n", "build.a.name"),
        ("[build.a]\ncommand = 'x'\nmatrix = { v = ['1', '2'] }\nname = 'a'\n", "build.a.name"),
        ("[build.a]\ncommand = 'x'\nmatrix = { v = ['1'] }\nexclude = [{ v = '2' }]\n", "build.a.exclude[0].v"),
        ("[build.a]\ncommand = 'x'\nmatrix = { v = ['1'] }\nexclude = [{ v = '1' }]\n", "build.a.exclude"),
        ("[build.a]\ncommand = 'x'\nmatrix = { v = ['1'] }\n[build.a-1]\ncommand = 'x'\n", "build.a-1"),
        ("[build.a]\ncommand = 'x'\nsandbox-allow = ['home']\n", "build.a.sandbox-allow[0]"),
        ("[build.a]\ncommand = 'x'\nsandbox-allow = ['/usr']\n", "build.a.sandbox-allow[0]"),
        ("[build.a]\ncommand = 'x'\nsandbox-allow = ['/tmp/x']\n", "build.a.sandbox-allow[0]"),
        ("[build.a]\ncommand = 'x'\nversion = { file = '../v' }\n", "build.a.version.file"),
        ("[build.a]\ncommand = 'x'\ndestination = '/build/a'\n", "build.a.destination"),
        ("[build.a]\ncommand = 'x'\nruntime-packages = ['jq']\n", "build.a.runtime-packages[0]"),
        ("[build.a]\ncommand = 'x'\ncpu = ['x86_64-v9']\n", "build.a.cpu[0]"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_named(text: str, named: str) -> None:
    with pytest.raises(ManifestError) as refused:
        parse_manifest(text, "breakbulk.toml")
    assert f"`{named}`" in refused.value.message


@given(
    st.dictionaries(
        st.sampled_from(["version", "variant", "arch"]),
        st.lists(st.text("abc123.-", max_size=4), min_size=1, max_size=3, unique=True).map(tuple),
    )
)
def test_the_order_of_keys_decides_nothing(matrix: dict[str, tuple[str, ...]]) -> None:
    build = Build(command="true", matrix=matrix)
    turned = Build(command="true", matrix=dict(reversed(matrix.items())))
    made = [(package_name("x", build, values), values) for values in combinations(build)]
    assert made == [(package_name("x", turned, values), values) for values in combinations(turned)]
    assert len(made) == max(1, math.prod(map(len, matrix.values())))
