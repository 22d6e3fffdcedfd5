"""Rules of a manifest that no single type can say: between keys, between entries, and for the text in them.

`check` takes schema values and raises a `Fault` at the first thing that is wrong, with the correction. It is applied to
each file that is read and once more to what is composed of several. Rules for one descriptor are in `install_rules`,
for text such as paths and dates in `texts`.
"""

from __future__ import annotations

import graphlib
import math
import re

from breakbulk.manifest import texts, variables
from breakbulk.manifest.build_rules import check_builds
from breakbulk.manifest.faults import Fault, KeyPath, nearest, parse_key
from breakbulk.manifest.install_rules import check_install
from breakbulk.manifest.schema import (
    IncludedDirectory,
    IncludedRemote,
    Manifest,
    Options,
    Ready,
    Service,
    Suite,
)

__all__ = ["NEWEST_SCHEMA", "check", "parse_included"]

NEWEST_SCHEMA = (1, 15)
"""Of Flox's manifests, the newest that this program knows."""

_SCHEMA_VERSION = re.compile(r"1\.(\d{1,4})\.\d{1,4}")
_PYTHON = re.compile(r"3\.\d{1,2}")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_LOCALE = re.compile(r"C|POSIX|(?:C|[a-z]{2,3}(?:_[A-Z]{2,3})?)(?:\.[A-Za-z0-9-]+)?(?:@[a-z]+)?")
_REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_INCLUDED = re.compile(rf"(?P<remote>{_REMOTE.pattern})(?::(?P<generation>[1-9]\d{{0,8}}))?")


def check(manifest: Manifest, *, complete: bool = True) -> None:
    """Raise `Fault` at the first rule that `manifest` breaks.

    `complete` is False for a manifest whose includes are not merged in yet: names it refers to may be theirs.
    """
    _check_version(manifest)
    for name, install in manifest.install.items():
        texts.entry_name(name, ("install", name))
        check_install(install, ("install", name))
    _check_variables(manifest.vars, ("vars",))
    for name, service in manifest.services.items():
        texts.entry_name(name, ("services", name))
        _check_service(service, ("services", name))
    _check_order(manifest.services, complete=complete)
    for index, included in enumerate(manifest.include.environments):
        _check_included(included, ("include", "environments", index))
    _check_removals(manifest)
    check_builds(manifest, complete=complete)
    _check_options(manifest.options, ("options",))


def parse_included(text: str) -> IncludedRemote | None:
    """Return what the short form `owner/name` or `owner/name:generation` of an include means, None if it is none."""
    match = _INCLUDED.fullmatch(text)
    if match is None:
        return None
    return IncludedRemote(remote=match["remote"], generation=int(match["generation"]) if match["generation"] else None)


def _check_removals(manifest: Manifest) -> None:
    for index, key in enumerate(manifest.remove):
        if parse_key(key) is None:
            raise Fault(
                ("remove", index), f"is `{key}`, which is no key", hint="write it like `install.jq` or `vars.X`"
            )
    if manifest.remove and not manifest.include.environments:
        raise Fault(("remove",), "has nothing to remove from", hint="it takes entries out of what `include` names")


def _check_version(manifest: Manifest) -> None:
    newest = ".".join(map(str, (*NEWEST_SCHEMA, 0)))
    if manifest.version is not None and manifest.schema_version is not None:
        raise Fault(("version",), "cannot stand beside `schema-version`", hint="keep `schema-version`")
    if manifest.version not in {None, 1}:
        raise Fault(("version",), f"is {manifest.version}", hint="write version = 1, its only value")
    if manifest.schema_version is None:
        return
    match = _SCHEMA_VERSION.fullmatch(manifest.schema_version)
    if match is None or int(match[1]) > NEWEST_SCHEMA[1]:
        raise Fault(
            ("schema-version",),
            f'is "{manifest.schema_version}", unknown to this version of Breakbulk',
            hint=f'write "{newest}", the newest it knows, or update Breakbulk',
        )


def _check_variables(values: dict[str, str], path: KeyPath) -> None:
    for name, value in values.items():
        if not variables.NAME.fullmatch(name):
            raise Fault((*path, name), "is not a name that a shell can set", hint="use letters, digits and _ only")
        if "\0" in value:
            raise Fault((*path, name), "holds a NUL character, which no variable can", hint="take it out")
    try:
        variables.check(values)
    except Fault as fault:
        raise Fault((*path, *fault.path), fault.problem, hint=fault.hint, identifier=fault.identifier) from None


