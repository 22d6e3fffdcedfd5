"""Rules of single installs; most are tested where manifests are read."""

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from breakbulk.manifest.install_rules import _PLAIN_REQUIREMENT, _PLAIN_VERSIONS


@given(st.from_regex(_PLAIN_REQUIREMENT, fullmatch=True))
def test_what_is_taken_as_a_plain_requirement_is_one(text: str) -> None:
    match = _PLAIN_REQUIREMENT.fullmatch(text)
    assert match
    assert bool(Requirement(text).specifier) == bool(match["ranges"])


@given(st.from_regex(_PLAIN_VERSIONS, fullmatch=True))
def test_what_is_taken_as_plain_versions_is_a_version_or_a_specifier(text: str) -> None:
    if text[0].isdigit():
        Version(text)
    else:
        SpecifierSet(text)
