"""One `Packages` index in a form that answers quickly: who is called X, who provides X.

An index of Debian has 60,000 paragraphs; reading them all takes seconds, and resolving touches a few hundred. So an
index is read once, when it is new, into an SQLite file that is opened in under a millisecond. The file is named by
the digest of the index it was made from, never changes, and holds only fields that resolving needs. Counterpart of
`universe`, which joins several indices, and of `archive`, which makes sure of the bytes handed in here.

Besides its paragraphs an index remembers the rank of every name: the position at which apt, reading the same bytes,
would have met it first. apt decides by it between providers that are otherwise equal.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from breakbulk.ecosystems.deb.stanzas import joined, paragraphs, parse_paragraph
from breakbulk.errors import IntegrityError, StoreError
from breakbulk.lock.replacing import half_made

__all__ = ["FORMAT", "Index", "Stanza", "compile_index", "is_intact"]

FORMAT = 1
"""Part of the file's name; raised when the layout below changes."""

_MENTIONING_FIELDS = (
    "pre-depends", "depends", "conflicts", "breaks", "recommends", "suggests", "replaces", "enhances", "provides",
)  # fmt: skip
_MENTION = re.compile(r"(?:^|[,|])\s*([A-Za-z0-9][A-Za-z0-9+._-]*)(:any)?")
_SCHEMA = """
CREATE TABLE stanzas (name TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE provides (name TEXT NOT NULL, owner TEXT NOT NULL);
CREATE TABLE ranks (name TEXT PRIMARY KEY, rank INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE summaries (name TEXT NOT NULL, version TEXT NOT NULL, summary TEXT NOT NULL);
CREATE TABLE essential (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_INDICES = """
CREATE INDEX stanzas_name ON stanzas (name);
CREATE INDEX provides_name ON provides (name);
"""


class Stanza(msgspec.Struct, frozen=True, array_like=True):
    """What resolving needs of one package's paragraph; relations as text (`relations` reads them)."""

    name: str
    version: str
    architecture: str
    filename: str
    size: int
    sha256: str
    multi_arch: str = ""
    priority: str = ""
    section: str = ""
    essential: bool = False
    important: bool = False
    pre_depends: str = ""
    depends: str = ""
    recommends: str = ""
    conflicts: str = ""
    breaks: str = ""
    provides: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stanza).decode


