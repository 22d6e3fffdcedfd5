"""Calls of package managers as installs: apt-get, pip, uv and Poetry; and calls that mean nothing without an image.

Options: apt-get(8), `pip install --help`, `uv pip install --help`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from breakbulk.importing.assembly import Assembly
from breakbulk.importing.dockerfile.shell_steps import Step
from breakbulk.manifest.schema import DebInstall, PathInstall

__all__ = ["Installers", "program_of"]

_APT = {"apt-get", "apt", "aptitude"}
_APT_WITH_VALUE = {"-t", "--target-release", "--default-release", "-o", "--option", "-c", "--config-file", "-a"}
_APT_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+?)(?::(?P<architecture>[a-z0-9]+))?"
                       r"(?:=(?P<version>[^/\s]+)|/(?P<suite>\S+))?")  # fmt: skip
_WITHOUT = re.compile(r"(?i)(-o)?APT::Install-Recommends=(0|false|no)")
_PIP = re.compile(r"pip(?:3(?:\.\d+)?)?")
_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")
_PIP_WITH_VALUE = {
    "-t", "--target", "--prefix", "--root", "-i", "--index-url", "--extra-index-url", "-f", "--find-links",
    "--trusted-host", "--timeout", "--retries", "--cache-dir", "--python", "-p", "--platform", "--only-binary",
    "--no-binary", "--progress-bar", "--python-version", "--src", "--log", "--proxy", "--cert", "--client-cert",
    "--upgrade-strategy", "--root-user-action", "--config-settings", "-C", "--global-option", "--index",
    "--default-index", "--index-strategy", "--keyring-provider", "--resolution", "--prerelease", "--exclude-newer",
    "--link-mode", "--only-group", "--group", "--extra", "--project", "--directory",
}  # fmt: skip
_PIP_FILES = {"-r": "-r", "--requirement": "-r", "--requirements": "-r", "-c": "-c", "--constraint": "-c",
              "--constraints": "-c", "-e": "-e", "--editable": "-e"}  # fmt: skip
_PREFIXES = {"sudo", "exec", "command", "time", "env"}
_PROJECTS = {("uv", "sync"), ("poetry", "install"), ("pdm", "install"), ("pdm", "sync"), ("hatch", "env")}
_TOOLS = {"pip", "setuptools", "wheel", "uv", "poetry", "pipenv", "pdm", "hatch", "virtualenv"}
_PROJECT_FILES = ("pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "setup.py", "setup.cfg")
_NEEDLESS = {
    ("apt-get", "update"), ("apt", "update"), ("apt-get", "clean"), ("apt", "clean"), ("apt-get", "autoclean"),
    ("apt-get", "autoremove"), ("apt", "autoremove"), ("apt-get", "upgrade"), ("apt", "upgrade"), ("pip", "cache"),
    ("apt-get", "dist-upgrade"), ("apt-mark", "auto"), ("apt-mark", "manual"), ("poetry", "config"),
}  # fmt: skip


def program_of(words: Sequence[str | None]) -> tuple[str, list[str | None]]:
    """Return the program that is called, without its directory, and its arguments; `sudo` and `env` call another."""
    rest = list(words)
    while rest and (rest[0] in _PREFIXES or (rest[0] is not None and re.match(r"[A-Za-z_]\w*=", rest[0]))):
        rest.pop(0)
    program = PurePosixPath(rest[0] or "").name if rest else ""
    if _PYTHON.fullmatch(program) and rest[1:2] == ["-m"] and len(rest) > 2:
        return rest[2] or "", rest[3:]
    if program == "uv" and rest[1:2] == ["pip"]:
        return "pip", rest[2:]
    return ("pip" if _PIP.fullmatch(program) else program), rest[1:]


class Installers:
    """Puts what package managers are called for into an assembly.

    Attributes:
        consumed: The files of the build context that were read, or stand for packages.

    """

    def __init__(self, assembly: Assembly, on_host: Callable[[str], Path | None], *, system: bool = True) -> None:
        self._assembly = assembly
        self._on_host = on_host
        self._system = system
        self.consumed: set[Path] = set()

    def take(self, step: Step) -> bool:
        """Take over what one call installs; return False for a call that this module does not know."""
        program, arguments = program_of(step.words)
        verb = next((word for word in arguments if word is not None and not word.startswith("-")), None)
        if (program, verb) in _NEEDLESS or _cleans(program, arguments):
            return True
        if not step.certain and (program in _APT or program == "pip"):
            self._assembly.remark("left", str(step), "it happens only under a condition, which is not known here")
            return True
        if program in _APT and verb == "install":
            self._apt(step, arguments)
        elif program == "pip" and verb == "install":
            self._pip(step, arguments)
        elif (program, verb) in _PROJECTS:
            self._project(step)
        elif program == "venv" or (program, verb) == ("uv", "venv") or program == "virtualenv":
            self._assembly.remark("taken", str(step), "not needed: an environment has one set of Python packages")
        else:
            return False
        return True

    def _apt(self, step: Step, arguments: list[str | None]) -> None:
        if not self._system:
            self._assembly.remark("left", str(step), "tools of a stage that only builds")
            return
        suite, names = _apt_arguments(arguments)
        for name in names:
            self._deb(step, name, suite)
        if not any(map(_no_recommends, arguments)):
            note = "recommended packages are not installed: name those that you need"
            self._assembly.remark("approximated", str(step), note)

    def _deb(self, step: Step, word: str | None, suite: str | None) -> None:
        match = _APT_NAME.fullmatch(word.rstrip("+")) if word is not None else None
        if word is None or match is None:
            why = "only running would tell the name" if word is None else "no name of a package"
            self._assembly.remark("left", word or str(step), why)
        elif word.endswith("-"):
            self._assembly.remark("left", word, "packages are not removed, they are not there")
        else:
            install = DebInstall(deb=match["name"], version=match["version"], suite=match["suite"] or suite)
            self._assembly.take(word, match["name"], install)

    def _pip(self, step: Step, arguments: list[str | None]) -> None:
        for option, value in _pip_arguments(arguments):
            if value is None:
                self._assembly.remark("left", str(step), "only running would tell what is installed")
            elif option in {"-r", "-c"}:
                self._file(option, value)
            elif option == "-e" or _is_directory(value):
                self._directory(value)
            elif value.lower() not in _TOOLS:
                self._assembly.requirement(value, [value])

    def _file(self, option: str, path: str) -> None:
        found = self._on_host(path)
        if found is None or not found.is_file():
            self._assembly.remark("left", f"{option} {path}", "the file is not in the build context")
            return
        self.consumed.add(found)
        if found.name == "pyproject.toml":
            self._install_project(f"{option} {path}", found.parent)
        else:
            self._assembly.requirement(f"{option} {path}", [option, str(found)])

    def _directory(self, path: str) -> None:
        bare, _, extras = path.partition("[")
        found = self._on_host(bare) or self._project_of(bare)
        if "://" in path:
            self._assembly.requirement(path, [path])
        elif found is None or not found.is_dir():
            self._assembly.remark("left", path, "the directory is not in the build context")
        else:
            self._install_project(path, found, tuple(filter(None, extras.rstrip("]").split(","))))

    def _project_of(self, path: str) -> Path | None:
        """Return the directory of the project of which only some files were copied to `path`."""
        files = (self._on_host(f"{path}/{name}") for name in ("pyproject.toml", "setup.py"))
        return next((file.parent for file in files if file is not None), None)

    def _project(self, step: Step) -> None:
        file = self._on_host("pyproject.toml")
        if file is None:
            self._assembly.remark("left", str(step), "pyproject.toml is not in the build context")
        else:
            self._install_project(str(step), file.parent)

    def _install_project(self, source: str, directory: Path, extras: tuple[str, ...] = ()) -> None:
        self.consumed |= {directory / name for name in _PROJECT_FILES}
        relative = os.path.relpath(directory, self._assembly.directory)
        path = relative if relative.startswith(".") else f"./{relative}"
        name = directory.resolve().name
        self._assembly.take(source, name, PathInstall(path=path, extras=extras), note="the project, with what it needs")


def _cleans(program: str, arguments: list[str | None]) -> bool:
    """Tell whether a call only tidies an image, or a shell, up."""
    if program in {"rm", "find"}:
        paths = [word or "" for word in arguments if not (word or "").startswith("-")]
        return bool(paths) and all(re.match(r"/var/(lib/apt|cache)|/tmp|/root/\.cache|~/\.cache", p) for p in paths)
    return program in {"set", "true", ":", "echo", "cd", "ldconfig", "printf", "[", "[[", "test"}


def _no_recommends(word: str | None) -> bool:
    return word is not None and (word == "--no-install-recommends" or _WITHOUT.fullmatch(word) is not None)


def _apt_arguments(arguments: list[str | None]) -> tuple[str | None, list[str | None]]:
    """Return the suite that is asked for and the packages, which follow the verb."""
    suite: str | None = None
    names: list[str | None] = []
    words = iter(arguments)
    for word in words:
        if word in _APT_WITH_VALUE:
            value = next(words, None)
            suite = value if word in {"-t", "--target-release", "--default-release"} else suite
        elif word is None or not word.startswith("-"):
            names.append(word)
    return suite, names[1:]


def _pip_arguments(arguments: list[str | None]) -> Iterator[tuple[str, str | None]]:
    """Yield what is to be installed: ("-r", file), ("-c", file), ("-e", project), ("", requirement)."""
    words = iter(arguments)
    verb = False
    for word in words:
        option, equals, value = (word or "").partition("=")
        if word is not None and option in _PIP_FILES:
            yield _PIP_FILES[option], value if equals and option.startswith("--") else next(words, None)
        elif word is not None and word[:2] in {"-r", "-c", "-e"} and len(word) > 2 and word[1] != "-":
            yield word[:2], word[2:]
        elif word in _PIP_WITH_VALUE:
            next(words, None)
        elif word is None or not word.startswith("-"):
            if verb:
                yield "", word
            verb = True


def _is_directory(word: str) -> bool:
    return word.partition("[")[0] in {".", ".."} or word.startswith(("./", "../", "/"))
