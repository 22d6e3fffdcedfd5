"""Versions of one name."""

from __future__ import annotations

from breakbulk.ecosystems.pypi.lookup import newest_versions
from breakbulk.ecosystems.pypi.simple_api import ProjectFile


def test_versions_are_sorted_as_versions_are() -> None:
    names = ["d-1.9-py3-none-any.whl", "d-1.10-py3-none-any.whl", "d-2.0a1-py3-none-any.whl", "d-3.tar.gz", "x.whl"]
    assert newest_versions(ProjectFile(name, "") for name in names) == ("1.10", "1.9")
    assert newest_versions([ProjectFile("d-2.0a1-py3-none-any.whl", "")]) == ("2.0a1",)
