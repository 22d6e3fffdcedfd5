"""From the suites a manifest names to sources: found among apt's, or derived from them.

A manifest says `trixie`; apt of this machine knows `bookworm`, `bookworm-updates` and `bookworm-security`. Debian keeps
every suite in the same archives under the same names, so the sources of `trixie` are those of `bookworm` with the code
name replaced. Companions (`-updates`, `-security`) come along as apt has them for its own suite. Pure; no host name is
known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from breakbulk.ecosystems.deb.release import ORDINARY_PIN
from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import ManifestError
from breakbulk.manifest.schema import Options, Suite

__all__ = ["DEFAULT_SUITE", "Selected", "requested_suites", "select"]

DEFAULT_SUITE = "bookworm"
TARGET_PIN = 100
"""Priority of a suite that only one install names: for that package, and what nothing else has (as backports)."""
_COMPANIONS = ("-updates", "-security", "/updates")
_ROLLING = frozenset({"sid", "unstable", "experimental", "rc-buggy"})
"""Suites of Debian that have no companions: updates go straight into them."""


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """A source that takes part.

    Attributes:
        source: The suite at its mirror.
        pin: Priority that the manifest gives; None leaves it to the Release file.
        optional: Whether the mirror need not have it: a companion derived by name.
        suite: The suite of the manifest that it belongs to.

    """

    source: Source
    pin: int | None
    optional: bool
    suite: str


class Wanted(msgspec.Struct, frozen=True):
    """A suite of the manifest: `components` None takes those of apt's source."""

    name: str
    pin: int | None = None
    components: tuple[str, ...] | None = None


def requested_suites(options: Options, targets: Sequence[str] = ()) -> tuple[Wanted, ...]:
    """Return the suites a manifest asks for: those of its options, then `targets`, which single installs name."""
    named = (DEFAULT_SUITE,) if options.suite is None else options.suite
    entries = (named,) if isinstance(named, str) else named
    wanted = [_wanted(entry) for entry in entries] or [Wanted(DEFAULT_SUITE)]
    known = {each.name for each in wanted}
    extra = [Wanted(name, TARGET_PIN) for name in dict.fromkeys(targets) if name not in known]
    return (*wanted, *extra)


def select(sources: Sequence[Source], wanted: Sequence[Wanted]) -> tuple[Selected, ...]:
    """Return the sources of the wanted suites, in apt's order within each.

    Raises:
        ManifestError: `deb-sources-missing`: apt has no source from which a suite could be had or derived.

    """
    found: dict[tuple[str, str], Selected] = {}
    for each in wanted:
        selected = list(_configured(sources, each)) or list(_derived(sources, each))
        if not selected:
            raise ManifestError(
                f"no source of apt has the suite {each.name!r}, and it cannot be derived from one",
                identifier="deb-sources-missing",
                where="options.suite",
                why="apt has no source at all" if not sources else "apt's sources are all flat archives",
                hint="add the archive to /etc/apt/sources.list.d (man 5 sources.list); BREAKBULK_APT is another place",
            )
        for one in selected:
            found.setdefault((one.source.uri, one.source.suite), one)
    return tuple(found.values())


def _wanted(entry: str | Suite) -> Wanted:
    if isinstance(entry, str):
        return Wanted(entry)
    pin = None if entry.priority == ORDINARY_PIN else entry.priority
    return Wanted(entry.name, pin, entry.components)


def _configured(sources: Sequence[Source], wanted: Wanted) -> Iterator[Selected]:
    """Yield apt's own sources of a suite and its companions, when it has the suite itself."""
    if not any(source.suite == wanted.name for source in sources):
        return
    names = {wanted.name, *(wanted.name + suffix for suffix in _COMPANIONS)}
    for source in sources:
        if source.suite in names:
            yield _selected(source, wanted, optional=False)


def _derived(sources: Sequence[Source], wanted: Wanted) -> Iterator[Selected]:
    model = _model(sources)
    if model is None:
        return
    code_name, family = model
    by_suffix = {source.suite.removeprefix(code_name): source for source in family}
    wanted_code, dash, kind = wanted.name.partition("-")
    if dash:  # one suite by its whole name: a companion, or another beside the main one (trixie-backports)
        source = by_suffix.get(f"-{kind}", by_suffix[""])
        yield _selected(_renamed(source, wanted.name), wanted, optional=False)
        return
    for source in family:
        suffix = source.suite.removeprefix(code_name)
        if not suffix or wanted_code not in _ROLLING:
            yield _selected(_renamed(source, wanted_code + suffix), wanted, optional=bool(suffix))


def _model(sources: Sequence[Source]) -> tuple[str, list[Source]] | None:
    """Return the code name and the sources from which others are derived: the suite with most companions."""
    names = dict.fromkeys(source.suite.partition("-")[0] for source in sources if not source.is_flat)
    best: tuple[str, list[Source]] | None = None
    for name in names:
        main = next((source for source in sources if source.suite == name), None)
        if main is None:
            continue
        companions = {name + suffix for suffix in _COMPANIONS}
        family = [source for source in sources if source.suite in companions or _same_archive(source, main)]
        if best is None or len(family) > len(best[1]):
            best = name, family
    return best


def _same_archive(source: Source, main: Source) -> bool:
    return source.suite == main.suite and source.signed_by == main.signed_by


def _renamed(source: Source, suite: str) -> Source:
    return msgspec.structs.replace(source, suite=suite, where=f"{source.where}, with the suite {suite}")


def _selected(source: Source, wanted: Wanted, *, optional: bool) -> Selected:
    components = wanted.components or source.components
    return Selected(
        source=msgspec.structs.replace(source, components=components),
        pin=wanted.pin,
        optional=optional,
        suite=wanted.name,
    )
