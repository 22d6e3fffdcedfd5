"""The description of the service is true: schemathesis tries it against a running one and finds no fault."""

import subprocess
import sys
from pathlib import Path

import pytest
from changes import push
from places import Dictionary
from serving import Served

from breakbulk.hub.hub import Hub


def test_everything_is_described(served: Served) -> None:
    described = served.ask("GET", "/v1/openapi.json", served.token()[1]).json()
    assert {"/v1/objects/{key}", "/v1/environments", "/v1/packages", "/v1/events", "/v1/audit"} <= set(
        described["paths"]
    )
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            if not path.startswith("/health"):
                assert operation["security"] == [{"token": []}], path
                assert "application/problem+json" in operation["responses"]["429"]["content"], path


@pytest.mark.integration
def test_schemathesis_finds_no_fault(served: Served, place: Dictionary, tmp_path: Path) -> None:
    hub = Hub(place)
    push(hub, "1"), push(hub, "2")
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{served.url}/v1/openapi.json"]
    command += ["--header", f"Authorization: Bearer {served.token()[1]}", "--checks", "all", "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--request-timeout", "10"]
    command += ["--exclude-path", "/v1/events"]  # it never ends
    tried = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert tried.returncode == 0, tried.stdout
