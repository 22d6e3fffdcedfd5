"""apt's sources of this machine, as values.

Read are `sources.list` and `sources.list.d/*.list` in the one-line style and `sources.list.d/*.sources` in deb822 style
(sources.list(5)), in apt's order, which decides between equal packages. Breakbulk names no mirror of its own: whatever
it fetches comes from here. Counterpart of `suites`, which picks and derives sources for the suites of a manifest.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.ecosystems.deb.stanzas import paragraphs, parse_paragraph
from breakbulk.errors import ManifestError

__all__ = ["Source", "read_sources"]

_ONE_LINE = re.compile(r"(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>.+)")
_FALSE = {"no", "false", "without", "off", "disable", "0"}
_COMMENT = re.compile(r"(?m)^#.*\n?")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One suite at one mirror.

    Attributes:
        uri: Root of the archive, without a slash at its end.
        suite: Directory below `dists`; with a slash at its end it is one below the root (a flat archive).
        components: Such as `main`; none for a flat archive.
        architectures: Those it is restricted to; empty for any.
        signed_by: What must have signed it: paths of keyrings, fingerprints, or one armoured key; empty for any
            trusted key.
        check_valid_until: Whether its expiry counts; None leaves it to apt's configuration.
        snapshot: Its `Snapshot` option: a snapshot id, `enable`, or None.
        where: File and line.

    """

    uri: str
    suite: str
    components: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    check_valid_until: bool | None = None
    snapshot: str | None = None
    where: str = ""

    @property
    def is_flat(self) -> bool:
        """Say whether the archive has no `dists` directory."""
        return self.suite.endswith("/")

    @property
    def directory(self) -> str:
        """Return the address of the directory that holds the Release file."""
        return f"{self.uri}/{self.suite.strip('/')}".rstrip("/") if self.is_flat else f"{self.uri}/dists/{self.suite}"


def read_sources(directory: Path, architecture: str) -> tuple[Source, ...]:
    """Return the enabled binary sources of apt's configuration for one architecture.

    Raises:
        ManifestError: `apt-sources-invalid`: a file that apt could not read either.

    """
    found: list[Source] = []
    for path in _files(directory):
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise _invalid(str(path), f"it cannot be read: {error}") from error
        found += _read_deb822(text, path) if path.suffix == ".sources" else _read_one_line(text, path)
    return tuple(each for each in found if not each.architectures or architecture in each.architectures)


def _files(directory: Path) -> Iterator[Path]:
    if (main := directory / "sources.list").is_file():
        yield main
    parts = directory / "sources.list.d"
    if parts.is_dir():
        yield from sorted(path for path in parts.iterdir() if path.suffix in {".list", ".sources"} and path.is_file())


def _read_one_line(text: str, path: Path) -> Iterator[Source]:
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        where = f"{path}:{number}"
        match = _ONE_LINE.fullmatch(content)
        words = shlex.split(match["rest"]) if match else []
        if match is None or len(words) < 2:
            raise _invalid(where, f"{content!r} is not `deb [options] uri suite components...`")
        if match["type"] == "deb":
            options = dict(_one_line_options(match["options"] or "", where))
            yield _source(words[0], words[1], tuple(words[2:]), options, where)


def _one_line_options(text: str, where: str) -> Iterator[tuple[str, str]]:
    for option in text.split():
        name, equals, value = option.partition("=")
        if not equals:
            raise _invalid(where, f"the option {option!r} has no value")
        yield {"arch": "architectures"}.get(name.lower(), name.lower()), value.replace(",", " ")


def _read_deb822(text: str, path: Path) -> Iterator[Source]:
    for number, paragraph in enumerate(paragraphs(_COMMENT.sub("", text)), 1):
        fields = parse_paragraph(paragraph)
        where = f"{path}, paragraph {number}"
        if fields.get("enabled", "yes").lower() in _FALSE or "deb" not in fields.get("types", "").split():
            continue
        if missing := [name for name in ("uris", "suites") if not fields.get(name)]:
            raise _invalid(where, f"the field {missing[0].upper()} is missing")
        components = tuple(fields.get("components", "").split())
        for uri in fields["uris"].split():
            for suite in fields["suites"].split():
                yield _source(uri, suite, components, fields, where)


def _source(uri: str, suite: str, components: tuple[str, ...], options: dict[str, str], where: str) -> Source:
    if not suite.endswith("/") and not components:
        raise _invalid(where, f"the suite {suite!r} has no component")
    expiry = options.get("check-valid-until")
    snapshot = options.get("snapshot", "")
    return Source(
        uri=uri.rstrip("/"),
        suite=suite,
        components=() if suite.endswith("/") else components,
        architectures=tuple(options.get("architectures", "").split()),
        signed_by=_signed_by(options.get("signed-by", "")),
        check_valid_until=None if expiry is None else expiry.lower() not in _FALSE,
        snapshot=None if not snapshot or snapshot.lower() in _FALSE else snapshot,
        where=where,
    )


def _signed_by(value: str) -> tuple[str, ...]:
    """Return the words of a `Signed-By`, or the key itself where it is written into the source (deb822 only)."""
    if "-----BEGIN PGP" not in value:
        return tuple(value.replace(",", " ").split())
    lines = [line.strip() for line in value.strip().splitlines()]
    return ("\n".join("" if line == "." else line for line in lines) + "\n",)


def _invalid(where: str, why: str) -> ManifestError:
    return ManifestError(
        "apt's sources cannot be read",
        identifier="apt-sources-invalid",
        where=where,
        why=why,
        hint="correct the file; `apt-get update` must accept it (man 5 sources.list)",
    )
