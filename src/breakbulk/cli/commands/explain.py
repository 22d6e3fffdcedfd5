"""`breakbulk explain`: where a key of the manifest comes from, why a package is in the environment, why a pod waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from breakbulk.cli import completing
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.kubeconfig_options import kubeconfig_options
from breakbulk.cli.rendering import Style, columns, human_size
from breakbulk.errors import NotFoundError, UsageError
from breakbulk.manifest.explaining import Explained, Source, explain_keys
from breakbulk.manifest.merging import CURRENT

if TYPE_CHECKING:
    from breakbulk.library.runnable import Runnable
    from breakbulk.lock.model import Package

__all__ = ["chains", "command"]

_ROOTS = {"base": "every environment has it", "python": "every environment with Python has it"}


@declare(
    "explain",
    ("breakbulk explain", "List every key of the composed manifest, and which manifest wrote it."),
    ("breakbulk explain vars.PORT", "Show who set PORT, in which line, and what that replaced."),
    ("breakbulk explain libssl3", "Show who needs libssl3, from what the manifest asks for down to it."),
    ("breakbulk explain pod tickets/web", "Show why the pods of web in the namespace tickets do not run, and the fix."),
)
@click.argument("name", required=False, metavar="[KEY|PACKAGE|pod]", shell_complete=completing.explainable_names)
@click.argument("pod", required=False, metavar="[[NAMESPACE/]NAME]")
@kubeconfig_options
def command(
    invocation: Invocation, name: str | None, pod: str | None, kubeconfig: Path | None, context: str | None
) -> None:
    """Show where a key of the manifest comes from, why a package is in the environment, or why a pod does not run.

    A manifest that includes others is composed of them. KEY is written as in the manifest: install.jq, vars.PORT,
    hook.on-activate, or a whole table. Of a PACKAGE, for each install that needs it, directly or not, the shortest way
    is shown. Of a pod, or of the Deployment, StatefulSet, DaemonSet or Job that makes it, every step from admission to
    readiness is shown, and of the first that fails the cause and the fix.
    """
    if pod is not None or kubeconfig or context:
        _explain_pod(invocation, name, pod, kubeconfig, context)
        return
    from breakbulk.library import Environment

    environment = invocation.runnable()
    keys = explain_keys(environment.composed, name) if isinstance(environment, Environment) else ()
    if not keys and name is not None:
        _explain_package(invocation, environment, name)
        return
    document = {"keys": [_document(entry) for entry in keys]}
    if name is None or len(keys) > 1:
        invocation.show(document, lambda: _table(keys, invocation.style))
    else:
        invocation.show(document, lambda: _key_text(keys[0], invocation.style))


def _explain_pod(
    invocation: Invocation, word: str | None, pod: str | None, kubeconfig: Path | None, context: str | None
) -> None:
    if word != "pod" or not pod:
        raise UsageError(
            "explain takes one KEY or PACKAGE, or the word `pod` and a name",
            hint="breakbulk explain pod NAMESPACE/NAME",
        )
    from breakbulk.cli.pods import explain_pod

    explain_pod(invocation, pod, kubeconfig=kubeconfig, context=context)


def _explain_package(invocation: Invocation, environment: Runnable, name: str) -> None:
    from breakbulk.library import running_system
    from breakbulk.lock.differences import packages_of

    packages = packages_of(environment.read_lock(), running_system())
    if not packages:
        raise NotFoundError(
            "there is no lock", identifier="lock-missing", where=environment.place, hint="run `breakbulk lock`"
        )
    found = [package for package in packages.values() if name in {package.name, package.id}]
    if not found:
        raise _unknown(name, packages)
    explained = [(package, chains(package.id, packages)) for package in found]
    document = [
        {"id": package.id, "version": package.version, "chains": [list(chain) for chain in ways]}
        for package, ways in explained
    ]
    invocation.show(
        {"packages": document},
        lambda: "\n\n".join(_text(package, ways, invocation.style) for package, ways in explained),
    )


def chains(target: str, packages: Mapping[str, Package]) -> list[tuple[str, ...]]:
    """Return the shortest way from each reason (`install.ID`, `base`, `python`) to the package `target`, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    seen = {target}
    queue: deque[tuple[str, ...]] = deque([(target,)])
    while queue:
        way = queue.popleft()
        for reason in packages[way[0]].why:
            if reason not in packages:
                found.setdefault(reason, (reason, *way))
            elif reason not in seen:
                seen.add(reason)
                queue.append((reason, *way))
    return [found[reason] for reason in sorted(found)]


def _document(entry: Explained) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(entry).items() if value or name in {"key", "sources"}}


def _table(entries: Sequence[Explained], look: Style) -> str:
    rows = [(entry.key, _summary(entry)) for entry in entries]
    return columns(("KEY", "FROM"), rows, look) if rows else "the manifest sets nothing"


def _summary(entry: Explained) -> str:
    if not entry.sources:
        return f"removed, at {' and '.join(entry.removed_by)}"
    places = " and ".join(_place(source) for source in entry.sources)
    replaced = " and ".join(source.manifest for source in entry.replaced)
    return f"{places}, over {replaced}" if replaced else places


def _key_text(entry: Explained, look: Style) -> str:
    lines = [look.strong(entry.key)]
    for word, sources in (("", entry.sources), ("replaced ", entry.replaced), ("removed ", entry.removed)):
        for source in sources:
            lines.append(f"  {look.faint(f'{word}{_place(source)}')}")
            lines += [f"    {line}" for line in _value(source.value).splitlines()]
    lines += [f"  {look.faint(f'removed by {place}')}" for place in entry.removed_by]
    return "\n".join(lines)


def _place(source: Source) -> str:
    if source.manifest in {CURRENT, source.place}:
        return source.place
    return f"{source.manifest} ({source.place})"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _text(package: Package, ways: list[tuple[str, ...]], look: Style) -> str:
    licence = package.license or "unknown licence"
    head = f"{look.strong(package.id)} {package.version}, {human_size(package.size)}, {licence}"
    return "\n".join([head, *(f"  {_way(way)}" for way in ways)])


def _way(way: tuple[str, ...]) -> str:
    meaning = _ROOTS.get(way[0])
    return " → ".join(way) + (f"   ({meaning})" if meaning and len(way) == 2 else "")


def _unknown(name: str, packages: Mapping[str, Package]) -> NotFoundError:
    from difflib import get_close_matches

    near = get_close_matches(name, sorted({package.name for package in packages.values()}), n=3)
    return NotFoundError(
        f"{name!r} is neither a key of the manifest nor a package of the lock",
        identifier="package-not-locked",
        hint=f"did you mean {' or '.join(near)}?" if near else "`breakbulk list --all` shows every package",
    )
