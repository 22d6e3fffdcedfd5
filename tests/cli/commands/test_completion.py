import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]


def offered(call: Call, words: str) -> list[str]:
    """Return what bash is offered for the last word of a command line."""
    parts = words.split(" ")
    outcome = call(_BREAKBULK_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(parts) - 1))
    return [line.split(",", 1)[1] for line in outcome.out.splitlines() if line]


def test_commands_and_options_are_completed(call: Call) -> None:
    assert offered(call, "breakbulk inst") == ["install"]
    assert "--upgrade" in offered(call, "breakbulk lock --")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("breakbulk uninstall ", ["git", "jq"]),
        ("breakbulk uninstall git j", ["jq"]),
        ("breakbulk uninstall git ", ["jq"]),
        ("breakbulk lock --upgrade lib", ["libc6"]),
        ("breakbulk explain lib", ["libc6"]),
        ("breakbulk run --service po", ["postgres"]),
        ("breakbulk shell -s ", ["postgres", "redis"]),
        ("breakbulk services stop re", ["redis"]),
        ("breakbulk install py", ["pypi:"]),
    ],
)
def test_names_of_the_environment_are_completed(
    call: Call, locked: Call, package: Call, words: str, names: list[str]
) -> None:
    text = '[install]\ngit.deb = "git"\njq.deb = "jq"\n[services]\npostgres.command = "x"\nredis.command = "y"\n'
    locked(text, package("git", why=("install.git",)), package("libc6", why=("deb:git",)))
    assert offered(call, words) == names


def test_another_environment_is_completed(call: Call, locked: Call, tmp_path: Any) -> None:
    locked('[install]\ngit.deb = "git"\n', directory=tmp_path / "other")
    assert offered(call, f"breakbulk uninstall -e {tmp_path / 'other'} ") == ["git"]


def test_a_broken_manifest_completes_nothing_and_is_silent(call: Call, project: Any) -> None:
    (project / "breakbulk.toml").write_text("[install\n")
    assert offered(call, "breakbulk uninstall ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_code_for_a_shell_is_printed(call: Call, shell: str) -> None:
    outcome = call("completion", shell)
    assert "_BREAKBULK_COMPLETE" in outcome.out
    assert call("completion", shell, "--json").document == {"shell": shell, "script": outcome.out}


def test_bash_accepts_the_code(call: Call) -> None:
    bash = shutil.which("bash")
    assert bash
    subprocess.run([bash, "-n"], input=call("completion", "bash").out, text=True, check=True)
