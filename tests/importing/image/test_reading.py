"""Images become manifests with what was asked for in them; archives that are hostile or damaged are refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakbulk.errors import ArchiveError, BreakbulkError, ManifestError
from breakbulk.importing.image import from_image
from breakbulk.importing.report import Imported
from breakbulk.manifest.reading import parse_manifest, to_builtins

Layer = Mapping[str, bytes | str]

OS = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME='Debian 12'\n"


def debs(*stanzas: str) -> str:
    return "\n\n".join(f"Status: install ok installed\n{stanza}" for stanza in stanzas) + "\n"


STATUS = (
    debs(
        "Package: libc6\nVersion: 2.36\nPriority: required",
        "Package: jq\nVersion: 1.6-2.1\nDepends: libjq1 (= 1.6), libc6",
        "Package: libjq1\nVersion: 1.6-2.1\nDepends: libonig5",
        "Package: libonig5\nVersion: 6.9.8-1",
    )
    + "\n\nPackage: gone\nVersion: 1\nStatus: deinstall ok config-files\n"
)
SITE = "usr/local/lib/python3.11/site-packages"
PACKAGES: Layer = {
    f"{SITE}/flask-3.0.dist-info/METADATA": "Name: Flask\nVersion: 3.0\nRequires-Dist: werkzeug>=3\n\nName: no\n",
    f"{SITE}/werkzeug-3.1.dist-info/METADATA": "Name: werkzeug\nVersion: 3.1\n",
    f"{SITE}/pip-24.dist-info/METADATA": "Name: pip\nVersion: 24\n",
    "usr/lib/python3/dist-packages/apt-2.dist-info/METADATA": "Name: apt\nVersion: 2\n",
}
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "Env": ["PATH=/opt/x/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PRICE=5$"],
        "Entrypoint": ["python"],
        "Cmd": ["-m", "web"],
        "User": "1000",
        "WorkingDir": "/app",
        "ExposedPorts": {"8000/tcp": {}},
        "Labels": {"a": "b"},
        "Healthcheck": {"Test": ["CMD", "curl", "-f", "http://localhost:8000/"], "Interval": 2_000_000_000},
    },
}


def tar(members: Mapping[str, bytes | str]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            content = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def saved(tmp_path: Path, layers: list[bytes], config: Any = CONFIG) -> Path:
    """Write what `docker save` writes."""
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": names}]
    documents = {"manifest.json": json.dumps(manifest), "c.json": json.dumps(config)}
    path = tmp_path / "image.tar"
    path.write_bytes(tar({**dict(zip(names, layers, strict=True)), **documents}))
    return path


def layout(tmp_path: Path, layers: list[bytes]) -> Path:
    """Write an OCI image layout, whose index leads to another beside an attestation."""
    blobs: dict[str, bytes | str] = {}

    def blob(data: bytes, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data), **more}

    manifest = {"config": blob(json.dumps(CONFIG).encode()), "layers": [blob(layer) for layer in layers]}
    attestation = blob(b"{}", platform={"os": "unknown"})
    inner = {"manifests": [attestation, blob(json.dumps(manifest).encode(), platform={"os": "linux"})]}
    kind = "application/vnd.oci.image.index.v1+json"
    index = {"manifests": [blob(json.dumps(inner).encode(), mediaType=kind)]}
    path = tmp_path / "image.tar"
    path.write_bytes(tar({**blobs, "oci-layout": "{}", "index.json": json.dumps(index)}))
    return path


def imported(path: Path, *, exact: bool = False) -> Imported:
    return from_image(path, into=path.parent, exact=exact)


def installs(path: Path, *, exact: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = to_builtins(parse_manifest(imported(path, exact=exact).text, "m")).get("install", {})
    return found


WHOLE = [
    tar({"etc/os-release": OS, "var/lib/dpkg/status": STATUS}),
    tar({**PACKAGES, "app/web.py": "x", "app/a/b": ""}),
]


@pytest.mark.parametrize("write", [saved, layout])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_whole_image(tmp_path: Path, write: Any, pack: Any) -> None:
    found = imported(write(tmp_path, [pack(layer) for layer in WHOLE]))
    assert to_builtins(parse_manifest(found.text, "m")) == {
        "install": {"jq": {"deb": "jq"}, "flask": {"pypi": "flask"}},
        "vars": {"PATH": "/opt/x/bin:$PATH", "PRICE": "5\\$"},
        "services": {
            "image": {
                "command": "cd /app && exec python -m web",
                "ready": {"command": "curl -f http://localhost:8000/", "interval-s": 2.0},
            }
        },
        "options": {"systems": ["x86_64-linux"], "suite": "bookworm"},
        "containerize": {
            "config": {
                "user": "1000",
                "exposed-ports": ["8000/tcp"],
                "cmd": ["python", "-m", "web"],
                "working-dir": "/app",
                "labels": {"a": "b"},
            }
        },
    }
    assert [each.source for each in found.of("left")] == ["/app", "/app/a"]


def test_exactly_is_everything_in_its_version(tmp_path: Path) -> None:
    path = saved(tmp_path, WHOLE)
    assert installs(path, exact=True) == {
        "libc6": {"deb": "libc6", "version": "2.36"},
        "jq": {"deb": "jq", "version": "1.6-2.1"},
        "libjq1": {"deb": "libjq1", "version": "1.6-2.1"},
        "libonig5": {"deb": "libonig5", "version": "6.9.8-1"},
        "flask": {"pypi": "flask==3.0"},
        "werkzeug": {"pypi": "werkzeug==3.1"},
    }
    assert "options.snapshot" in "".join(each.result for each in imported(path, exact=True).of("approximated"))


def test_what_apt_and_pip_noted_decides_where_they_did(tmp_path: Path) -> None:
    states = (
        "Package: libjq1\nAuto-Installed: 1\n\nPackage: jq\nAuto-Installed: 0\n\nPackage: libonig5\nAuto-Installed: 1\n"
    )
    requested = {f"{SITE}/werkzeug-3.1.dist-info/REQUESTED": ""}
    layers = [*WHOLE, tar({"var/lib/apt/extended_states": states, **requested})]
    assert set(installs(saved(tmp_path, layers))) == {"jq", "werkzeug"}


def test_images_without_dpkg_have_their_packages_found(tmp_path: Path) -> None:
    layer = tar({"./var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a\n", "usr/lib/os-release": OS})
    assert installs(saved(tmp_path, [layer])) == {"tzdata": {"deb": "tzdata"}}


@pytest.mark.parametrize(
    "whiteout",
    [
        f"{SITE}/.wh.flask-3.0.dist-info",
        f"{SITE}/flask-3.0.dist-info/.wh..wh..opq",
        f"{SITE}/flask-3.0.dist-info/.wh.METADATA",
        "usr/.wh.local",
    ],
)
def test_what_a_layer_above_removed_is_not_there(tmp_path: Path, whiteout: str) -> None:
    assert "flask" not in installs(saved(tmp_path, [*WHOLE, tar({whiteout: ""})]))


def test_an_emptied_directory_has_what_its_own_layer_puts_there(tmp_path: Path) -> None:
    upper = tar({f"{SITE}/rich-1.dist-info/METADATA": "Name: rich\nVersion: 1\n", f"{SITE}/.wh..wh..opq": ""})
    assert set(installs(saved(tmp_path, [*WHOLE, upper]))) == {"jq", "rich"}


def test_a_distribution_from_no_index_comes_from_where_it_came(tmp_path: Path) -> None:
    git = {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    layer = tar(
        {
            f"{SITE}/x-1.dist-info/METADATA": "Name: x\nVersion: 1\n",
            f"{SITE}/x-1.dist-info/direct_url.json": json.dumps(git),
            f"{SITE}/y-1.dist-info/METADATA": "Name: y\nVersion: 1\n",
            f"{SITE}/y-1.dist-info/direct_url.json": '{"url": "file:///src", "dir_info": {}}',
        }
    )
    path = saved(tmp_path, [layer])
    assert installs(path) == {"x": {"git": "https://example.org/x.git", "rev": "a" * 40}}
    assert "y.path = DIRECTORY" in "".join(each.result for each in imported(path).of("left"))


def test_other_distributions_are_said_to_be_others(tmp_path: Path) -> None:
    layer = tar({"etc/os-release": "ID=alpine\nVERSION_ID=3.20\n", "lib/apk/db/installed": "P:musl\n"})
    assert [each.source for each in imported(saved(tmp_path, [layer])).of("left")] == [
        "alpine",
        "/lib/apk/db/installed",
    ]


def bomb() -> bytes:
    return gzip.compress(tar({"var/lib/dpkg/status": bytes(65 << 20)}))


@pytest.mark.parametrize(
    ("layer", "identifier"),
    [
        (WHOLE[0][:700], "archive-truncated"),
        (gzip.compress(WHOLE[0])[:-20], "archive-truncated"),
        (bomb(), "archive-bomb"),
        (b"\0" * 100 + b"no tar", "archive-truncated"),
    ],
)
def test_damaged_and_hostile_layers_are_refused(tmp_path: Path, layer: bytes, identifier: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        imported(saved(tmp_path, [layer]))
    assert caught.value.reference == identifier


def test_a_layer_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar({"manifest.json": '[{"Config": "c", "Layers": ["gone"]}]', "c": "{}"}))
    with pytest.raises(ArchiveError) as caught:
        imported(path)
    assert (caught.value.reference, caught.value.where) == ("archive-truncated", f"{path}: gone")


@pytest.mark.parametrize(
    "data",
    [b"", b"no tar at all", tar({"x": "y"}), tar({"manifest.json": "[]"}), tar({"manifest.json": "{"}),
     tar({"index.json": '{"manifests": []}'}), gzip.compress(WHOLE[0])],
)  # fmt: skip
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "image.tar").write_bytes(data)
    with pytest.raises(ManifestError, match="import-no-image"):
        imported(tmp_path / "image.tar")


def test_names_that_climb_reach_nothing(tmp_path: Path) -> None:
    layer = tar({"../var/lib/dpkg/status": STATUS, "/var/lib/dpkg/status": STATUS, "a/../var/lib/dpkg/status": STATUS})
    assert installs(saved(tmp_path, [layer])) == {}


values = st.none() | st.text(max_size=8) | st.lists(st.text(max_size=8), max_size=3)
keys = st.sampled_from(["Env", "Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Labels", "Healthcheck"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(keys, values | st.dictionaries(st.text(max_size=5), values, max_size=2)), st.text(max_size=80))
def test_any_configuration_and_database_give_a_valid_manifest_or_an_error_of_ours(
    tmp_path: Path, config: dict[str, Any], status: str
) -> None:
    layer = tar({"var/lib/dpkg/status": f"Package: {status}\nVersion: {status}\n", "etc/os-release": f"ID={status}"})
    try:
        found = imported(saved(tmp_path, [layer], {"config": config}))
    except BreakbulkError:
        return
    parse_manifest(found.text, "m")
