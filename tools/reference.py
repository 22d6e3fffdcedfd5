"""Write docs/reference from the code: commands, settings, errors, the library; and the table of docs/manifest.md.

`--check` only says whether docs/reference is up to date.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path

import click

import breakbulk
from breakbulk.cli.main import program
from breakbulk.cli.variables import VARIABLES
from breakbulk.errors import BreakbulkError
from breakbulk.manifest.reference import table
from breakbulk.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))
from error_identifiers import Use, find_classes, find_uses

ROOT = Path(__file__).resolve().parent.parent
GENERATED = "<!-- Written by `make reference` from the code; change the code instead. -->"


def main() -> int:
    """Write the pages, or compare them with what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--directory", type=Path, default=ROOT / "docs" / "reference")
    options = parser.parse_args()
    outdated = [name for name, text in pages().items() if _text(options.directory / name) != text]
    if options.check:
        for name in outdated:
            print(f"docs/reference/{name} is out of date: run `make reference`", file=sys.stderr)
        return 1 if outdated else 0
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (options.directory / name).write_text(text, encoding="utf-8")
    renew_manifest_table(ROOT / "docs" / "manifest.md")
    return 0


def renew_manifest_table(page: Path) -> None:
    """Replace the last table of the manifest's page, which is that of all keys."""
    before, head, _ = page.read_text(encoding="utf-8").rpartition(table().splitlines()[0])
    if head:
        page.write_text(before + table(), encoding="utf-8")


def pages() -> dict[str, str]:
    """Return every page by its file name."""
    return {
        "commands.md": commands_page(),
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "library.md": library_page(),
    }


def library_page() -> str:
    """Return the page of what `from breakbulk import ...` gives."""
    parts = [
        GENERATED,
        "# Library",
        "",
        "```python",
        "from breakbulk import " + ", ".join(breakbulk.__all__),
        "```",
        "",
    ]
    for name in breakbulk.__all__:
        value = getattr(breakbulk, name)
        parts += [f"## `{name}{_signature(value)}`", "", *_documented(value), ""]
        if inspect.isclass(value):
            for member, function in vars(value).items():
                if not member.startswith("_") and (doc := inspect.getdoc(function)) and _is_member(function):
                    shown = f"{member}{_signature(getattr(value, member))}"
                    parts += [f"### `{name}.{shown}`", "", *_text_of(doc), ""]
    return "\n".join(parts)


def _is_member(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, classmethod | property | cached_property)


def _signature(value: object) -> str:
    if not callable(value) or (
        inspect.isclass(value) and (issubclass(value, Exception) or getattr(value, "_is_protocol", False))
    ):
        return ""
    try:
        shown = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))
        return shown.replace("(self, ", "(").replace("(self)", "()")
    except (ValueError, NameError):  # a value whose types are imported for type checkers only
        return ""


def _documented(value: object) -> list[str]:
    return _text_of(inspect.getdoc(value) or "")


def _text_of(doc: str) -> list[str]:
    """Return a docstring as Markdown: its sections of arguments and errors as they are, in a block."""
    summary, _, rest = doc.partition("\n\n")
    return [summary, *(["", "```text", rest.rstrip(), "```"] if rest.strip() else [])]


def commands_page() -> str:
    """Return the page of all commands with their help, as the program prints it."""
    parts = [GENERATED, "# Commands", ""]
    for words, command in every_command(program, (program.name or "",)):
        context = click.Context(command, info_name=words, max_content_width=100, terminal_width=100)
        parts += [f"## `{words}`", "", "```text", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(parts)


def every_command(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all below it, by the words that call them."""
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if inner := command.get_command(context, name):
                yield from every_command(inner, (*path, name))


def settings_page() -> str:
    """Return the page of the environment variables."""
    lines = [GENERATED, "# Settings", "", "Settings are environment variables.", ""]
    lines += ["| variable | meaning |", "| --- | --- |"]
    lines += [f"| `{variable}` | {_cell(meaning)} |" for variable, meaning in [*Settings.documented(), *VARIABLES]]
    return "\n".join([*lines, ""])


def errors_page() -> str:
    """Return the page of errors by exit code, each class with the identifiers it is raised with."""
    sources = sorted(Path(breakbulk.__path__[0]).rglob("*.py"))
    classes = error_classes(sources)
    uses = find_uses(sources, [error.__name__ for error in classes])
    lines = [
        GENERATED,
        "# Errors",
        "",
        "Every error has a stable identifier, shown as `error[IDENTIFIER]` and, with `--json`, as `error`. The exit",
        "code is that of its family. `breakbulk run` otherwise ends with the exit code of the command it ran.",
        "",
    ]
    families = {error.__name__: _family_of(error) for error in classes}
    for family in dict.fromkeys(families.values()):
        if family is not BreakbulkError:
            lines += _section(family, sorted(use for use in uses if families[use.error] is family))
    return "\n".join(lines)


def _family_of(error: type[BreakbulkError]) -> type[BreakbulkError]:
    """Return the class under which users know an error: of a private class its nearest public base."""
    return next(base for base in error.__mro__ if not base.__name__.startswith("_"))


def error_classes(sources: Iterable[Path]) -> list[type[BreakbulkError]]:
    """Return every class of errors of the program, by exit code."""
    package = Path(breakbulk.__path__[0])
    found = []
    for name, path in find_classes(sources, BreakbulkError.__name__).items():
        module = ".".join(("breakbulk", *path.relative_to(package).with_suffix("").parts))
        found.append(getattr(import_module(module), name))
    return sorted(found, key=lambda error: (error.exit_code, error.__name__))


def _section(error: type[BreakbulkError], uses: list[Use]) -> list[str]:
    summary = (error.__doc__ or "").strip().splitlines()[0]
    retry = " Trying again may help." if error.retryable else ""
    lines = [f"## {error.exit_code}: {error.__name__}", "", f"{summary}{retry}", ""]
    lines += ["| identifier | what | fix |", "| --- | --- | --- |"]
    rows: dict[str, Use] = {}
    for use in uses:
        name = use.identifier or error.identifier
        known = rows.get(name)
        if known is None or (len(use.hint), use.what) > (len(known.hint), known.what):
            rows[name] = use
    rows.setdefault(error.identifier, Use(error.__name__, "", "", ""))
    lines += [f"| `{name}` | {_cell(use.what)} | {_cell(use.hint)} |" for name, use in sorted(rows.items())]
    return [*lines, ""]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
