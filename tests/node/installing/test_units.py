"""The unit of the agent: systemd accepts it, and the agent reads its own words back."""

import os
import shlex
import subprocess
from pathlib import Path

import click
import msgspec
import pytest

from breakbulk.cli.commands.node.agent import command as agent_command
from breakbulk.node.installing.units import AgentService, agent_arguments, agent_unit, handed_on
from breakbulk.node.place import NodePlace
from breakbulk.settings import Settings

PLACE = NodePlace(
    name="node-1",
    state=Path("/var/lib/breakbulk"),
    store=Path("/var/lib/breakbulk"),
    run=Path("/run/breakbulk"),
    runtime=Path("/usr/local/bin/breakbulk-runtime"),
    runc=Path("/usr/sbin/runc"),
    containerd_config=Path("/etc/containerd/config.toml"),
    containerd=Path("/usr/bin/containerd"),
    containerd_socket=Path("/run/containerd/containerd.sock"),
)
SERVICE = AgentService(
    python="/usr/bin/env",  # systemd-analyze wants a program that exists
    kubeconfig=Path("/etc/kubernetes/kubelet.conf"),
    configuration=Path("/etc/breakbulk"),
    cache=Path("/var/cache/breakbulk"),
    variables={"BREAKBULK_HUB": "s3://team"},
)


def lines_of(text: str, key: str) -> list[str]:
    return [line.removeprefix(f"{key}=") for line in text.splitlines() if line.startswith(f"{key}=")]


def test_systemd_has_nothing_against_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "breakbulk-agent.service"
    unit.write_text(agent_unit(PLACE, SERVICE))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_agent_takes_every_path_from_its_unit() -> None:
    words = shlex.split(lines_of(agent_unit(PLACE, SERVICE), "ExecStart")[0])
    assert words[:5] == ["/usr/bin/env", "-m", "breakbulk", "node", "agent"]
    given = agent_command.make_context("agent", words[5:]).params
    assert {name: given[name] for name in PLACE.__struct_fields__} == msgspec.structs.asdict(PLACE)
    assert given["kubeconfig"] == SERVICE.kubeconfig


@pytest.mark.parametrize("name", ["a b", 'quo"te', "per%cent", "dol$lar", "back\\slash", "semi;colon"])
def test_odd_paths_reach_the_agent_unchanged(name: str) -> None:
    place = msgspec.structs.replace(PLACE, run=Path("/srv") / name)
    line = lines_of(agent_unit(place, SERVICE), "ExecStart")[0]
    unescaped = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]
    assert unescaped[5 : 5 + len(agent_arguments(place))] == agent_arguments(place)


def test_secrets_stay_out_of_the_unit() -> None:
    settings = Settings.load(
        {**os.environ, "BREAKBULK_HUB": "s3://team", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "BREAKBULK_TOKEN": "s3cr3t"}
    )
    text = agent_unit(PLACE, msgspec.structs.replace(SERVICE, variables=handed_on(settings)))
    assert "s3cr3t" not in text
    assert "Environment=BREAKBULK_HUB=s3://team" in text
    assert "EnvironmentFile=-/etc/breakbulk/agent.env" in text


def test_the_agent_may_write_where_its_work_is_and_nowhere_else() -> None:
    text = agent_unit(PLACE, SERVICE)
    assert lines_of(text, "ProtectSystem") == ["strict"]
    assert lines_of(text, "ReadWritePaths") == ["-/var/lib/breakbulk", "-/var/cache/breakbulk"]
    assert lines_of(text, "RuntimeDirectory") == ["breakbulk"]
    assert lines_of(text, "NoNewPrivileges") == ["yes"]
    assert "CAP_SYS_MODULE" not in text


def test_a_run_directory_elsewhere_is_made_writable() -> None:
    text = agent_unit(msgspec.structs.replace(PLACE, run=Path("/srv/node/run")), SERVICE)
    assert "-/srv/node/run" in lines_of(text, "ReadWritePaths")
    assert not lines_of(text, "RuntimeDirectory")


def test_a_program_in_a_home_directory_can_be_read() -> None:
    at_home = msgspec.structs.replace(SERVICE, python="/home/kim/.venv/bin/python")
    assert lines_of(agent_unit(PLACE, SERVICE), "ProtectHome") == ["yes"]
    assert lines_of(agent_unit(PLACE, at_home), "ProtectHome") == ["read-only"]


def test_every_option_of_the_agent_has_words_of_help() -> None:
    assert all(option.help for option in agent_command.params if isinstance(option, click.Option))
