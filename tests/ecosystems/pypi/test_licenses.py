"""Licences of distributions, in SPDX where that can be said."""

from __future__ import annotations

import pytest

from breakbulk.ecosystems.pypi.licenses import license_of
from breakbulk.ecosystems.pypi.metadata import parse_metadata


@pytest.mark.parametrize(
    ("expression", "classifiers", "words", "found"),
    [
        ("mit or apache-2.0", [], "", "MIT OR Apache-2.0"),
        ("Not SPDX at all", [], "", "Not SPDX at all"),
        (None, ["License :: OSI Approved :: MIT License"], "whatever", "MIT"),
        (None, ["License :: OSI Approved :: BSD License"], "BSD-3-Clause", "BSD-3-Clause"),
        (None, ["License :: OSI Approved :: BSD License"], "long text " * 50, "BSD License"),
        (None, ["License :: OSI Approved"], "mit", "MIT"),
        (None, [], "Custom terms", "Custom terms"),
        (None, [], "very long " * 50, None),
        (None, [], "", None),
        (
            None,
            ["License :: OSI Approved :: BSD License", "License :: OSI Approved :: Apache Software License"],
            "Dual License",
            "Apache-2.0; BSD License",
        ),
    ],
)
def test_spdx_where_it_can_be_said(
    expression: str | None, classifiers: list[str], words: str, found: str | None
) -> None:
    assert license_of(expression=expression, classifiers=classifiers, words=words) == found


def test_metadata_name_needs_and_licence() -> None:
    text = "Name: demo\nRequires-Dist: a>=1\nRequires-Dist: b ; extra == 'x'\nLicense: MIT\n\nRequires-Dist: body\n"
    metadata = parse_metadata(text)
    assert (metadata.requires, metadata.license) == (("a>=1", "b ; extra == 'x'"), "MIT")
