"""Manifests of the ticket-processor say what program and nodes understand; `make demo-kubernetes` runs them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from breakbulk.images.stub import STUB_NAMES
from breakbulk.node.annotations import PodAnnotations

EXAMPLES = Path(__file__).parents[2] / "examples"
OBJECTS = [
    found
    for path in sorted((EXAMPLES / "kubernetes-ticket-processor").glob("*.yaml"))
    for found in yaml.safe_load_all(path.read_text())
]


def templates() -> Iterator[dict[str, Any]]:
    yield from (each["spec"]["template"] for each in OBJECTS if "template" in each.get("spec", {}))


def test_every_pod_is_imageless() -> None:
    found = list(templates())
    assert len(found) == 3
    for template in found:
        assert template["spec"]["runtimeClassName"] == "breakbulk"
        for container in template["spec"]["containers"]:
            assert container["image"] in STUB_NAMES
            assert PodAnnotations(template["metadata"]["annotations"]).reference(container["name"])


def test_every_variable_is_one_that_the_program_reads() -> None:
    """Guides set others, which nobody ever read."""
    source = (EXAMPLES / "ticket-processor" / "src" / "ticket_processor" / "configuration.py").read_text()
    read = set(re.findall(r'environment(?:\.get\(|, )"([A-Z0-9_]+)"', source))
    assert len(read) == 8
    (configuration,) = [each for each in OBJECTS if each["kind"] == "ConfigMap"]
    assert set(configuration["data"]) <= read


def test_commands_are_programs_of_the_environment() -> None:
    project = (EXAMPLES / "ticket-processor" / "pyproject.toml").read_text()
    commands = {container["command"][0] for template in templates() for container in template["spec"]["containers"]}
    assert commands == {"moto_server", "ticket-processor", "ticket-generator"}
    assert all(f"{command} = " in project for command in commands - {"moto_server"})
