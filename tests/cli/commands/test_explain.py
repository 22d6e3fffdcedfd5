from collections.abc import Callable
from pathlib import Path
from typing import Any

from breakbulk.cli.commands.explain import chains

Call = Callable[..., Any]


def test_the_shortest_way_from_each_reason_is_found(package: Call) -> None:
    packages = {
        found.id: found
        for found in (
            package("git", why=("install.git",)),
            package("curl", why=("deb:git", "install.curl")),
            package("ssl", why=("deb:curl", "deb:git", "deb:loop", "base")),
            package("loop", why=("deb:ssl",)),
        )
    }
    assert chains("deb:ssl", packages) == [
        ("base", "deb:ssl"),
        ("install.curl", "deb:curl", "deb:ssl"),
        ("install.git", "deb:git", "deb:ssl"),
    ]


def test_a_package_is_explained(call: Call, locked: Call, package: Call) -> None:
    locked(
        '[install]\njq.deb = "jq"\n',
        package("jq", why=("install.jq",)),
        package("libc6", "2.36", why=("base", "deb:jq"), size=2_000_000, license="LGPL-2.1"),
    )
    outcome = call("explain", "libc6")
    assert outcome.out.splitlines() == [
        "deb:libc6 2.36, 2.0 MB, LGPL-2.1",
        "  base → deb:libc6   (every environment has it)",
        "  install.jq → deb:jq → deb:libc6",
    ]
    assert call("explain", "deb:libc6", "--json").document["packages"][0]["chains"][1] == [
        "install.jq",
        "deb:jq",
        "deb:libc6",
    ]


def test_an_unknown_package_has_the_nearest(call: Call, locked: Call, package: Call) -> None:
    locked('[install]\njq.deb = "jq"\n', package("libonig5", why=("install.jq",)))
    outcome = call("explain", "libonig")
    assert outcome.code == 72
    assert "error[package-not-locked]" in outcome.err
    assert "did you mean libonig5?" in outcome.err


def test_without_a_lock_there_is_nothing_to_explain(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text("")
    assert call("explain", "jq", "--json").document["error"] == "lock-missing"


def test_a_key_is_explained_with_its_places(call: Call, variables: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "stack"
    (project / "base").mkdir(parents=True)
    (project / "base" / "breakbulk.toml").write_text("[vars]\nPORT = '80'\n[hook]\non-activate = 'one'\n")
    (project / "breakbulk.toml").write_text(
        "include.environments = [{ dir = 'base' }]\n[vars]\nPORT = '81'\n[hook]\non-activate = 'two'\n"
    )
    outcome = call("explain", "vars.PORT", "-e", str(project))
    assert outcome.out.splitlines() == [
        "vars.PORT",
        f"  {project}/breakbulk.toml:3",
        "    81",
        f"  replaced base ({project}/base/breakbulk.toml:2)",
        "    80",
    ]
    listed = call("explain", "-e", str(project)).out.splitlines()
    assert listed[0].split() == ["KEY", "FROM"]
    assert any(line.startswith("hook.on-activate") and "base (" in line and " and " in line for line in listed)
    document = call("explain", "vars", "-e", str(project), "--json").document
    assert [(key["key"], key["replaced"][0]["value"]) for key in document["keys"]] == [("vars.PORT", "80")]


def test_strict_locking_refuses_silent_overrides(call: Call, variables: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "stack"
    (project / "base").mkdir(parents=True)
    (project / "base" / "breakbulk.toml").write_text("[vars]\nPORT = '80'\n")
    (project / "breakbulk.toml").write_text("include.environments = [{ dir = 'base' }]\n[vars]\nPORT = '81'\n")
    outcome = call("lock", "--strict", "-e", str(project))
    assert outcome.code == 65
    assert "error[override-not-allowed]" in outcome.err
    assert not (project / "breakbulk.lock").exists()
