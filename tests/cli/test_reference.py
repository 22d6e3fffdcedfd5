"""The reference is what the code says: pages that are out of date, and errors that nobody can look up, fail here."""

import subprocess
import sys
from collections import defaultdict
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

import breakbulk
from breakbulk.errors import BreakbulkError

ROOT = Path(__file__).parents[2]
SOURCES = sorted(Path(breakbulk.__path__[0]).rglob("*.py"))


def load(name: str) -> ModuleType:
    """Load a module of `tools`, which is no package."""
    if name not in sys.modules:
        spec = spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


IDENTIFIERS = load("error_identifiers")
REFERENCE = load("reference")


def test_the_reference_is_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_every_class_of_errors_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    waiting = BreakbulkError.__subclasses__()
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        if error.__name__.startswith("_"):
            continue
        assert f"## {error.exit_code}: {error.__name__}" in page
        assert f"| `{error.identifier}` |" in page


def test_one_identifier_has_one_exit_code() -> None:
    codes = {error.__name__: error.exit_code for error in REFERENCE.error_classes(SOURCES)}
    found = defaultdict(set)
    for use in IDENTIFIERS.find_uses(SOURCES, codes):
        if use.identifier:
            found[use.identifier].add(codes[use.error])
    assert {name: several for name, several in found.items() if len(several) > 1} == {}


def test_identifiers_are_words_in_kebab_case() -> None:
    uses = IDENTIFIERS.find_uses(SOURCES, IDENTIFIERS.find_classes(SOURCES, "BreakbulkError"))
    assert [use.identifier for use in uses if use.identifier != use.identifier.lower().replace("_", "-")] == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(
        '''
_DAMAGED = "damaged"

class NewError(BreakbulkError):
    """A new one."""

def refusal(message: str, identifier: str) -> NewError:
    return NewError(message, identifier=identifier)

def fail(name):
    first, second = "text", "unpacked"
    raise NewError(f"cannot read {name}", identifier="plain", hint="read it")
    raise refusal("damaged file", _DAMAGED)
    raise refusal("this", "one" if name else "other")
    raise NewError(first, identifier=second)
    raise Fault(("a",), "is wrong", identifier="in-a-fault")
'''
    )
    return path


def test_identifiers_are_found_however_they_are_passed(source: Path) -> None:
    classes = IDENTIFIERS.find_classes([*SOURCES, source], "BreakbulkError")
    assert classes["NewError"] == source
    uses = {use.identifier: use for use in IDENTIFIERS.find_uses([source], [*classes])}
    assert {name for name in uses if name} == {"plain", "damaged", "one", "other", "unpacked", "in-a-fault"}
    assert (uses["plain"].what, uses["plain"].hint) == ("cannot read …", "read it")
    assert uses["in-a-fault"].error == "ManifestError"
