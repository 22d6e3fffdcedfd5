"""Read `environment.yml`: packages by the table of names or by their own name on PyPI, the section `pip`, variables.

The YAML is read as nodes, not values, so that `3.10` stays what was written and every remark has its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

from breakbulk.errors import ManifestError
from breakbulk.importing.assembly import Assembly
from breakbulk.importing.bases import PYTHON_OF_SUITE
from breakbulk.importing.conda.names import NEEDLESS, PACKAGES
from breakbulk.importing.conda.specs import CondaSpec, parse_conda
from breakbulk.importing.container import literal
from breakbulk.importing.report import Fate, Imported
from breakbulk.manifest.importing.drafting import read_text
from breakbulk.manifest.schema import DebInstall, PypiInstall

__all__ = ["from_conda"]

_DEFAULT_CHANNELS = {"defaults", "conda-forge", "nodefaults", "main", "anaconda"}


def from_conda(path: Path, *, into: Path) -> Imported:
    """Return a manifest for the directory `into` with what the file `path` of conda asks for.

    Raises `NotFoundError`, or `ManifestError`: `import-unreadable`, `import-syntax` with the line for what is no YAML,
    `import-no-dependencies` for YAML that is something else.
    """
    root = _root(read_text(path), path)
    assembly = Assembly(f"Made from {path.name} by `breakbulk import`.", into)
    reading = _Reading(assembly, path.parent)
    for key, node in _entries(root):
        assembly.line = _line(node)
        handler = _HANDLERS.get(key)
        if handler is None:
            assembly.remark("left", key, "no key of an environment of conda")
        else:
            handler(reading, node)
    assembly.line = None
    if constraints := assembly.requirements.constraints:
        assembly.choose(constraints=tuple(dict.fromkeys(constraints)))
    return assembly.finished()


def _root(text: str, path: Path) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ManifestError(
            f"{path.name} is not valid YAML",
            identifier="import-syntax",
            where=f"{path}:{mark.line + 1}" if mark else str(path),
            why=getattr(error, "problem", None) or str(error).partition("\n")[0] or "it is nested too deeply",
        ) from error
    if not isinstance(root, yaml.MappingNode) or "dependencies" not in (key for key, _ in _entries(root)):
        raise ManifestError(
            f"{path.name} is no environment of conda, it has no dependencies",
            identifier="import-no-dependencies",
            where=str(path),
            hint="name the file that `conda env export` writes",
        )
    return root


def _entries(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value


def _items(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reading:
    """Puts the keys of one file into an assembly; `directory` is where the file is."""

    def __init__(self, assembly: Assembly, directory: Path) -> None:
        self.assembly = assembly
        self.directory = directory

    def name(self, node: yaml.Node) -> None:
        """Pass over the name: an environment is called after its directory."""

    def channels(self, node: yaml.Node) -> None:
        for item in _items(node):
            self.assembly.line = _line(item)
            if isinstance(item, yaml.ScalarNode) and item.value not in _DEFAULT_CHANNELS:
                note = "packages come from PyPI and Debian; make what only this channel has with a recipe in [build]"
                self.assembly.remark("approximated", f"channel {item.value}", note)

    def dependencies(self, node: yaml.Node) -> None:
        for item in _items(node):
            self.assembly.line = _line(item)
            if isinstance(item, yaml.ScalarNode):
                self.dependency(item.value)
            else:
                for key, section in _entries(item):
                    self.pip(section) if key == "pip" else self.assembly.remark("left", key, "no section that is known")

    def dependency(self, text: str) -> None:
        spec = parse_conda(text)
        if spec is None:
            self.assembly.remark("left", text, "it cannot be read")
        elif spec.name == "python":
            self.python(text, spec)
        elif NEEDLESS.fullmatch(spec.name):
            self.assembly.remark("taken", text, "not needed: wheels, or every environment, bring it")
        else:
            self.package(text, spec)

    def python(self, text: str, spec: CondaSpec) -> None:
        """Choose a suite by the Python it has: the interpreter of an environment is Debian's."""
        wanted = SpecifierSet(spec.version)
        patched = {suite: [f"{minor}.{patch}" for patch in range(40)] for suite, minor in PYTHON_OF_SUITE.items()}
        fitting = [suite for suite, versions in patched.items() if any(map(wanted.contains, versions))]
        suite = next((each for each in ("bookworm", "trixie", "bullseye") if each in fitting), "trixie")
        self.assembly.choose(suite=suite)
        self.assembly.install("python3", DebInstall(deb="python3"))
        note = f"Python {PYTHON_OF_SUITE[suite]} of Debian {suite}"
        self.assembly.remark("taken" if fitting else "approximated", text, note)

    def package(self, text: str, spec: CondaSpec) -> None:
        ecosystem, _, name = PACKAGES.get(spec.name, _by_rule(spec.name)).partition(":")
        if ecosystem == "deb":
            note = f"Debian's {name}" + (", whose version is the suite's" if spec.version else "")
            fate: Fate = "approximated" if spec.version else "taken"
            self.assembly.take(text, spec.name, DebInstall(deb=name), fate=fate, note=note)
            return
        known = spec.name in PACKAGES
        note = "" if known else "by its name on PyPI"
        note = note if spec.exact else f"{note}; without the build or version that only conda has".lstrip("; ")
        install = PypiInstall(pypi=f"{name}{spec.version}")
        self.assembly.take(text, spec.name, install, fate="taken" if spec.exact else "approximated", note=note)

    def pip(self, node: yaml.Node) -> None:
        for item in _items(node):
            self.assembly.line = _line(item)
            if not isinstance(item, yaml.ScalarNode):
                continue
            option, _, rest = item.value.strip().partition(" ")
            if option in {"-r", "--requirement", "-c", "--constraint"}:
                file = str(self.directory / rest.strip())
                self.assembly.requirement(item.value, ["-r" if option in {"-r", "--requirement"} else "-c", file])
            elif option in {"-e", "--editable"}:
                self.assembly.requirement(item.value, [rest.strip()])
            elif item.value.startswith("-"):
                note = "which index packages come from is configuration (uv.toml, pip.conf)"
                self.assembly.remark("approximated", option, note)
            else:
                self.assembly.requirement(item.value, [item.value])

    def variables(self, node: yaml.Node) -> None:
        for key, value in _entries(node):
            self.assembly.line = _line(value)
            if isinstance(value, yaml.ScalarNode):
                self.assembly.variable(key, literal(value.value))
                self.assembly.remark("taken", f"{key}={value.value}", f"vars.{key}")


def _by_rule(name: str) -> str:
    """Return what a package is called that the table does not have: R's in Debian, all others on PyPI."""
    if name.startswith("r-"):
        return f"deb:r-cran-{name.removeprefix('r-')}"
    return f"pypi:{name}"


_HANDLERS = {
    "channels": _Reading.channels,
    "dependencies": _Reading.dependencies,
    "name": _Reading.name,
    "prefix": _Reading.name,
    "variables": _Reading.variables,
}
