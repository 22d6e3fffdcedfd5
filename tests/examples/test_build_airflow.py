"""Nine builds of Airflow are one recipe; one of them is built, and says its version from where it will be."""

import json
from pathlib import Path

import pytest

from breakbulk.builds.recipes import all_recipes
from breakbulk.manifest.reading import read_manifest

EXAMPLE = Path(__file__).parents[2] / "examples" / "build-airflow" / "breakbulk.toml"


def test_the_recipe_makes_nine_packages() -> None:
    assert {recipe.name for recipe in all_recipes(read_manifest(EXAMPLE), "x86_64-linux")} == {
        *("airflow-3-1-1", "airflow-full-3-1-1", "airflow-minimal-3-1-1"),
        *("airflow-2-11-0", "airflow-full-2-11-0", "airflow-minimal-2-11-0"),
        *("airflow-2-10-5", "airflow-full-2-10-5", "airflow-minimal-2-10-5"),
    }


@pytest.mark.integration
def test_one_of_them_is_built_and_works_where_it_is(example) -> None:
    airflow = example("build-airflow")
    (built,) = json.loads(airflow("build", "--json", "airflow-minimal-3-1-1"))["packages"]
    assert (built["version"], built["destination"]) == ("3.1.1", "/opt/airflow-minimal-3-1-1")
    program = airflow.directory / "result-airflow-minimal-3-1-1" / "bin" / "airflow"
    assert program.read_text().startswith("#!/opt/airflow-minimal-3-1-1/bin/python")
