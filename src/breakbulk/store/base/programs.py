"""The environment's own programs that finish the base package: ldconfig, localedef, glib-compile-schemas, ...

What Debian's triggers would have run, each only where the program and its input are there. `planned` is pure; `run`
runs them in one confined root over the packages and the additions, and what they change is found in an upper directory.
Caches that would not be the same twice, or take seconds (font cache, TeX formats), are left to be made on first use;
what that needs, as the list of the formats, is made here.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from breakbulk.errors import ManifestError, StoreError
from breakbulk.store.confined import Completed, run_confined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from breakbulk.store.base.facts import Facts

__all__ = ["Program", "failed", "planned", "run"]

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "SOURCE_DATE_EPOCH": "0",
    "PKGSYSTEM_ENABLE_FSYNC": "0",  # update-mime-database; the commit of the tree makes it durable
}
_TEX_TREE = "/usr/share/texlive/texmf-dist"
_TEX = (
    "/usr/sbin/update-texmf",
    "/usr/sbin/update-updmap --quiet",
    "/usr/sbin/update-language --quiet",
    "/usr/sbin/update-fmtutil --quiet",
    "/usr/bin/mktexlsr",
    "/usr/bin/updmap-sys --nohash --quiet",
    "/usr/bin/mktexlsr /var/lib/texmf",
    "/usr/bin/rm -f /var/lib/texmf/web2c/updmap.log",  # says when it was written
)
"""What the postinst of tex-common does, in its order, less the formats."""
_SHELL = "/bin/sh"
_FAILED = "breakbulk-failed"


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program with its arguments.

    Attributes:
        argv: By absolute path.
        inputs: Paths that must be there for it to make sense, one of them being enough.
        last: Whether it waits for the others, which run at the same time.

    """

    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    last: bool = False


def _program(line: str, *inputs: str, last: bool = False) -> Program:
    return Program(argv=tuple(line.split()), inputs=inputs, last=last)


def _after_triggers(multiarch: str) -> tuple[Program, ...]:
    """Return the programs of Debian's file triggers, for libraries in /usr/lib/<multiarch>."""
    library = f"/usr/lib/{multiarch}"
    return (
        _program("/usr/bin/openssl rehash /etc/ssl/certs", "/usr/share/ca-certificates"),
        _program(f"{library}/glib-2.0/glib-compile-schemas /usr/share/glib-2.0/schemas", "/usr/share/glib-2.0/schemas"),
        _program(f"{library}/glib-2.0/gio-querymodules {library}/gio/modules", f"{library}/gio/modules"),
        _program(
            f"{library}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders --update-cache",
            f"{library}/gdk-pixbuf-2.0/2.10.0/loaders",
        ),
        _program("/usr/bin/update-mime-database /usr/share/mime", "/usr/share/mime/packages"),
        *(_program(line, _TEX_TREE, last=True) for line in _TEX),
    )


def planned(facts: Facts, locales: Sequence[str]) -> list[Program]:
    """Return the programs to run, in order.

    Raises:
        ManifestError: `locales-missing`, when locales are asked for and the package with their sources is not there.

    """
    programs = [*_locales(facts, locales), *_after_triggers(_multiarch(facts))]
    present = [
        program
        for program in programs
        if facts.kind(program.argv[0]) and any(facts.kind(path) for path in program.inputs)
    ]
    linker = Program(argv=("/sbin/ldconfig",), inputs=())
    return [linker, *present] if facts.kind(linker.argv[0]) else present


def _multiarch(facts: Facts) -> str:
    return {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}.get(facts.architecture, facts.architecture)


def _locales(facts: Facts, locales: Sequence[str]) -> list[Program]:
    """Return a call of localedef(1) per locale, a directory each; C, POSIX and C.UTF-8 are part of libc-bin."""
    asked = [locale for locale in locales if locale.partition(".")[0] not in ("C", "POSIX")]
    if asked and not facts.kind("/usr/share/i18n/locales"):
        raise ManifestError(
            f"the locale {asked[0]} cannot be made",
            identifier="locales-missing",
            where="options.locales",
            why="the sources of locales are in the Debian package locales, which the environment does not have",
            hint="breakbulk install deb:locales",
        )
    return [_locale(facts, locale) for locale in asked]


def _locale(facts: Facts, locale: str) -> Program:
    name, _, rest = locale.partition(".")
    charset, at, modifier = rest.partition("@")
    source = f"{name}{at}{modifier}"
    if not facts.kind(f"/usr/share/i18n/locales/{source}"):
        raise ManifestError(
            f"there is no locale {locale}",
            identifier="locale-unknown",
            where="options.locales",
            why=f"/usr/share/i18n/locales/{source} does not exist",
            hint="choose one of those in `breakbulk run -- ls /usr/share/i18n/locales`, such as de_DE.UTF-8",
        )
    options = ("--no-archive", "-c", "-i", source, "-f", charset or "UTF-8", "-A", "/usr/share/locale/locale.alias")
    return Program(argv=("/usr/bin/localedef", *options, locale), inputs=("/usr/share/i18n/locales",))


def run(programs: Sequence[Program], lowers: Sequence[Path], upper: Path, *, shell: bool) -> list[str]:
    """Run the programs over `lowers`; return a line for each that failed.

    With a shell they share one start; without one each has its own.

    Raises:
        StoreError: `base-program-failed`, when the shell itself does not run.

    """
    if not shell or len(programs) < 2:
        results = [(each, run_confined(lowers, each.argv, upper=upper, environment=ENVIRONMENT)) for each in programs]
        return [_line(each.argv[0], result) for each, result in results if result.status]
    result = run_confined(lowers, (_SHELL, "-c", _script(programs)), upper=upper, environment=ENVIRONMENT)
    if result.status:
        raise StoreError(
            "the programs that finish the base package did not run",
            identifier="base-program-failed",
            where=_SHELL,
            why=result.stderr.decode("utf-8", "replace").strip(),
        )
    return failed(result)


def _script(programs: Sequence[Program]) -> str:
    calls = {each: f"{{ {shlex.join(each.argv)} >/dev/null || echo {_FAILED} {each.argv[0]}; }}" for each in programs}
    together = [f"{call} &" for each, call in calls.items() if not each.last]
    return "\n".join([*together, "wait", *(call for each, call in calls.items() if each.last)])


def failed(result: Completed) -> list[str]:
    """Return a line for each program that the script says has failed, with the last words on its error stream."""
    lines = result.stdout.decode("utf-8", "replace").splitlines()
    named = [line.split()[1] for line in lines if line.startswith(_FAILED)]
    return [_line(name, result) for name in named]


def _line(program: str, result: Completed) -> str:
    said = result.stderr.decode("utf-8", "replace").strip().splitlines()
    last = said[-1] if said else "it said nothing"
    hint = '; options.base = "essential" has what Debian takes for granted' if last.endswith("not found") else ""
    return f"{program} failed while the base package was made: {last}{hint}"
