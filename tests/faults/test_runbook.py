import re
from pathlib import Path

from fault_world import documented_errors

RUNBOOK = Path(__file__).parents[2] / "docs/faults.md"
TESTS = Path(__file__).parents[1]


def test_identifiers_exit_codes_and_tests_are_those_that_there_are() -> None:
    codes = documented_errors()
    rows = [line.split(" | ") for line in RUNBOOK.read_text().splitlines() if line.startswith("| ")]
    cells = [row for row in rows if row[2].strip().isdecimal()]
    assert len(cells) > 25
    for _, identifiers, code, *_, shown in cells:
        for identifier in re.findall(r"`([a-z-]+)`", identifiers):
            assert codes[identifier] == int(code), identifier
        for place in re.findall(r"`([a-z_/]+)", shown):
            path = TESTS / (place if "/" in place else f"faults/{place}")
            assert path.is_dir() or path.with_suffix(".py").is_file(), place
