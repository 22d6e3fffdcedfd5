"""dpkg's database, so that `dpkg -l`, `dpkg -S`, `dpkg -V` and scanners of images see what is installed.

`status` has a paragraph per package (deb-control(5), dpkg-query(1)); `status.d/NAME` the same paragraph, where scanners
look in images without dpkg; `info/NAME.list` and `.md5sums` the files. Paths are those of the merged-/usr tree.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from breakbulk.ecosystems.interface import DebFacts
    from breakbulk.store.base.additions import Additions
    from breakbulk.store.base.facts import Facts, Member

__all__ = ["add_databases", "status_paragraph"]

_DIRECTORY = "var/lib/dpkg"
_PACKAGE_LINE = re.compile(r"^Package:.*\n", re.MULTILINE)
_FIELD = re.compile(r"^(Architecture|Multi-Arch):[ \t]*(\S+)", re.MULTILINE)
_KEPT_SCRIPTS = ("conffiles", "shlibs", "symbols", "triggers")


def add_databases(facts: Facts, additions: Additions) -> None:
    """Add dpkg's files for every Debian package of the environment."""
    if not facts.debs:
        return
    paragraphs = []
    for member, deb in facts.debs:
        paragraph = status_paragraph(deb, _conffiles(member, deb))
        paragraphs.append(paragraph)
        additions.file(f"{_DIRECTORY}/status.d/{member.name}", paragraph)
        _add_info(member, deb, additions)
    additions.file(f"{_DIRECTORY}/status", "\n".join(paragraphs))
    additions.file(f"{_DIRECTORY}/available", "")
    additions.file(f"{_DIRECTORY}/info/format", "1\n")


def status_paragraph(deb: DebFacts, conffiles: str = "") -> str:
    """Return a package's paragraph of the status file: its control paragraph, its state, its configuration files."""
    control = "".join(f"{line}\n" for line in deb.control.strip().splitlines())
    with_state = _PACKAGE_LINE.sub(lambda line: f"{line.group()}Status: install ok installed\n", control, count=1)
    return f"{with_state}{conffiles}"


def _conffiles(member: Member, deb: DebFacts) -> str:
    """Return the field Conffiles: each path with the MD5 of the packaged file, which `dpkg -V` compares."""
    lines = []
    for line in deb.scripts.get("conffiles", "").splitlines():
        path = line.strip().split(" ")[-1]
        entry = member.content.get(path.lstrip("/"))
        if entry and entry.kind == "file":
            content = (member.tree / path.lstrip("/")).read_bytes()
            lines.append(f" {path} {hashlib.md5(content, usedforsecurity=False).hexdigest()}\n")
    return f"Conffiles:\n{''.join(lines)}" if lines else ""


def _add_info(member: Member, deb: DebFacts, additions: Additions) -> None:
    fields = {match.group(1): match.group(2) for match in _FIELD.finditer(deb.control)}
    same = fields.get("Multi-Arch") == "same"
    stem = f"{member.name}:{fields.get('Architecture', '')}" if same else member.name
    listed = "".join(f"/{path}\n" for path in sorted(member.content))
    additions.file(f"{_DIRECTORY}/info/{stem}.list", f"/.\n{listed}")
    if deb.md5sums:
        additions.file(f"{_DIRECTORY}/info/{stem}.md5sums", deb.md5sums)
    for name in _KEPT_SCRIPTS:
        if name in deb.scripts:
            additions.file(f"{_DIRECTORY}/info/{stem}.{name}", deb.scripts[name])
