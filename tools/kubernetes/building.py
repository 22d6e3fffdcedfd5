"""Build what a Kubernetes consists of from its Go modules, once, and print the directory of the programs.

usage: tools/kubernetes/build [VERSION]      (such as 1.35 or v1.35.4; by default the newest)

Programs lie in `parts/PART-KEY/` below `BREAKBULK_KUBERNETES` (by default `breakbulk/kubernetes` in the user's cache
directory). The key is a digest of everything that decides what comes out: go.mod, go.sum, flags, release of Go,
architecture. A part is built beside its place, and renamed once it is whole and on the disk: a build that is killed
leaves nothing that counts, and two builds at once wait for each other, part by part.

`VERSION/bin` leads to links to them. While it is incomplete (the first build of a version) it is renewed after each
part, so that one may begin with what is there; afterwards once, when all is built.

The last line of standard output is the directory; everything else goes to standard error.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from failures import NO_SPACE, BuildError
from go import Go, go_for, run_go
from locking import locked, say
from parts import NEWEST, Part, around, known_minors, kubernetes
from publishing import Links

LEAST_FREE_BYTES = 3 * 10**9  # while it links, go keeps objects several times as large as the programs
NICENESS = 10  # a build of minutes is not what its machine is for


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Build what is missing of one version; return the exit status."""
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.nice(NICENESS)
    try:
        print(build(release_of(arguments[0] if arguments else NEWEST), root_of(environment)))
    except BuildError as failure:
        say(str(failure))
        return 1
    except OSError as failure:
        if failure.errno != errno.ENOSPC:
            raise
        say(str(BuildError(NO_SPACE[0], why=str(failure), fix=NO_SPACE[1])))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def release_of(text: str) -> tuple[Part, ...]:
    """Return the parts of the version that a user named, Kubernetes itself first."""
    number = text.removeprefix("v")
    minor = ".".join(number.split(".")[:2])
    if minor in known_minors():
        itself = kubernetes(minor)
        if number in {minor, itself.version.removeprefix("v")}:
            return (itself, *around())
    known = ", ".join(kubernetes(minor).version for minor in known_minors())
    raise BuildError(
        f"there is no Kubernetes {text} here",
        why=f"every version is pinned beside this program, and these are: {known}",
        fix="name one of these, or pin another: tools/kubernetes/pin.py",
    )


def root_of(environment: Mapping[str, str]) -> Path:
    """Return the directory of what is built, as `breakbulk.settings.Settings.kubernetes` does."""
    configured = environment.get("BREAKBULK_KUBERNETES", "")
    if configured and not configured.startswith("/"):
        raise BuildError(
            "BREAKBULK_KUBERNETES is not an absolute path", why=f"it is {configured}", fix="give the whole path"
        )
    caches = environment.get("XDG_CACHE_HOME", "")
    cache = Path(caches) if caches.startswith("/") else Path(environment.get("HOME", "~")).expanduser() / ".cache"
    return Path(configured) if configured else cache / "breakbulk" / "kubernetes"


def build(parts: Sequence[Part], root: Path) -> Path:
    """Build the parts that are missing, link their programs, and return the directory of the links."""
    least = max(part.least_go for part in parts)
    builders = {part.name: go_for(part, least) for part in parts}
    places = {part.name: place_of(part, builders[part.name], root) for part in parts}
    programs = {program: places[part.name] / program for part in parts for program in part.programs}
    missing = [part for part in parts if not places[part.name].is_dir()]
    for part in missing:
        check_headers(part, builders[part.name])
    links = Links(root / parts[0].version)
    started = time.monotonic()
    for number, part in enumerate(missing, start=1):
        if not links.complete(programs):
            links.publish({name: program for name, program in programs.items() if program.exists()})
        build_part(part, places[part.name], f"{number} of {len(missing)}: {part.name} {part.version}")
    if missing:
        say(f"everything of {parts[0].version} is built, in {time.monotonic() - started:.0f} s")
    return links.publish(programs)


def place_of(part: Part, go: Go, root: Path) -> Path:
    """Return where a part is once it is built."""
    decides = {
        "go.mod": part.definition,
        "go.sum": (part.directory / "go.sum").read_text(encoding="utf-8"),
        "programs": dict(part.programs),
        "flags": part.flags,
        "go": go.release,
        "target": go.target,
    }
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    return root / "parts" / f"{part.name}-{key}"


def check_headers(part: Part, go: Go) -> None:
    """Say before the first minute what would fail after the last."""
    if not part.needs_libseccomp:
        return
    absent = [tool for tool in ("pkg-config", go.compiler.split()[0]) if not shutil.which(tool)]
    if absent or subprocess.run(["pkg-config", "--exists", "libseccomp"], check=False).returncode:
        raise BuildError(
            f"{part.name} cannot be built",
            why=f"there is no {' and no '.join(absent)}" if absent else "pkg-config knows no libseccomp",
            fix="apt-get install gcc libc6-dev libseccomp-dev pkg-config",
        )


def build_part(part: Part, place: Path, what: str) -> None:
    """Build all programs of a part into its place, unless another build does so meanwhile."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.parent / f".{place.name}.lock", waiting=f"{what}: another build is at it, waiting") as lock:
        if place.is_dir():
            return
        check_space(part, place.parent)
        staged = place.parent / f".{place.name}.staged"
        shutil.rmtree(staged, ignore_errors=True)  # of a build that was killed
        try:
            compile_into(staged, part, what, lock)
            settle(staged)
            staged.rename(place)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def check_space(part: Part, directory: Path) -> None:
    """Refuse to begin what would fill the disk."""
    free = shutil.disk_usage(directory).free
    if free < LEAST_FREE_BYTES:
        why = f"{free / 1e9:.1f} GB are free at {directory}, a build may take {LEAST_FREE_BYTES / 1e9:.0f} GB"
        raise BuildError(f"there is no space for {part.name}", why=why, fix=NO_SPACE[1])


def compile_into(staged: Path, part: Part, what: str, lock: int) -> None:
    """Run `go build` for all programs of a part, and name the results as the part does."""
    say(f"{what}: building {', '.join(part.programs)}")
    started = time.monotonic()
    compiled = staged / "compiled"
    compiled.mkdir(parents=True)
    run_go(["build", "-v", *part.flags, "-o", f"{compiled}/", *part.programs.values()], part, what, lock)
    for program, package in part.programs.items():
        target = staged / program
        target.parent.mkdir(exist_ok=True)
        (compiled / file_name(package)).rename(target)
    compiled.rmdir()
    say(f"{what}: built in {time.monotonic() - started:.0f} s")


def file_name(package: str) -> str:
    """Return how go calls the program of a package: the last element of its path that is not a major version."""
    elements = package.split("/")
    return elements[-2] if re.fullmatch(r"v\d+", elements[-1]) else elements[-1]


def settle(directory: Path) -> None:
    """Have everything below a directory on the disk: after a loss of power a name must not lead to half a program."""
    for path in (*directory.rglob("*"), directory):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