def _check_service(service: Service, path: KeyPath) -> None:
    if not service.command.strip():
        raise Fault((*path, "command"), "is empty", hint="write the command that starts the service")
    if service.is_daemon and service.shutdown is None:
        raise Fault(
            (*path, "is-daemon"),
            "needs a command that ends the daemon",
            hint="add shutdown.command, or drop is-daemon where the command stays in the foreground",
        )
    if service.shutdown is not None and not service.shutdown.command.strip():
        raise Fault((*path, "shutdown", "command"), "is empty", hint="write the command that ends the service")
    _check_variables(service.vars, (*path, "vars"))
    if service.ready is not None:
        _check_ready(service.ready, (*path, "ready"))


def _check_ready(ready: Ready, path: KeyPath) -> None:
    if (ready.command is None) == (ready.port is None):
        both = "both `command` and `port`" if ready.port is not None else "neither `command` nor `port`"
        raise Fault(path, f"has {both}", hint="say with exactly one of them when the service is ready")
    if ready.port is not None and not 1 <= ready.port <= 65535:
        raise Fault((*path, "port"), f"is {ready.port}", hint="a port is a number from 1 to 65535")
    for key, seconds in (("interval-s", ready.interval_s), ("timeout-s", ready.timeout_s)):
        if not (seconds > 0 and math.isfinite(seconds)):
            raise Fault((*path, key), f"is {seconds:g}", hint="write a number of seconds above 0")


def _check_order(services: dict[str, Service], *, complete: bool) -> None:
    """Check that `depends-on` names services, and that there is an order in which they can start."""
    for name, service in services.items():
        for index, needed in enumerate(service.depends_on):
            if needed not in services and complete:
                meant = nearest(needed, services)
                hint = f'write "{meant}"' if meant else f"the services are {', '.join(services)}"
                raise Fault(("services", name, "depends-on", index), f'is "{needed}", which is no service', hint=hint)
    graph = {name: [n for n in service.depends_on if n in services] for name, service in services.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1][::-1]
        raise Fault(
            ("services", circle[0], "depends-on"),
            f"closes a circle in which no service can start first: {' -> '.join(circle)}",
            hint="drop one of the dependencies",
            identifier="services-cycle",
        ) from None


def _check_included(included: IncludedDirectory | IncludedRemote | str, path: KeyPath) -> None:
    if isinstance(included, str):
        if parse_included(included) is None:
            raise Fault(
                path, f'is "{included}", which is no environment', hint='write "owner/name:3" or { dir = "../name" }'
            )
        return
    if included.name is not None:
        texts.entry_name(included.name, (*path, "name"))
    if isinstance(included, IncludedDirectory):
        texts.host_path(included.dir, (*path, "dir"))
        return
    texts.matching(_REMOTE, included.remote, (*path, "remote"), "no environment on a hub", 'write "owner/name"')
    if included.generation is not None and included.generation < 1:
        raise Fault((*path, "generation"), f"is {included.generation}", hint="generations count from 1")


def _check_options(options: Options, path: KeyPath) -> None:
    if options.systems == ():
        raise Fault((*path, "systems"), "is empty", hint='name a system: ["x86_64-linux"]')
    if options.snapshot is not None:
        texts.moment(options.snapshot, (*path, "snapshot"))
    if options.python is not None:
        texts.matching(
            _PYTHON, options.python, (*path, "python"), "no minor version of Python", 'write the form "3.11"'
        )
    _check_suites(options.suite, (*path, "suite"))
    for index, locale in enumerate(options.locales or ()):
        texts.matching(_LOCALE, locale, (*path, "locales", index), "no locale", 'write the form "de_DE.UTF-8"')
    for index, constraints in enumerate(options.constraints or ()):
        texts.host_path(constraints, (*path, "constraints", index))


def _check_suites(suites: str | tuple[str | Suite, ...] | None, path: KeyPath) -> None:
    if suites == ():
        raise Fault(path, "is empty", hint='name a suite: "bookworm"')
    entries: list[tuple[str | Suite, KeyPath]]
    entries = [(suites, path)] if isinstance(suites, str) else [(s, (*path, i)) for i, s in enumerate(suites or ())]
    seen: set[str] = set()
    for suite, at in entries:
        name = suite if isinstance(suite, str) else suite.name
        texts.suite(name, at if isinstance(suite, str) else (*at, "name"))
        if name in seen:
            raise Fault(at, f'is "{name}" for the second time', hint="name each suite once")
        seen.add(name)
        if isinstance(suite, Suite):
            _check_suite(suite, at)


def _check_suite(suite: Suite, path: KeyPath) -> None:
    if not suite.components:
        raise Fault((*path, "components"), "is empty", hint='write ["main"]')
    for index, component in enumerate(suite.components):
        texts.matching(_COMPONENT, component, (*path, "components", index), "no component", 'write "main"')
