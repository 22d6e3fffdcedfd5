"""Compile Python sources to bytecode: runs on the environment's own Python, 3.9 or newer, standard library only.

The far side of `bytecode`, confined to the interpreter's packages and the staging directory. Reads lines of JSON
[root, [path, ...]] with paths relative to `root`, and answers each with a line [[size, sha256] or null, ...]: null for
a source that does not compile, which is left alone as pip leaves it. The first line it writes is its cache tag.

Files are written as PEP 552 describes unchecked-hash pycs, with optimisation level 0 and the source's path as it will
be in the root file system, so equal sources give equal files whenever and wherever they are compiled.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import marshal
import os
import sys
import warnings
from importlib.util import MAGIC_NUMBER, source_hash
from types import CodeType

UNCHECKED = (1).to_bytes(4, "little")  # PEP 552: bit 0 says hash-based, bit 1 would say checked
SUFFIX = f".{sys.implementation.cache_tag}.pyc"
DAMAGED = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
NESTING = (CodeType, tuple, frozenset)
made: set[str] = set()


def compiled(root: str, path: str) -> tuple[int, str] | None:
    """Write the bytecode of one source beside it and return (size, digest); None when it does not compile."""
    source = read(f"{root}/{path}")
    try:
        code = compile(source, f"/{path}", "exec", dont_inherit=True, optimize=0)
    except DAMAGED:
        return None
    held: list[object] = []
    hold_strings(code, held)
    data = b"".join((MAGIC_NUMBER, UNCHECKED, source_hash(source), marshal.dumps(code)))
    directory, _, name = path.rpartition("/")
    cache = f"{root}/{directory}/__pycache__"
    if cache not in made:
        made.add(cache)
        with contextlib.suppress(FileExistsError):
            os.mkdir(cache, 0o755)  # noqa: PTH102
    descriptor = os.open(f"{cache}/{name[:-3]}{SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)
    return len(data), hashlib.sha256(data).hexdigest()


def read(path: str) -> bytes:
    """Read a file with few system calls: there are tens of thousands of files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size + 1)
    finally:
        os.close(descriptor)


def hold_strings(constants: CodeType | tuple[object, ...] | frozenset[object], held: list[object]) -> None:
    """Refer once more to every string of a code object, so that equal sources give equal bytes.

    marshal marks what may be referred to again by looking at the number of references. An interned string may have one
    more because some other module, compiled before, used it too: with two at least, it is marked always.
    """
    if isinstance(constants, CodeType):
        held += constants.co_names + constants.co_varnames + constants.co_freevars + constants.co_cellvars
        held += (constants.co_filename, constants.co_name, getattr(constants, "co_qualname", None))
        constants = constants.co_consts
    for constant in constants:
        if isinstance(constant, NESTING):  # a call for each constant would take twice as long
            hold_strings(constant, held)
        else:
            held.append(constant)


def main() -> None:
    """Serve until the input ends."""
    os.umask(0o022)
    warnings.simplefilter("ignore")
    for number in range(256):
        sys.intern(chr(number))  # shared by all modules: what one of them interns shows in the bytes of the next
    gc.freeze()
    gc.disable()
    say(sys.implementation.cache_tag)
    for line in sys.stdin:
        root, paths = json.loads(line)
        try:
            say(json.dumps([compiled(root, path) for path in paths]))
        except OSError as error:
            say(json.dumps({"errno": error.errno, "path": error.filename}))


def say(line: str) -> None:
    """Answer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
