"""Rules for `[build]`: each recipe makes packages whose names are told apart, and refers to what there is."""

from __future__ import annotations

from breakbulk.manifest import texts, variables
from breakbulk.manifest.faults import Fault, KeyPath, nearest
from breakbulk.manifest.matrix import combinations, package_name
from breakbulk.manifest.schema import Build, Manifest, VersionCommand, VersionFile

__all__ = ["NETWORK", "RESERVED", "check_builds"]

NETWORK = "network"
"""The word of `sandbox-allow` that stands for no path."""

RESERVED = frozenset({"out", "HOME", "PATH", "TMPDIR", "SOURCE_DATE_EPOCH"})
"""Variables of every build, which no matrix can set; nor can it those that begin with BREAKBULK_."""


_SYSTEM = frozenset({"/bin", "/etc", "/lib", "/lib64", "/opt", "/sbin", "/usr", "/usr/local", "/var"})


def check_builds(manifest: Manifest, *, complete: bool) -> None:
    """Raise `Fault` at the first recipe that makes no sense; `complete` is that of `rules.check`."""
    made_by: dict[str, str] = {}
    for recipe, build in manifest.build.items():
        path = ("build", recipe)
        texts.entry_name(recipe, path)
        _check_build(build, path)
        if complete:
            _check_runtime(build, manifest, path)
        for name in _names(recipe, build, path):
            if name in made_by:
                raise Fault(
                    (*path, "name") if build.name else path,
                    f"makes a package `{name}`, and so does build.{made_by[name]}",
                    hint="give them different names with `name`, or leave one out with `exclude`",
                )
            made_by[name] = recipe


def _check_build(build: Build, path: KeyPath) -> None:
    if not build.command.strip():
        raise Fault((*path, "command"), "is empty", hint="write the commands that fill $out")
    for index, allowed in enumerate(build.sandbox_allow):
        if allowed != NETWORK:
            _check_place(allowed, (*path, "sandbox-allow", index), of_root=True)
    if isinstance(build.version, VersionFile):
        texts.inner_path(build.version.file, (*path, "version", "file"))
    if isinstance(build.version, VersionCommand) and not build.version.command.strip():
        raise Fault((*path, "version", "command"), "is empty", hint="write the command that prints the version")
    if build.destination is not None:
        _check_place(build.destination, (*path, "destination"))
    _check_matrix(build, path)
    if len(set(build.cpu)) < len(build.cpu):
        raise Fault((*path, "cpu"), "names a level twice", hint="name each once")


def _check_place(place: str, path: KeyPath, *, of_root: bool = False) -> None:
    """Check a place in the root of a build; `of_root`: one that would cover a directory of its packages."""
    texts.destination(place, path)
    top = place.split("/")[1]
    if place == "/" or top in {"build", "tmp"} or (of_root and place in _SYSTEM):
        raise Fault(path, f'is "{place}", of which a build has its own', hint='write a place such as "/opt/NAME"')


def _check_matrix(build: Build, path: KeyPath) -> None:
    for key, values in build.matrix.items():
        at = (*path, "matrix", key)
        if not variables.NAME.fullmatch(key) or key in RESERVED or key.startswith("BREAKBULK_"):
            raise Fault(at, "cannot be a variable of the build", hint="use letters, digits and _, as in `variant`")
        if not values or len(set(values)) < len(values):
            raise Fault(at, "needs values, each once", hint='write ["1.0", "2.0"]')
        for index, value in enumerate(values):
            if not value.isprintable():
                raise Fault((*at, index), "holds a control character", hint="take it out")
    for index, excluded in enumerate(build.exclude):
        for key, value in excluded.items():
            if value not in build.matrix.get(key, ()):
                raise Fault((*path, "exclude", index, key), f'is "{value}", which the matrix does not have',
                            hint="name values of the matrix")  # fmt: skip


def _names(recipe: str, build: Build, path: KeyPath) -> list[str]:
    """Return the names of a recipe's packages."""
    try:
        names = [package_name(recipe, build, values) for values in combinations(build)]
    except KeyError as error:
        raise Fault((*path, "name"), f"has {{{error.args[0]}}}, which is no key of the matrix",
                    hint="the keys are " + ", ".join(build.matrix)) from None  # fmt: skip
    if not names:
        raise Fault((*path, "exclude"), "leaves nothing of the matrix", hint="drop the recipe")
    for name in names:
        texts.entry_name(name, (*path, "name"))
    return names


def _check_runtime(build: Build, manifest: Manifest, path: KeyPath) -> None:
    for index, name in enumerate(build.runtime_packages or ()):
        if name not in manifest.install:
            meant = nearest(name, manifest.install)
            hint = f'write "{meant}"' if meant else "name install ids of this manifest"
            raise Fault((*path, "runtime-packages", index), f'is "{name}", which is not installed', hint=hint)
