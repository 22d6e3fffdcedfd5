"""`breakbulk build`: make packages by the recipes of the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import human_size

if TYPE_CHECKING:
    from breakbulk.library.builds import Outcome

__all__ = ["command", "document_of"]

_NOT_REPRODUCIBLE = 1


@declare(
    "build",
    ("breakbulk build", "Build every package of the manifest's [build] tables."),
    ("breakbulk build airflow-3-1-1", "Build one package of a recipe with a matrix; `airflow` builds all of them."),
    ("breakbulk build --check hello", "Build it twice and say which files differ, and why."),
)
@click.option("--check", is_flag=True, help="Build twice and compare; exit code 1 when they differ.")
@click.option("--force", is_flag=True, help="Build even what was built of the same things before.")
@click.option("--no-link", is_flag=True, help="Leave no link result-NAME beside the manifest.")
@click.argument("packages", nargs=-1, metavar="[PACKAGE]...")
def command(invocation: Invocation, *, check: bool, force: bool, no_link: bool, packages: tuple[str, ...]) -> int:
    """Build packages by the recipes of the manifest.

    A recipe's command runs in the environment's packages, on a copy of the project's files, without network and without
    anything of yours; what it leaves in $out becomes a package named by its content. result-NAME links to it. Publish
    it with `breakbulk publish`.
    """
    from breakbulk.library.builds import Builds

    environment = invocation.environment()
    builds = Builds(environment).build(packages, check=check, anew=force or None, link=not no_link)
    outcomes = []
    for outcome in builds:
        outcomes.append(outcome)
        if not invocation.json:
            invocation.report({}, _text(outcome))
    if invocation.json:
        invocation.print_json({"packages": [document_of(outcome) for outcome in outcomes]})
    return _NOT_REPRODUCIBLE if any(outcome.differences for outcome in outcomes) else 0


def document_of(outcome: Outcome) -> dict[str, Any]:
    """Return what `--json` tells of one package."""
    built = outcome.built
    package = built.package
    document: dict[str, Any] = {
        "name": package.name,
        "version": package.version,
        "cpu": built.recipe.cpu,
        "sha256": package.sha256,
        "size_bytes": package.size,
        "tree": built.tree,
        "destination": package.destination,
        "python": package.python,
        "license": package.license,
        "reused": built.reused,
        "link": outcome.link,
    }
    if outcome.differences is not None:
        document["reproducible"] = not outcome.differences
        document["differences"] = [{"path": each.path, "reason": each.reason} for each in outcome.differences]
    return document


def _text(outcome: Outcome) -> str:
    built = outcome.built
    package = built.package
    what = f"{built.recipe.label} {package.version}"
    shown = f"{'there already' if built.reused else 'built'}: {what}, {human_size(package.size)}"
    lines = [shown + (f", at {outcome.link.name}" if outcome.link else "")]
    if outcome.differences is not None:
        lines.append("  reproducible" if not outcome.differences else "  not reproducible: two builds differ in")
        lines += [f"    {each.path}: {each.reason or 'no reason found'}" for each in outcome.differences]
    return "\n".join(lines)
