"""A Flox manifest keeps its text; packages of nixpkgs become Debian's and PyPI's."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakbulk.errors import NotFoundError
from breakbulk.manifest.importing import from_flox
from breakbulk.manifest.importing.nixpkgs import PACKAGES
from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.schema import DebInstall, PypiInstall
from breakbulk.manifest.specs import parse_spec

FLOX = """\
version = 1

[install]
# Interpreter
python311.pkg-path = "python311"
pip.pkg-path = "python311Packages.pip"
requests = { pkg-path = ["python3Packages", "requests"], version = "2.31" }
redis = { pkg-path = "redis", version = "7.0", systems = ["x86_64-linux"], priority = 2 }
airflow.pkg-path = "barstoolbluz/airflow-full-3-1-1"

[vars]
A = "1"  # kept

[install.jq]
pkg-path = "jq"
"""


def environment(tmp_path: Path, text: str) -> Path:
    path = tmp_path / ".flox/env/manifest.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return tmp_path


def test_known_packages_are_translated_and_the_rest_is_reported(tmp_path: Path) -> None:
    text = from_flox(environment(tmp_path, FLOX))
    assert parse_manifest(text, "m").install == {
        "python311": DebInstall(deb="python3"),
        "pip": PypiInstall(pypi="pip"),
        "requests": PypiInstall(pypi="requests", version="==2.31.*"),
        "redis": DebInstall(deb="redis-server", systems=("x86_64-linux",), priority=2),
        "jq": DebInstall(deb="jq"),
    }
    assert '# no mapping: airflow.pkg-path = "barstoolbluz/airflow-full-3-1-1"' in text
    assert "# redis: version 7.0 is left to the suite" in text
    assert 'A = "1"  # kept' in text
    assert "# Interpreter" in text
    assert from_flox(tmp_path / ".flox") == text


def test_what_breakbulk_knows_itself_stays(tmp_path: Path) -> None:
    text = "[install]\nhello.flake = 'github:o/hello'\n[services.x]\ncommand = 'x'\n"
    assert from_flox(environment(tmp_path, text)) == text


@pytest.mark.parametrize("text", ["install.x.pkg-path = 'x.y.z'\n", "[install.x]\npkg-path = 'x.y.z'\n[vars]\n"])
def test_unknown_packages_are_reported_however_they_are_written(tmp_path: Path, text: str) -> None:
    assert '# no mapping: x.pkg-path = "x.y.z"' in from_flox(environment(tmp_path, text))


def test_a_directory_without_flox_is_named(tmp_path: Path) -> None:
    (tmp_path / "breakbulk.toml").touch()
    with pytest.raises(NotFoundError, match="holds no Flox environment"):
        from_flox(tmp_path)


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_every_mapping_is_a_word_that_install_understands(name: str) -> None:
    parse_spec(PACKAGES[name])
