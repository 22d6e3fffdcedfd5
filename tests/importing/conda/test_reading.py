"""Environments of conda become manifests with the same packages, as far as PyPI and Debian have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakbulk.errors import BreakbulkError, ManifestError
from breakbulk.importing.conda import from_conda
from breakbulk.importing.conda.names import NEEDLESS, PACKAGES
from breakbulk.importing.report import Imported
from breakbulk.manifest.reading import parse_manifest, to_builtins
from breakbulk.manifest.specs import parse_spec

WHOLE = """\
name: science
channels: [conda-forge, bioconda]
dependencies:
  - python=3.11
  - numpy>=1.26,<2
  - conda-forge::pandas=2.2
  - pytorch::pytorch==2.4.0=py3.11_cuda12.1_0
  - git=2.40
  - graphviz
  - r-ggplot2
  - libgcc-ng=13.2.0
  - "a package that is none!"
  - pip
  - pip:
    - rich~=13.0
    - -r extra.txt
    - --extra-index-url https://u:secret@x/
variables:
  PRICE: 5$
  RATE: 3.10
prefix: /home/ada/miniconda3
"""


def imported(tmp_path: Path, text: str) -> Imported:
    (tmp_path / "environment.yml").write_text(text)
    return from_conda(tmp_path / "environment.yml", into=tmp_path)


def values(tmp_path: Path, text: str) -> dict[str, Any]:
    return to_builtins(parse_manifest(imported(tmp_path, text).text, "m"))


def test_a_whole_environment(tmp_path: Path) -> None:
    (tmp_path / "extra.txt").write_text("flask\n")
    assert values(tmp_path, WHOLE) == {
        "install": {
            "python3": {"deb": "python3"},
            "numpy": {"pypi": "numpy<2,>=1.26"},
            "pandas": {"pypi": "pandas==2.2.*"},
            "pytorch": {"pypi": "torch==2.4.0"},
            "git": {"deb": "git"},
            "graphviz": {"deb": "graphviz"},
            "r-ggplot2": {"deb": "r-cran-ggplot2"},
            "rich": {"pypi": "rich~=13.0"},
            "flask": {"pypi": "flask"},
        },
        "vars": {"PRICE": "5\\$", "RATE": "3.10"},
        "options": {"systems": ["x86_64-linux", "aarch64-linux"], "suite": "bookworm"},
    }


def test_the_report_says_what_is_not_the_same_and_where(tmp_path: Path) -> None:
    (tmp_path / "extra.txt").write_text("flask\n")
    found = imported(tmp_path, WHOLE)
    assert [(each.line, each.source) for each in found.of("left")] == [(12, "a package that is none!")]
    assert [each.line for each in found.of("approximated")] == [2, 7, 8, 17]
    assert "secret" not in found.text + str(found.remarks)


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("x", "x"), ("x=1", "x==1.*"), ("x=1.2.*", "x==1.2.*"), ("x==1.2", "x==1.2"), ("x 1.2", "x==1.2.*"),
        ("x>=1,!=1.5", "x!=1.5,>=1"), ("x=1.2=py39_0", "x==1.2.*"), ("x[version='>=1']", "x>=1"), ("x=*", "x"),
        ("x=1|2", "x"), ("X", "x"),
    ],
)  # fmt: skip
def test_versions(tmp_path: Path, spec: str, requirement: str) -> None:
    found = values(tmp_path, f'dependencies: ["{spec}"]')
    assert found["install"] == {"x": {"pypi": requirement}}


@pytest.mark.parametrize(
    ("python", "suite", "fate"),
    [("3.11", "bookworm", "taken"), ("3.13", "trixie", "taken"), (">=3.9", "bookworm", "taken"),
     ("3.12", "trixie", "approximated"), ("3.10.4", "trixie", "approximated")],
)  # fmt: skip
def test_the_version_of_python_chooses_the_suite(tmp_path: Path, python: str, suite: str, fate: str) -> None:
    line = f"python{python if python[0] == '>' else '=' + python}"
    found = imported(tmp_path, f"dependencies: ['{line}']")
    assert parse_manifest(found.text, "m").options.suite == suite
    assert [each.fate for each in found.remarks] == [fate]


@pytest.mark.parametrize(
    ("text", "identifier", "line"),
    [
        ("name: x\ndependencies: [a\n", "import-syntax", 3),
        ("a: 1\n", "import-no-dependencies", None),
        ("- a\n", "import-no-dependencies", None),
        ("", "import-no-dependencies", None),
        ("[" * 5000, "import-syntax", None),
    ],
)
def test_what_is_no_environment_is_refused(tmp_path: Path, text: str, identifier: str, line: int | None) -> None:
    with pytest.raises(ManifestError) as caught:
        imported(tmp_path, text)
    assert caught.value.reference == identifier
    assert line is None or (caught.value.where or "").endswith(f":{line}")


def test_aliases_are_not_multiplied(tmp_path: Path) -> None:
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    found = imported(tmp_path, f"a0: &a0 [x]\n{bomb}dependencies: &d [*a29, *d, jq]\n")
    assert set(parse_manifest(found.text, "m").install) == {"jq"}


def test_names_are_packages_and_none_is_both_mapped_and_needless() -> None:
    for name, package in PACKAGES.items():
        assert parse_spec(package).install
        assert name == "_r-mutex" or not NEEDLESS.fullmatch(name)


scalars = st.text(max_size=12) | st.sampled_from(["python=3", "a::b=1", "a=1=2", "-r x", "-e .", "git+x", "a[", "=1"])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(scalars | st.fixed_dictionaries({"pip": st.lists(scalars)})), st.dictionaries(scalars, scalars))
def test_any_environment_gives_a_valid_manifest(tmp_path: Path, lines: list[Any], variables: dict[str, str]) -> None:
    import json

    try:
        found = imported(tmp_path, json.dumps({"dependencies": lines, "variables": variables}))
    except BreakbulkError:
        return
    parse_manifest(found.text, "m")
