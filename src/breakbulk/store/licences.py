"""Licences that a Debian package of the store states in its `copyright` file.

No index of Debian names licences, so a lock cannot either; the files of a package do, where they are machine readable
(https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/, once DEP-5).
"""

from __future__ import annotations

import re
from pathlib import Path

from breakbulk.ecosystems.deb.stanzas import joined, paragraphs, parse_paragraph

__all__ = ["licences_in", "stated_licences"]

_FORMAT = re.compile(r"copyright-format/1|/dep-?5", re.IGNORECASE)


def stated_licences(tree: Path) -> tuple[str, ...]:
    """Return the licences that the files of a package are under, sorted; none where it does not say so to machines.

    A documentation directory that is a link to another package's is that package's to answer for.
    """
    root = tree.resolve()
    found: set[str] = set()
    for path in tree.glob("usr/share/doc/*/copyright"):
        whole = path.resolve()
        if whole.is_relative_to(root) and whole.is_file():  # an absolute link would lead to this machine's own file
            found |= set(licences_in(whole.read_text(encoding="utf-8", errors="replace")))
    return tuple(sorted(found))


def licences_in(text: str) -> tuple[str, ...]:
    """Return the short names, or expressions of them, in the paragraphs that speak of files, each once."""
    head, *others = map(parse_paragraph, paragraphs(text.replace("\r\n", "\n"))) if text.strip() else [{}]
    if not _FORMAT.search(head.get("format", head.get("format-specification", ""))):
        return ()
    stated = [head, *(paragraph for paragraph in others if "files" in paragraph)]
    names = (joined(paragraph.get("license", "").partition("\n")[0]) for paragraph in stated)
    return tuple(dict.fromkeys(name for name in names if name))