class Index:
    """Answers from one compiled index; of one thread, closed by `close` or at the end of a `with`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)

    def stanzas(self, name: str) -> list[Stanza]:
        """Return the packages of that name, in the order of the index."""
        rows = self._database.execute("SELECT body FROM stanzas WHERE name = ? ORDER BY rowid", (name,))
        return [_decode(body) for (body,) in rows]

    def providers(self, name: str) -> list[str]:
        """Return the names of the packages that provide `name` in some version."""
        rows = self._database.execute("SELECT DISTINCT owner FROM provides WHERE name = ? ORDER BY rowid", (name,))
        return [owner for (owner,) in rows]

    def rank(self, name: str) -> int | None:
        """Return the position at which the name is met first; None for one that the index never mentions."""
        row = self._database.execute("SELECT rank FROM ranks WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def essential(self) -> list[str]:
        """Return the names of the packages marked `Essential: yes`."""
        return [name for (name,) in self._database.execute("SELECT name FROM essential ORDER BY name")]

    def names(self) -> list[str]:
        """Return every name a package has or provides."""
        query = "SELECT name FROM stanzas UNION SELECT name FROM provides"
        return [name for (name,) in self._database.execute(query)]

    def search(self, words: tuple[str, ...], limit: int) -> list[tuple[str, str, str]]:
        """Return (name, version, summary) of packages with all words in name or summary, names that hold one first."""
        matches = " AND ".join(["(instr(lower(name), ?) OR instr(lower(summary), ?))"] * len(words)) or "1"
        order = "name <> ?, instr(name, ?) = 0, length(name), name"
        lowered = [word.lower() for word in words]
        first = lowered[0] if lowered else ""
        parameters = [word for word in lowered for _ in range(2)] + [first, first, str(limit)]
        query = f"SELECT name, version, summary FROM summaries WHERE {matches} ORDER BY {order} LIMIT ?"  # noqa: S608
        return list(self._database.execute(query, parameters))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_intact(path: Path) -> bool:
    """Say whether a compiled index is there and whole, as far as its header and length tell."""
    if not path.is_file():
        return False
    database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        pages = database.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
        return bool(pages[0] == path.stat().st_size)
    except sqlite3.DatabaseError:
        return False
    finally:
        database.close()


def compile_index(text: str, target: Path, *, where: str) -> None:
    """Write the index `text` to `target`, complete or not at all.

    Raises:
        IntegrityError: `deb-index-invalid`: a paragraph lacks a field that every package has.
        StoreError: `cache-unwritable`: the file cannot be written, as on a full disk.

    """
    with half_made(target) as temporary:
        database = sqlite3.connect(temporary, isolation_level=None)
        try:
            _fill(database, text, where)
        except sqlite3.Error as error:
            raise StoreError(
                "an index of Debian packages cannot be kept",
                identifier="cache-unwritable",
                where=str(target),
                why=str(error),
                hint="free some space, or set BREAKBULK_CACHE to a directory of yours",
            ) from error
        finally:
            database.close()
        with temporary.open("rb") as written:
            os.fsync(written.fileno())


def _fill(database: sqlite3.Connection, text: str, where: str) -> None:
    database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
    database.execute("BEGIN")
    ranks: dict[str, int] = {}
    for batch in _batches(text, where, ranks):
        stanzas, provided, summaries = batch
        database.executemany("INSERT INTO stanzas VALUES (?, ?)", [(s.name, _encode(s)) for s in stanzas])
        database.executemany("INSERT INTO provides VALUES (?, ?)", provided)
        database.executemany("INSERT INTO summaries VALUES (?, ?, ?)", summaries)
        essential = [(stanza.name,) for stanza in stanzas if stanza.essential]
        database.executemany("INSERT OR IGNORE INTO essential VALUES (?)", essential)
    database.executemany("INSERT INTO ranks VALUES (?, ?)", sorted(ranks.items()))
    database.execute("COMMIT")
    database.executescript(_INDICES)


_Batch = tuple[list[Stanza], list[tuple[str, str]], list[tuple[str, str, str]]]


def _batches(text: str, where: str, ranks: dict[str, int], size: int = 5000) -> Iterator[_Batch]:
    batch: _Batch = ([], [], [])
    for paragraph in paragraphs(text):
        fields = parse_paragraph(paragraph)
        stanza = _stanza(fields, where)
        batch[0].append(stanza)
        batch[1].extend((name, stanza.name) for name, _ in _MENTION.findall(stanza.provides))
        batch[2].append((stanza.name, stanza.version, fields.get("description", "").partition("\n")[0]))
        _note_mentions(stanza.name, fields, ranks)
        if len(batch[0]) >= size:
            yield batch
            batch = ([], [], [])
    yield batch


def _note_mentions(name: str, fields: dict[str, str], ranks: dict[str, int]) -> None:
    ranks.setdefault(name, len(ranks))
    for field in _MENTIONING_FIELDS:
        if value := fields.get(field):
            for mentioned, qualifier in _MENTION.findall(value):
                if not qualifier:
                    ranks.setdefault(mentioned, len(ranks))


def _stanza(fields: dict[str, str], where: str) -> Stanza:
    try:
        return Stanza(
            name=fields["package"],
            version=fields["version"],
            architecture=fields["architecture"],
            filename=fields["filename"],
            size=int(fields["size"]),
            sha256=fields["sha256"].lower(),
            multi_arch=fields.get("multi-arch", ""),
            priority=fields.get("priority", ""),
            section=fields.get("section", ""),
            essential=fields.get("essential", "") == "yes",
            important="yes" in {fields.get("important"), fields.get("protected")},
            pre_depends=joined(fields.get("pre-depends", "")),
            depends=joined(fields.get("depends", "")),
            recommends=joined(fields.get("recommends", "")),
            conflicts=joined(fields.get("conflicts", "")),
            breaks=joined(fields.get("breaks", "")),
            provides=joined(fields.get("provides", "")),
        )
    except (KeyError, ValueError) as error:
        raise IntegrityError(
            f"the paragraph of {fields.get('package', 'an unnamed package')!r} is no package: {error}",
            identifier="deb-index-invalid",
            where=where,
            hint="the index is signed by its archive and wrong: report it to the archive, or use another suite",
        ) from error
