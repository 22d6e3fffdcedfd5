"""Keys, as somebody at a terminal makes, trusts, replaces and revokes them."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changes import ENVIRONMENT, push

from breakbulk.hub.hub import Hub

Call = Callable[..., Any]


@pytest.fixture
def configuration(variables: dict[str, str]) -> Path:
    return Path(variables["BREAKBULK_CONFIGURATION"])


@pytest.fixture
def node(tmp_path: Path) -> dict[str, str]:
    """Variables of another machine, which requires signatures."""
    return {
        "BREAKBULK_CONFIGURATION": str(tmp_path / "node"),
        "BREAKBULK_STORE": str(tmp_path / "node-store"),
        "BREAKBULK_REQUIRE_SIGNATURES": "1",
    }


def test_a_key_is_made_once_and_shown(call: Call, configuration: Path) -> None:
    assert call("key", "list").out == "no keys; `key new` makes one\n"
    document = call("key", "new", "ada", "--json").document
    assert document["public_file"] == str(configuration / "keys" / "ada.pub")
    (listed,) = call("key", "list", "--json").document["keys"]
    assert (listed["name"], listed["key"], listed["own"], listed["status"]) == (
        "ada",
        document["key"],
        True,
        "believed",
    )
    assert call("key", "new", "ada").code == 2
    assert document["key"][:16] in call("key", "list").out


def test_nothing_of_a_private_key_is_ever_shown(call: Call, configuration: Path) -> None:
    outcomes = [call("key", "new", "ada"), call("key", "list", "--json"), call("key", "rotate", "ada", "--json")]
    for path in configuration.rglob("*.pem"):
        secret = path.read_text().splitlines()[1]
        assert not any(secret[20:] in outcome.out + outcome.err for outcome in outcomes)


def test_a_machine_that_trusts_the_key_verifies_what_it_signs(
    call: Call, hub: Hub, configuration: Path, node: dict[str, str]
) -> None:
    push(hub, "1")
    push(hub, "2")
    call("key", "new", "ada")
    public = configuration / "keys" / "ada.pub"
    refused = call("switch", ENVIRONMENT, "1")
    assert refused.code == 69
    assert "error[signature-missing]" in refused.err
    assert "your signature would vouch for what it says" in refused.err
    assert call("switch", ENVIRONMENT, "1", "--no-sign").code == 0
    assert call("verify", ENVIRONMENT, **node).code == 69
    outcome = call("key", "trust", public, "--owner", "ada", **node)
    assert (outcome.code, "believed for ada: ada" in outcome.out) == (0, True)
    assert call("key", "trust", public, "--owner", "team-*", "--json", **node).document["owners"] == ["ada", "team-*"]


def test_a_public_key_comes_by_a_pipe_as_well(
    process: Call, call: Call, configuration: Path, node: dict[str, str], variables: dict[str, str]
) -> None:
    call("key", "new", "ada")
    read, write = os.pipe()
    os.write(write, (configuration / "keys" / "ada.pub").read_bytes())
    os.close(write)
    finished = subprocess.run(
        [sys.executable, "-m", "breakbulk", "key", "trust", "-", "--owner", "*", "--name", "ada"],
        stdin=read,
        env=variables | node,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(read)
    assert finished.returncode == 0, finished.stderr
    assert call("key", "list", "--json", **node).document["keys"][0]["owners"] == ["*"]


@pytest.mark.parametrize("content", ["-----BEGIN PUBLIC KEY-----\nMCow", ""])
def test_what_is_no_public_key_is_refused(call: Call, tmp_path: Path, content: str) -> None:
    path = tmp_path / "ada.pub"
    path.write_text(content)
    outcome = call("key", "trust", path, "--owner", "ada")
    assert (outcome.code, "error[key-damaged]" in outcome.err) == (69, True)


def test_what_names_no_owners_is_refused(call: Call, configuration: Path) -> None:
    call("key", "new", "ada")
    outcome = call("key", "trust", configuration / "keys" / "ada.pub", "--owner", "a*b")
    assert (outcome.code, "error[owner-pattern-invalid]" in outcome.err) == (2, True)


def test_a_key_is_replaced_and_both_are_shown(call: Call, hub: Hub) -> None:
    push(hub)
    old = call("key", "new", "ada", "--json").document["key"]
    document = call("key", "rotate", "ada", "--json").document
    assert (document["old"], document["environments"]) == (old, 1)
    keys = {key["name"]: key for key in call("key", "list", "--json").document["keys"]}
    assert keys["ada"]["key"] == document["key"]
    assert (keys[f"ada-{old[:8]}"]["status"], keys[f"ada-{old[:8]}"]["successor"]) == ("retired", document["key"])


def test_others_learn_of_a_successor_and_of_a_revocation(
    call: Call, hub: Hub, configuration: Path, node: dict[str, str]
) -> None:
    push(hub)
    old = call("key", "new", "ada", "--json").document["key"]
    call("key", "trust", configuration / "keys" / "ada.pub", "--owner", "ada", **node)
    call("key", "rotate", "ada")
    call("verify", ENVIRONMENT, **node)
    outcome = call("key", "revoke", old[:8], "--message", "laptop stolen")
    assert (outcome.code, f"revoked here and on {hub.url}: ada-{old[:8]}" in outcome.out) == (0, True)
    keys = call("key", "list", "--json").document["keys"]
    assert {key["key"]: (key["status"], key["reason"]) for key in keys}[old] == ("revoked", "laptop stolen")


def test_a_key_is_revoked_here_only(call: Call, hub: Hub, configuration: Path) -> None:
    call("key", "new", "ada")
    document = call("key", "revoke", "ada", "--here", "--json").document
    assert document["published"] is False
    assert list(hub.objects.list("keys/")) == []
    assert call("key", "revoke", "nobody").code == 72


def test_a_passphrase_is_asked_for_on_a_terminal_and_not_shown(
    spawn: Call, call: Call, configuration: Path, hub: Hub
) -> None:
    main, other = pty.openpty()
    started = spawn(
        "key", "new", "ada", "--passphrase", stdin=other, stdout=other, stderr=other, start_new_session=True
    )
    os.close(other)
    shown = b""
    for question in (b"new passphrase for the key ada", b"epeat"):
        while question not in shown:
            shown += os.read(main, 1000)
        os.write(main, b"a word\n")
    assert started.wait(timeout=60) == 0
    os.close(main)
    assert b"a word" not in shown
    assert "ENCRYPTED" in (configuration / "keys" / "ada.pem").read_text()
    push(hub, "1")
    push(hub, "2")
    assert "error[passphrase-missing]" in call("rollback", ENVIRONMENT).err


def test_a_hub_that_requires_signatures_takes_no_others(call: Call, hub: Hub) -> None:
    push(hub, "1")
    push(hub, "2")
    assert call("hub", "policy").out == f"{hub.url} takes changes that are not signed\n"
    assert call("hub", "policy", "--require-signatures", "--json").document["require_signatures"] is True
    outcome = call("rollback", ENVIRONMENT)
    assert outcome.code == 78
    assert "error[hub-requires-signatures]" in outcome.err
    assert "breakbulk key new NAME" in outcome.err
    call("hub", "policy", "--allow-unsigned")
    assert call("rollback", ENVIRONMENT).code == 0


def test_several_keys_and_no_choice_is_told(call: Call, hub: Hub) -> None:
    push(hub, "1")
    push(hub, "2")
    call("key", "new", "ada")
    call("key", "new", "work")
    outcome = call("rollback", ENVIRONMENT)
    assert (outcome.code, "not signed: you have the keys ada, work" in outcome.err) == (0, True)
    assert call("switch", ENVIRONMENT, "2", "--sign", "home").code == 72
    assert call("switch", ENVIRONMENT, "2", "--sign", "ada", "--no-sign").code == 2


def test_a_file_that_is_not_there_is_no_key(call: Call, tmp_path: Path) -> None:
    outcome = call("key", "trust", tmp_path / "none.pub", "--owner", "ada")
    assert (outcome.code, outcome.err.startswith("error[usage]")) == (2, True)
