"""`breakbulk publish`: put packages that were built on the hub, for others to install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli.authoring import authorship
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import human_size
from breakbulk.cli.signing_options import chosen_signer, refuse_unsigned, signing_options
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.builds.publishing import Published

__all__ = ["command"]


@declare(
    "publish",
    ("breakbulk publish --as ada", 'Publish every package; others write hello.pkg-path = "ada/hello" in [install].'),
    ("breakbulk publish --as ada airflow-3-1-1", "Publish one package, which is built first if it was not."),
)
@click.option("--as", "owner", required=True, metavar="OWNER", help="Owner of the packages on the hub.")
@click.option("-m", "--message", default="", metavar="TEXT", help="What is new.")
@click.option("--dirty", is_flag=True, help="Publish though not everything is committed; the publication says so.")
@signing_options
@click.argument("packages", nargs=-1, metavar="[PACKAGE]...")
def command(
    invocation: Invocation,
    *,
    owner: str,
    message: str,
    dirty: bool,
    packages: tuple[str, ...],
    sign: str | None,
    no_sign: bool,
) -> None:
    """Publish packages on the hub.

    Packages are built by the recipes of the manifest, unless they were. Archives that the hub lacks are sent, and what
    the packages need when they run is published with them. The project has to be a Git repository where everything is
    committed, so that others can tell from what a package was built.
    """
    from breakbulk.library.builds import Builds

    if "/" in owner:
        raise UsageError(
            "an owner is the first half of the name of a package",
            identifier="owner-invalid",
            where=f"--as {owner}",
            hint=f"breakbulk publish --as {owner.partition('/')[0]} {owner.partition('/')[2]}".rstrip(),
        )
    done = []
    by = authorship(invocation, message)
    signer = chosen_signer(invocation, sign, no_sign=no_sign)
    refuse_unsigned(invocation, signer)
    for published in Builds(invocation.environment()).publish(packages, owner, by, sign=signer, dirty=dirty):
        done.append(published)
        if not invocation.json:
            invocation.report({}, _text(published))
    if invocation.json:
        invocation.print_json({"hub": invocation.hub.url, "packages": [_document(published) for published in done]})
    if done:
        package = done[0].recorded.publication.package
        invocation.suggest(f'[install] {package.partition("/")[2]}.pkg-path = "{package}" in another manifest')


def _document(published: Published) -> dict[str, Any]:
    publication = published.recorded.publication
    return {
        "package": publication.package,
        "change": publication.number,
        "version": publication.release.version,
        "new": published.new,
        "bytes_sent": published.bytes_sent,
        "archives": [
            {"system": each.system, "cpu": each.cpu, "sha256": each.sha256, "size_bytes": each.size}
            for each in publication.release.artifacts
        ],
        "runtime": publication.release.runtime,
        "revision": publication.source.revision,
        "dirty": publication.source.dirty,
    }


def _text(published: Published) -> str:
    publication = published.recorded.publication
    what = f"{publication.package} {publication.release.version}"
    if not published.new:
        return f"there already: {what}, change {publication.number}"
    levels = [each.cpu for each in publication.release.artifacts if each.cpu]
    more = f" for {', '.join(levels)}" if levels else ""
    return f"published: {what}{more}, change {publication.number}, {human_size(published.bytes_sent)} sent"
