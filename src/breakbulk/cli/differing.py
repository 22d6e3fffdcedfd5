"""Show what differs between two locks: for `diff`, `lock`, `install` and `uninstall`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakbulk.cli.rendering import Style, count, human_size

if TYPE_CHECKING:
    from breakbulk.lock.differences import Change, Difference
    from breakbulk.lock.model import Package

__all__ = ["difference_document", "difference_text"]


def difference_document(difference: Difference) -> dict[str, Any]:
    """Return the difference as JSON values; sizes in bytes of archives."""
    return {
        "system": difference.system,
        "added": [_package(change.after) for change in difference.added],
        "removed": [_package(change.before) for change in difference.removed],
        "changed": [
            {"before": _package(change.before), "after": _package(change.after)} for change in difference.changed
        ],
        "unchanged": difference.unchanged,
        "size_bytes": difference.size_bytes,
        "new_bytes": difference.new_bytes,
        "licenses_added": difference.licences_added,
    }


def difference_text(difference: Difference, look: Style, *, most: int | None = None) -> str:
    """Return the difference as lines: added, removed, changed, then the sums.

    With `most`, of each kind at most so many are shown, those first that the manifest asks for.
    """
    if not difference:
        return "no package differs"
    kinds = (
        (difference.added, "+", look.good),
        (difference.removed, "-", look.bad),
        (difference.changed, "~", look.notable),
    )
    lines = []
    for changes, sign, paint in kinds:
        shown = changes if most is None else sorted(changes, key=_is_dependency)[:most]
        lines += [paint(f"{sign} {_line(change)}") for change in shown]
        if len(changes) > len(shown):
            lines.append(look.faint(f"{sign} and {count(len(changes) - len(shown), 'more package')}"))
    return "\n".join([*lines, *_sums(difference)])


def _is_dependency(change: Change) -> bool:
    """Tell whether a package is only there because others need it; what the manifest asks for sorts first."""
    return not any(reason.startswith("install.") for reason in change.package.why)


def _line(change: Change) -> str:
    package = change.package
    if not (change.before and change.after):
        return f"{package.id} {package.version}  {human_size(package.size)}  {package.license or 'unknown licence'}"
    versions = (
        f"{change.before.version} → {change.after.version}"
        if change.before.version != change.after.version
        else f"{package.version}, another archive"
    )
    licence = f"  licence: {change.before.license} → {change.after.license}" if change.licence_changed else ""
    return f"{package.id} {versions}  {_signed(change.size_bytes)}{licence}"


def _sums(difference: Difference) -> list[str]:
    parts = [
        f"{len(changes)} {word}"
        for changes, word in (
            (difference.added, "added"),
            (difference.removed, "removed"),
            (difference.changed, "changed"),
        )
        if changes
    ]
    kept = f"{count(difference.unchanged, 'package')} unchanged"
    sizes = f"{human_size(difference.new_bytes)} to fetch, {_signed(difference.size_bytes)} in all"
    sums = [f"{', '.join([*parts, kept])}; {sizes}"]
    if difference.licences_added:
        sums.append(f"new licences: {', '.join(difference.licences_added)}")
    return sums


def _signed(size_bytes: int) -> str:
    return f"{'-' if size_bytes < 0 else '+'}{human_size(abs(size_bytes))}"


def _package(package: Package | None) -> dict[str, Any] | None:
    if package is None:
        return None
    return {
        "id": package.id,
        "version": package.version,
        "size_bytes": package.size,
        "sha256": package.sha256,
        "license": package.license,
    }
