"""Put our runtimes into containerd's configuration, and take them out: nothing else of it may become different.

Where they go is tried out, not concluded. In this order:

    a file of our own, where the configuration imports `DIRECTORY/*.toml`
    the template from which k3s or RKE2 write the configuration whenever they start
    the end of the main file
    the end of an imported file, when that one takes the place of all that the main file says of runtimes: containerd
    1.7 with NVIDIA's toolkit

containerd is asked what it would make of a copy of everything, changed; the first change that gives exactly what was
there, and ours, is made, asked for once more, and taken back if the answer is another one. Files are replaced whole.
The text of a file that somebody else wrote is kept, once, as `NAME.breakbulk-backup`.
"""

from __future__ import annotations

import fnmatch
import glob
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from breakbulk.errors import PlatformError
from breakbulk.lock.replacing import replace_file
from breakbulk.node.installing import configuration
from breakbulk.node.installing.containerd import merged, refused
from breakbulk.node.installing.runtimes import Merged, Table, differences, lost_runtimes, tables, wanted
from breakbulk.node.place import NodePlace

__all__ = ["Change", "Registration", "prepare_registration", "prepare_removal", "written_files"]

FILE_NAME = "breakbulk.toml"
_BACKUP = ".breakbulk-backup"
_BASE_TEMPLATE = '{{ template "base" . }}\n'
"""A template that comes to what Kubernetes would have written without one."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one file becomes: its text before and after, None where there is no such file."""

    path: Path
    before: str | None
    after: str | None


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that containerd agrees with; none when everything is as it should be.

    Attributes:
        place: Of the node.
        before: What containerd made of its configuration; None where nobody has to agree.
        runtimes: Those that are ours.
        changes: Of files.
        rendered: Whether Kubernetes writes the main file from a template when it starts, so that nobody can ask before.

    """

    place: NodePlace
    before: Merged | None
    runtimes: dict[str, Table]
    changes: tuple[Change, ...]
    rendered: bool = False

    def commit(self) -> None:
        """Make the changes, and take them back where containerd makes something else of them than it did of the copy.

        Raises:
            PlatformError: `containerd-config-refused`, `containerd-config-not-writable`.

        """
        for change in self.changes:
            _keep_original(change)
            _write(change.path, change.after)
        if self.before is None or self.rendered or not self.changes:
            return
        try:
            wrong = differences(self.before, _current(self.place), self.runtimes, str(self.place.runtime))
        except PlatformError:
            self.undo()
            raise
        if wrong:
            self.undo()
            raise refused(self.place.containerd_config, "; ".join(wrong[:5]))

    def undo(self) -> None:
        """Put back what was there; raise `PlatformError`."""
        for change in self.changes:
            _write(change.path, change.before)


def prepare_registration(place: NodePlace) -> Registration:
    """Return the changes that give containerd our runtimes, tried out.

    Raises:
        PlatformError: `containerd-missing`, `containerd-config-refused`, `containerd-config-old`,
            `containerd-cri-disabled`, `runtime-names-taken`.

    """
    files = _Files.read(place)
    plain = files.without_ours()
    current = _current(place)
    before = current if plain == files else _trial(place, plain)
    if isinstance(before, str):
        raise refused(files.main, before)
    runtimes = wanted(before, str(place.runtime))
    _check(files, before, runtimes)
    if not differences(before, current, runtimes, str(place.runtime)) and not files.only_rendered():
        return Registration(place=place, before=before, runtimes=runtimes, changes=())
    version = configuration.version_of(plain.texts[files.main] or "") or before.version
    problems = []
    for path in plain.candidates():
        block = runtimes
        for _ in range(2):
            after = plain.put(path, tables(block, version), version)
            outcome = _trial(place, after)
            if isinstance(outcome, Merged):
                wrong = differences(before, outcome, runtimes, str(place.runtime))
                if not wrong:
                    return Registration(
                        place=place,
                        before=before,
                        runtimes=runtimes,
                        changes=tuple(files.changes(after)),
                        rendered=files.template is not None and path == files.template,
                    )
                block = {**lost_runtimes(before, outcome, str(place.runtime)), **runtimes}
                problem = "; ".join(wrong[:3])
            else:
                problem = outcome
        problems.append(f"{path}: {problem}")
    raise refused(files.main, " | ".join(problems) or "there is no file that could be changed")


def prepare_removal(place: NodePlace) -> Registration:
    """Return the changes that take our runtimes out; containerd need not be there any more."""
    files = _Files.read(place)
    return Registration(place=place, before=None, runtimes={}, changes=tuple(files.changes(files.without_ours())))


def written_files(place: NodePlace) -> list[Path]:
    """Return the files that have something of ours, those that are written by Kubernetes itself left out."""
    files = _Files.read(place)
    return [path for path in files.texts if files.is_ours(path) and not (files.template and path == files.main)]


class _Files(msgspec.Struct, frozen=True, kw_only=True):
    """Texts of the files that make up a configuration.

    Attributes:
        main: The file that containerd is started with.
        texts: Of the main file, of what it imports, of its template, of a file of our own; None where there is none.
        template: What the main file is written from, if it is.
        patterns: What the main file imports, absolute.

    """

    main: Path
    texts: dict[Path, str | None]
    template: Path | None
    patterns: tuple[str, ...]

    @classmethod
    def read(cls, place: NodePlace) -> _Files:
        """Read them; raise `PlatformError` (`containerd-config-refused`) for a main file that is no TOML."""
        main = place.containerd_config
        text = _text(main)
        try:
            imports = configuration.imports_of(text or "")  # defaults are not imported where there is no file
        except tomllib.TOMLDecodeError as error:
            raise refused(main, f"it is no TOML: {error}") from error
        patterns = tuple(str(main.parent / pattern) for pattern in imports)
        name = configuration.template_of(text or "")
        template = main.parent / name if name else None
        paths = [main, *_imported(patterns), *_own_files(patterns), *([template] if template else [])]
        return cls(main=main, texts={path: _text(path) for path in paths}, template=template, patterns=patterns)

    def is_ours(self, path: Path) -> bool:
        """Say whether a file has something of ours."""
        return configuration.BEGIN in (self.texts[path] or "")

    def only_rendered(self) -> bool:
        """Say whether what the main file has of us will be gone when Kubernetes writes it again."""
        return self.template is not None and self.is_ours(self.main) and not self.is_ours(self.template)

    def without_ours(self) -> _Files:
        """Return these files as they were without us."""
        plain = {path: text and configuration.without_block(text) for path, text in self.texts.items()}
        if self.template is not None and self.is_ours(self.template) and plain[self.template] == _BASE_TEMPLATE:
            plain[self.template] = None
        return msgspec.structs.replace(self, texts=plain)

    def candidates(self) -> Iterator[Path]:
        """Yield the files that our runtimes may go to."""
        yield from _own_files(self.patterns)
        if self.template is not None:
            yield self.template
            return
        yield self.main
        for path in reversed(self.texts):
            if path != self.main and path.name != FILE_NAME and self.texts[path] is not None:
                yield path

    def put(self, path: Path, block: str, version: int) -> _Files:
        """Return these files with a block at the end of one; the block says what a file has to say and does not."""
        text = self.texts[path]
        if path == self.template:
            text = _BASE_TEMPLATE if text is None else text
        elif configuration.is_silent(text or ""):
            block = f"version = {version}\n\n{block}"
        return msgspec.structs.replace(self, texts={**self.texts, path: configuration.with_block(text, block)})

    def imported(self) -> list[Path]:
        """Return what the main file imports, in the order in which containerd does."""
        there = {path for path, text in self.texts.items() if text is not None}
        return [path for pattern in self.patterns for path in sorted(there) if _matches(path, pattern)]

    def changes(self, after: _Files) -> Iterator[Change]:
        """Yield what is different afterwards; what Kubernetes writes itself is left to it."""
        for path, text in self.texts.items():
            if after.texts[path] != text and not (self.template and path == self.main):
                yield Change(path=path, before=text, after=after.texts[path])


def _current(place: NodePlace) -> Merged:
    return merged(place.containerd, place.containerd_config)


def _check(files: _Files, before: Merged, runtimes: Mapping[str, Table]) -> None:
    """Refuse what no change of ours would mend."""
    if before.disabled:
        raise PlatformError(
            "containerd's plugin for Kubernetes is switched off",
            identifier="containerd-cri-disabled",
            where=str(files.main),
            why="`disabled_plugins` names it, as in Docker's packages of containerd",
            hint="take `cri` out of `disabled_plugins` and restart containerd; kubelet cannot use it otherwise",
        )
    if _is_old(files.texts[files.main] or ""):
        raise PlatformError(
            "containerd's configuration has version 1",
            identifier="containerd-config-old",
            where=str(files.main),
            why="in that version runtimes are configured in another way",
            hint=f"`containerd --config {files.main} config migrate` prints it in a version that can be used",
        )
    if not runtimes:
        raise PlatformError(
            "both names of our runtimes are taken by runtimes of others",
            identifier="runtime-names-taken",
            where=str(files.main),
            hint="remove the runtimes `breakbulk` and `flox` from the configuration",
        )


def _is_old(text: str) -> bool:
    document = tomllib.loads(text)
    return document.get("version") == 1 or (
        "version" not in document and any("." not in name for name in document.get("plugins") or {})
    )


def _trial(place: NodePlace, files: _Files) -> Merged | str:
    """Return what containerd would make of these texts, or what it has against them."""
    with tempfile.TemporaryDirectory(prefix="breakbulk-containerd-") as directory:
        main = Path(directory) / "config.toml"
        try:
            main.write_text(_main_of_copy(files, Path(directory)), encoding="utf-8")
            return merged(place.containerd, main)
        except ValueError as error:
            return str(error)
        except PlatformError as error:
            if error.reference != "containerd-config-refused":
                raise
            return error.why or error.message


def _main_of_copy(files: _Files, directory: Path) -> str:
    """Return the text of a main file that imports, instead of files that would change, copies in a directory."""
    text = files.texts[files.main] or ""
    if files.template is not None and files.is_ours(files.template):
        text = f"{text}\n{_block_of(files.texts[files.template] or '')}"
    imported = []
    for number, path in enumerate(files.imported()):
        now = files.texts[path] or ""
        copy = directory / f"{number}.toml"
        copy.write_text(now, encoding="utf-8")
        imported.append(str(copy if now != _text(path) else path))
    return configuration.with_imports(text, imported) if imported else text


def _block_of(text: str) -> str:
    """Return what our block adds to a template."""
    return text[text.index(configuration.BEGIN) :]


def _imported(patterns: Sequence[str]) -> list[Path]:
    return [Path(path) for pattern in patterns for path in sorted(glob.glob(pattern)) if Path(path).is_file()]


def _own_files(patterns: Sequence[str]) -> list[Path]:
    """Return where a file of our own would be imported."""
    return [
        Path(pattern).with_name(FILE_NAME)
        for pattern in patterns
        if not glob.has_magic(str(Path(pattern).parent)) and fnmatch.fnmatchcase(FILE_NAME, Path(pattern).name)
    ]


def _matches(path: Path, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path.name, Path(pattern).name) and fnmatch.fnmatchcase(
        str(path.parent), str(Path(pattern).parent)
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise refused(path, str(error)) from error


def _keep_original(change: Change) -> None:
    """Keep the text of a file that we are about to change for the first time; forget it when we are out of it."""
    backup = change.path.with_name(change.path.name + _BACKUP)
    if change.after is None or configuration.BEGIN not in change.after:
        backup.unlink(missing_ok=True)
    elif change.before is not None and configuration.BEGIN not in change.before:
        _write(backup, change.before)


def _write(path: Path, text: str | None) -> None:
    """Give a file a text, through a link to it as well, or remove it."""
    try:
        target = path.resolve()
        if text is None:
            target.unlink(missing_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        replace_file(target, text.encode(), mode)
    except OSError as error:
        raise PlatformError(
            "containerd's configuration cannot be written",
            identifier="containerd-config-not-writable",
            where=str(path),
            why=error.strerror,
            hint="run as root; where the system writes this file itself, configure the runtimes there: "
            "`breakbulk node install --print` shows what is needed",
        ) from error
