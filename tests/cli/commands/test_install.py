import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
MAC_ONLY = '# mine\n[install]  # what it needs\n[options]\nbase = "none"\nsystems = ["aarch64-darwin"]\n'


def test_nothing_is_changed_when_it_cannot_be_locked(call: Call, project: Path) -> None:
    manifest = project / "breakbulk.toml"
    manifest.write_text(MAC_ONLY)
    outcome = call("install", "deb:jq")
    assert outcome.code == 65
    assert outcome.err.splitlines()[:2] == [
        "breakbulk.toml is as it was",
        "error[no-linux-system]: options.systems holds no Linux system, only aarch64-darwin",
    ]
    assert manifest.read_text() == MAC_ONLY
    assert [path.name for path in project.iterdir()] == ["breakbulk.toml"]
    assert call("install", "deb:jq", "--json").document["error"] == "no-linux-system"


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("jq",), "ecosystem-missing"),
        (("npm:jq",), "ecosystem-unknown"),
        (("https://example.org/a.tar.gz",), "digest-missing"),
        (("--id", "x", "deb:jq", "deb:git"), "usage"),
        (("--id", "../x", "deb:jq"), "manifest-invalid"),
    ],
)
def test_what_is_no_package_is_refused_before_anything_else(
    call: Call, project: Path, argv: tuple[str, ...], error: str
) -> None:
    (project / "breakbulk.toml").write_text("")
    outcome = call("install", "--json", *argv)
    assert outcome.document["error"] == error
    assert (project / "breakbulk.toml").read_text() == ""


def test_own_source_is_installed_and_removed(call: Call, project: Path) -> None:
    manifest = project / "breakbulk.toml"
    manifest.write_text('[options]\nbase = "none"\n')
    (project / "tool").mkdir()
    (project / "tool" / "run.sh").write_text("#!/bin/sh\n")
    installed = call("install", "./tool", "--json")
    assert installed.code == 0, installed.err
    assert installed.document["installed"] == ["tool"]
    assert [change["id"] for change in installed.document["difference"]["added"]] == ["source:tool"]
    assert "./tool" in manifest.read_text()
    lock = json.loads((project / "breakbulk.lock").read_text())
    assert all(system["packages"] for system in lock["systems"].values())
    listed = call("list")
    assert listed.out.splitlines()[1].startswith("tool")
    removed = call("uninstall", "tool")
    assert removed.code == 0
    assert removed.out.startswith("- source:tool")
    assert "tool" not in manifest.read_text()


def test_an_unknown_package_is_not_removed(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text('[install]\ngit.deb = "git"\n')
    outcome = call("uninstall", "gti", "--json")
    assert (outcome.code, outcome.document["error"]) == (72, "install-not-found")
    assert "git" in outcome.document["hint"]
