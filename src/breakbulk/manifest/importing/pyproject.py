"""Make a manifest from a `pyproject.toml`.

The project itself becomes a `path` install, which its own build back end turns into a wheel with its dependencies
(https://packaging.python.org/en/latest/specifications/pyproject-toml/). Dependency groups (PEP 735) and other groups
of development tools become comments to be uncommented, `requires-python` a remark on `options.python`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from breakbulk.errors import ManifestError
from breakbulk.manifest.importing.drafting import DEFAULT_SUITE, DEFAULT_SYSTEMS, Draft, read_toml
from breakbulk.manifest.schema import PathInstall, PypiInstall

__all__ = ["from_pyproject"]

_KNOWN_MINORS = range(7, 20)


def from_pyproject(path: Path, *, suite: str = DEFAULT_SUITE, systems: Sequence[str] = DEFAULT_SYSTEMS) -> str:
    """Return a manifest, to stand beside the file `path`, that installs its project.

    Raises `NotFoundError`, or `ManifestError`: `import-syntax`, and `import-no-project` for a file that only
    configures tools.
    """
    values = read_toml(path)
    project, poetry = _table(values, "project"), _table(values, "tool", "poetry")
    if not project and not poetry:
        raise ManifestError(
            f"{path.name} describes no project, it has no table [project]",
            identifier="import-no-project",
            where=str(path),
            hint="breakbulk init, then breakbulk install pypi:NAME for what it needs",
        )
    draft = Draft(f"Made from {path.name}.")
    name = str(project.get("name") or poetry.get("name") or path.absolute().parent.name)
    draft.install(canonicalize_name(name), PathInstall(path="."))
    extras = sorted({*_table(project, "optional-dependencies"), *_table(poetry, "extras")})
    if extras:
        draft.comment(f'The project has the extras {", ".join(extras)}: add extras = ["{extras[0]}"] for one.')
    for group, requirements in _groups(values):
        draft.comment(f"Group {group}:")
        for requirement in requirements:
            _suggest(draft, requirement)
    if _table(values, "tool", "uv", "sources") or _table(values, "tool", "uv").get("index"):
        draft.comment("Which index packages come from is configuration (uv.toml, pip.conf), not part of a manifest.")
    _python(draft, project.get("requires-python"))
    return draft.text(suite, systems)


def _suggest(draft: Draft, requirement: Any) -> None:
    if isinstance(requirement, dict):
        draft.comment(f"and the group {requirement.get('include-group')}")
        return
    try:
        name = Requirement(str(requirement)).name
    except InvalidRequirement:
        draft.comment(f"not taken over: {requirement}")
        return
    draft.suggest(canonicalize_name(name), PypiInstall(pypi=str(requirement)))


def _groups(values: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the groups of development requirements: PEP 735's, uv's older and Poetry's own table."""
    yield from ((name, list(entries)) for name, entries in _table(values, "dependency-groups").items())
    older = _table(values, "tool", "uv").get("dev-dependencies")
    if isinstance(older, list):
        yield "dev", older
    for name, group in _table(values, "tool", "poetry", "group").items():
        yield name, list(_table(group, "dependencies"))


def _python(draft: Draft, requires: Any) -> None:
    """Set `options.python` where only one minor version will do, else remark what is required."""
    if not isinstance(requires, str):
        return
    try:
        accepted = SpecifierSet(requires)
    except InvalidSpecifier:
        draft.option_comment(f"requires-python cannot be read: {requires}")
        return
    # A minor version will do when any of its patch releases does.
    minors = [f"3.{m}" for m in _KNOWN_MINORS if any(accepted.contains(f"3.{m}.{patch}") for patch in range(40))]
    if len(minors) == 1:
        draft.option("python", minors[0])
    else:
        draft.option_comment(f'python = "3.11"  by default the suite\'s; the project requires {requires}')


def _table(values: Any, *keys: str) -> dict[str, Any]:
    """Return a table inside of others, empty where there is none."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}
