"""A Debian package becomes a tree: its files where a merged-/usr system has them, and the facts its scripts act on.

Maintainer scripts are read and not run; what they say is evaluated when the base package is made. The control paragraph
must be that of the package in the lock. Formats: deb(5), deb-control(5).
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from breakbulk.ecosystems.deb.members import Part, control_and_data
from breakbulk.ecosystems.deb.merged_usr import MergedUsr
from breakbulk.ecosystems.deb.stanzas import parse_paragraph
from breakbulk.ecosystems.extraction import DEBIAN, extract_tar, read_members, refusal
from breakbulk.ecosystems.interface import Content, DebFacts, Unpacked
from breakbulk.errors import IntegrityError
from breakbulk.lock.model import Package, Python

__all__ = ["unpack_deb"]

_CONTROL_LIMIT_BYTES = 64 << 20  # the largest known control archives list files of 100,000 paths, 10 MiB
_SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm", "triggers", "conffiles", "templates")
_FILE_NAME = re.compile(r"_([a-z0-9-]+)\.u?deb$")


def unpack_deb(archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
    """Unpack a verified Debian package into the empty directory `into`.

    Modes, modification times, hard and symbolic links are kept; as root also static owners, setuid programs and file
    capabilities. When `package.python` is set, the sources that this Python imports are named in `bytecode`.

    Raises:
        ArchiveError: It holds what must not be unpacked, or is no Debian package.
        IntegrityError: `deb-identity`: it is another package than the lock says.

    """
    name = PurePosixPath(package.file).name
    with archive.open("rb") as file:
        control, data = control_and_data(file, name)
        facts = _facts(control, name)
        _check_identity(facts, package, name)
        content = extract_tar(data, into, archive=name, packed_bytes=data.size, rules=DEBIAN, placement=MergedUsr())
    return Unpacked(content=content, deb=facts, bytecode=_sources(content, package, python))


def _facts(control: Part, archive: str) -> DebFacts:
    members = read_members(control, archive=archive, limit_bytes=_CONTROL_LIMIT_BYTES, rules=DEBIAN)
    # Policy 5.1 asks for UTF-8; old scripts hold other encodings in comments.
    texts = {name: text.decode("utf-8", "replace") for name, text in members.items()}
    if "control" not in texts:
        raise refusal("the Debian package has no control paragraph", identifier="archive-unsupported", archive=archive)
    return DebFacts(
        control=texts["control"],
        scripts={name: texts[name] for name in _SCRIPTS if name in texts},
        md5sums=texts.get("md5sums", ""),
    )


def _check_identity(facts: DebFacts, package: Package, archive: str) -> None:
    fields = parse_paragraph(facts.control)
    locked = {"package": package.name, "version": package.version}
    if architecture := _FILE_NAME.search(archive):
        locked["architecture"] = architecture[1]
    found = {name: fields.get(name, "").strip() for name in locked}
    if found != locked:
        raise IntegrityError(
            "the Debian package is another one than the lock says",
            identifier="deb-identity",
            where=archive,
            why=f"the lock says {_words(locked)}, the package {_words(found)}",
            hint="run `breakbulk lock --upgrade` if the mirror is yours, else do not use this mirror",
        )


def _words(fields: dict[str, str]) -> str:
    return " ".join(value or f"(no {name})" for name, value in fields.items())


def _sources(content: Content, package: Package, python: Python | None) -> tuple[str, ...]:
    """Return the Python sources that the locked Python finds: Debian compiles them at installation, ships none."""
    if package.python is None or python is None:
        return ()
    places = ("usr/lib/python3/", f"usr/lib/python{python.version}/")
    return tuple(
        path
        for path, entry in content.items()
        if path.endswith(".py") and path.startswith(places) and entry.kind == "file"
    )
