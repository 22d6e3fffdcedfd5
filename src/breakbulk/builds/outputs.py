"""What a build left in `$out`, and the archive of it: equal files give equal bytes.

Normalised: times, owners and modes but for the executable bit are dropped, hard links are files of their own, and
bytecode whose source is beside it is left out, because the store compiles it without a time in it.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from breakbulk.builds.recipes import Recipe
from breakbulk.ecosystems.extraction import OWN, member_path
from breakbulk.ecosystems.source.packing import pack
from breakbulk.ecosystems.source.selection import Item, file_digest, tree_digest
from breakbulk.errors import ArchiveError, BuildError

__all__ = ["Output", "collect", "write_archive"]

_LEVEL = 9  # zstd: half a second for each 20 MB, and within some per cent of the best
_PYTHON = re.compile(r"(?:.*/)?lib/python(3\.\d+)/.*\.py")
_BYTECODE = re.compile(r"(?P<name>.+)\.[a-z]+-?[0-9]+(?:\.opt-[12])?\.pyc")
_PASSING = ("/build/", "/tmp/")  # noqa: S108 - of the build's own root


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What is in `$out`.

    Attributes:
        root: `$out` on this machine.
        items: Sorted by path.
        tree: Their digest.
        python: Minor version of the Python they are for, None when they are for none.
        notes: For the user.

    """

    root: Path
    items: tuple[Item, ...]
    tree: str
    python: str | None
    notes: tuple[str, ...] = ()


def collect(root: Path, recipe: Recipe) -> Output:
    """Return what a build left in `$out`, which is `root` on this machine.

    Raises:
        BuildError: `build-output-missing`; `build-output-invalid`: a file, link or name that no archive can have.

    """
    if not root.is_dir() or root.is_symlink():
        raise _missing(recipe, "there is none" if not root.exists() else "it is no directory")
    items = tuple(sorted(_walk(root, "", recipe), key=lambda item: item.path))
    if not any(item.kind != "directory" for item in items):
        raise _missing(recipe, "there is no file in it")
    passing = [item for item in items if item.kind == "link" and item.content.startswith(_PASSING)]
    notes = [f"{recipe.name}: {item.path} is a link to {item.content}, which no package has" for item in passing]
    return Output(root=root, items=items, tree=tree_digest(items), python=_python(items), notes=tuple(notes))


def write_archive(output: Output, file: IO[bytes]) -> None:
    """Write the archive: the tar of `source.packing`, compressed with zstd by one thread."""
    import zstandard

    with zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file, closefd=False) as stream:
        pack(output.root, output.items, stream)


def _walk(root: Path, prefix: str, recipe: Recipe) -> Iterator[Item]:
    """Yield what is below the directory `prefix` ("" or ending in a slash)."""
    with os.scandir(f"{root}/{prefix}") as entries:
        found = {entry.name: entry for entry in entries}
    for name, entry in found.items():
        path = prefix + name
        if entry.is_symlink():
            yield Item(_checked(path, recipe), "link", content=_link(root, path, recipe))
        elif entry.is_dir():
            inner = list(_walk(root, f"{path}/", recipe))
            if name != "__pycache__" or inner:
                yield Item(_checked(path, recipe), "directory")
                yield from inner
        elif not entry.is_file():
            kind = "removes what a package has" if stat.S_ISCHR(entry.stat().st_mode) else "is no file"
            raise _invalid(recipe, path, f"it {kind}")
        elif not _is_compiled(root, prefix, name):
            status = entry.stat()
            digest = file_digest(entry.path)
            yield Item(
                _checked(path, recipe),
                "file",
                executable=bool(status.st_mode & 0o100),
                content=digest,
                size=status.st_size,
            )


def _is_compiled(root: Path, prefix: str, name: str) -> bool:
    """Tell whether a file is bytecode of a source that is there too (PEP 3147)."""
    match = _BYTECODE.fullmatch(name) if prefix.endswith("__pycache__/") else None
    return match is not None and Path(root, prefix).parent.joinpath(f"{match['name']}.py").is_file()


def _python(items: tuple[Item, ...]) -> str | None:
    """Return the Python in whose directories there are sources: a virtual environment, or modules of a package."""
    return next((match[1] for item in items if item.kind == "file" and (match := _PYTHON.fullmatch(item.path))), None)


def _link(root: Path, path: str, recipe: Recipe) -> str:
    target = os.readlink(f"{root}/{path}")  # noqa: PTH115 - as text
    place = posixpath.dirname(posixpath.join(recipe.destination, path))
    depth = 0 if target.startswith("/") else place.count("/")
    for part in target.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            raise _invalid(recipe, path, f"it points to {target}, above the root")
    return target


def _checked(path: str, recipe: Recipe) -> str:
    """Return the path if an archive can hold it."""
    try:
        return member_path(path, archive=recipe.name, rules=OWN)
    except ArchiveError as error:
        raise _invalid(recipe, path.encode("utf-8", "replace").decode(), str(error.why)) from error


def _missing(recipe: Recipe, why: str) -> BuildError:
    return BuildError(
        f"the build of {recipe.label} left nothing in $out",
        identifier="build-output-missing",
        where=f"build.{recipe.table}.command",
        why=f"$out is {recipe.destination}, and {why}",
        hint='write the package there: mkdir -p "$out/bin" && cp hello "$out/bin/"',
    )


def _invalid(recipe: Recipe, path: str, why: str) -> BuildError:
    return BuildError(
        f"the build of {recipe.label} left something that no package can have",
        identifier="build-output-invalid",
        where=f"$out/{path}",
        why=why,
        hint=f"change build.{recipe.table}.command so that it leaves this out",
    )
