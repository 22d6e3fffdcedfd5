"""The image of the daemon set: exported as the page on nodes says, brought to a node, started there."""

import json
import subprocess
from pathlib import Path

import pytest

from breakbulk.node.installing.hosting import Container, bring_along

from .conftest import EXAMPLES

pytestmark = pytest.mark.integration


def unpacked(archive: Path, directory: Path) -> Path:
    """Return the root file system of an image, unpacked."""
    blobs, root = directory / "image", directory / "root"
    for each in (blobs, root):
        each.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", blobs], check=True)

    def document(digest: str) -> dict:
        return json.loads((blobs / "blobs" / digest.replace(":", "/")).read_text())

    manifest = document(json.loads((blobs / "index.json").read_text())["manifests"][0]["digest"])
    for layer in manifest["layers"]:
        blob = blobs / "blobs" / layer["digest"].replace(":", "/")
        subprocess.run(["tar", "-xf", blob, "-C", root, "--keep-directory-symlink"], check=True)
    return root


def test_the_program_runs_on_a_node_that_has_nothing_of_it(example, tmp_path: Path) -> None:
    image = example("node-image")
    manifest = image.directory / "breakbulk.toml"
    manifest.write_text(manifest.read_text().replace('"../.."', f'"{EXAMPLES.parent}"'))
    image("realise")
    image("export", ".", "--oci", str(tmp_path / "image.tar"))
    container = Container(
        root=unpacked(tmp_path / "image.tar", tmp_path), python="/usr/bin/python3.11", node=Path("/nowhere")
    )
    host = tmp_path / "host"
    (host / "opt").mkdir(parents=True)
    python = bring_along(container, host)
    shell = f"mount --bind '{host}/opt' /opt && exec {python} -m breakbulk node --help"
    told = subprocess.run(["unshare", "--mount", "sh", "-c", shell], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "breakbulk node install" in told.stdout
