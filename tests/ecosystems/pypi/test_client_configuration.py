"""pip's configuration in uv's words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from breakbulk.ecosystems.pypi.client_configuration import client_configuration
from breakbulk.errors import ManifestError
from breakbulk.settings import Settings

MakeSettings = Callable[..., Settings]


def test_pips_variables_become_uvs(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(
        PIP_INDEX_URL="https://me:secret@127.0.0.1/simple",
        PIP_EXTRA_INDEX_URL="https://127.0.0.2/a  https://127.0.0.2/b",
        PIP_FIND_LINKS=f"{tmp_path} /nonexistent https://127.0.0.3/links",
        PIP_CERT="/certificates.pem",
        PIP_TRUSTED_HOST="127.0.0.1 127.0.0.2",
        PIP_PROXY="http://127.0.0.1:3128",
        PIP_KEYRING_PROVIDER="import",
    )
    configuration = client_configuration(settings)
    environment = configuration.environment
    assert {name: environment[name] for name in environment if name.startswith(("UV_", "SSL", "ALL"))} == {
        "ALL_PROXY": "http://127.0.0.1:3128",
        "SSL_CERT_FILE": "/certificates.pem",
        "UV_CACHE_DIR": settings.environment["UV_CACHE_DIR"],
        "UV_DEFAULT_INDEX": "https://me:secret@127.0.0.1/simple",
        "UV_EXTRA_INDEX_URL": "https://127.0.0.2/a https://127.0.0.2/b",
        "UV_FIND_LINKS": f"{tmp_path},https://127.0.0.3/links",
        "UV_HTTP_RETRIES": "1",
        "UV_HTTP_TIMEOUT": "10",
        "UV_INSECURE_HOST": "127.0.0.1 127.0.0.2",
        "UV_KEYRING_PROVIDER": "subprocess",
    }
    assert "secret" not in " ".join(configuration.arguments)


def test_uvs_own_words_win(make_settings: MakeSettings) -> None:
    settings = make_settings(
        PIP_INDEX_URL="https://127.0.0.1/pip",
        PIP_EXTRA_INDEX_URL="https://127.0.0.1/more",
        PIP_CERT="/pip.pem",
        UV_DEFAULT_INDEX="https://127.0.0.1/uv",
        SSL_CERT_FILE="/uv.pem",
        UV_HTTP_TIMEOUT="7",
    )
    environment = client_configuration(settings).environment
    assert environment["UV_DEFAULT_INDEX"] == "https://127.0.0.1/uv"
    assert "UV_EXTRA_INDEX_URL" not in environment
    assert (environment["SSL_CERT_FILE"], environment["UV_HTTP_TIMEOUT"]) == ("/uv.pem", "7")


def test_an_index_in_uvs_file_wins_over_pips(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(PIP_INDEX_URL="https://127.0.0.1/pip")
    file = tmp_path / "home/.config/uv/uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text("offline = false\n")
    assert client_configuration(settings).environment["UV_DEFAULT_INDEX"] == "https://127.0.0.1/pip"
    file.write_text('[pip]\nindex-url = "https://127.0.0.1/uv"\n')
    assert "UV_DEFAULT_INDEX" not in client_configuration(settings).environment


@pytest.mark.parametrize("place", ["home/.config/pip/pip.conf", "home/.pip/pip.conf", "etc/pip/pip.conf", "own.conf"])
def test_pips_files_are_read(make_settings: MakeSettings, tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[global]\nindex_url = https://127.0.0.1/global\n[install]\nno-index = yes\n")
    environment = {"PIP_CONFIG_FILE": str(file)} if place == "own.conf" else {}
    configuration = client_configuration(make_settings(**environment))
    assert configuration.environment["UV_DEFAULT_INDEX"] == "https://127.0.0.1/global"
    assert configuration.arguments == ("--no-index",)


def test_the_users_file_wins_over_the_systems_and_variables_over_both(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    for place in ("etc/pip", "home/.config/pip"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "pip.conf").write_text(f"[global]\nindex-url = https://127.0.0.1/{place[:3]}\n")
    assert client_configuration(make_settings()).environment["UV_DEFAULT_INDEX"].endswith("/hom")
    settings = make_settings(PIP_INDEX_URL="https://127.0.0.1/variable")
    assert client_configuration(settings).environment["UV_DEFAULT_INDEX"].endswith("/variable")
    settings = make_settings(PIP_CONFIG_FILE="/dev/null")
    assert "UV_DEFAULT_INDEX" not in client_configuration(settings).environment


def test_a_damaged_file_of_pips_is_named(make_settings: MakeSettings, tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("index-url without a section\n")
    with pytest.raises(ManifestError) as caught:
        client_configuration(make_settings(PIP_CONFIG_FILE=str(tmp_path / "own.conf")))
    assert (caught.value.reference, caught.value.where) == ("pip-configuration-invalid", str(tmp_path / "own.conf"))


def test_what_decides_the_resolution_is_taken_out(make_settings: MakeSettings) -> None:
    settings = make_settings(UV_RESOLUTION="lowest", UV_CONSTRAINT="x", UV_PRERELEASE="allow", VIRTUAL_ENV="/venv")
    environment = client_configuration(settings).environment
    assert not {"UV_RESOLUTION", "UV_CONSTRAINT", "UV_PRERELEASE", "VIRTUAL_ENV"} & environment.keys()
