"""What the small world of the fault tests holds: Debian packages, wheels, and a signed archive of them.

Programs are this machine's own (a shell, and for wheels the Python of the tests), so that nothing is fetched.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from pysequoia import SignatureMode, Tsk, sign

SUITE = "stable"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
WORDS = random.Random(1).randbytes(400_000)  # noqa: S311 - the same in every run, and too large for one packet
GREETING = "hello from the environment"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
Members = Mapping[str, bytes | str]
"""Files by path; text is the target of a symbolic link."""


def tar_of(members: Members) -> bytes:
    """Return a tar with the directories that files need."""
    buffer = io.BytesIO()
    made: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members.items():
            for parent in reversed([str(each) for each in Path(name).parents if str(each) not in {".", ".."}]):
                if parent not in made:
                    made.add(parent)
                    info = tarfile.TarInfo(f"./{parent}")
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(info)
            info = tarfile.TarInfo(name if name.startswith("/") else f"./{name}")
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size, info.mode = len(data), 0o755 if "/bin/" in name or ".so" in name else 0o644
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def deb(name: str, members: Members, *, depends: str = "", version: str = "1.0") -> bytes:
    """Return a Debian package (deb(5)), its data not compressed: tests are many."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: {ARCHITECTURE}\nDescription: {name}\n"
    control += f"Depends: {depends}\n" if depends else ""
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(tar_of({"control": control.encode()}), mtime=0),
        "data.tar": tar_of(members),
    }
    file = [b"!<arch>\n"]
    for member, data in parts.items():
        file += [
            f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode(),
            data,
            b"\n" * (len(data) % 2),
        ]
    return b"".join(file)


def pool(name: str, version: str = "1.0") -> str:
    """Return the path of a package below the root of its archive."""
    return f"pool/main/{name[0]}/{name}/{name}_{version}_{ARCHITECTURE}.deb"


def signed_archive(
    debs: Mapping[str, tuple[bytes, str]],
    key: Any,
    *,
    date: datetime | None = None,
    valid_until: datetime | None = None,
) -> dict[str, bytes]:
    """Return a whole archive by path: `debs` are packages by name, each with its Depends."""
    files = {f"debian/{pool(name)}": data for name, (data, _) in debs.items()}
    paragraphs = []
    for name, (data, depends) in debs.items():
        fields = {"Package": name, "Version": "1.0", "Architecture": ARCHITECTURE, "Filename": pool(name)}
        fields |= {"Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest(), "Description": name}
        fields |= {"Depends": depends} if depends else {}
        paragraphs.append("".join(f"{field}: {value}\n" for field, value in fields.items()))
    index = gzip.compress("\n".join(paragraphs).encode(), mtime=0)
    path = f"main/binary-{ARCHITECTURE}/Packages.gz"
    head = {"Origin": "Test", "Suite": SUITE, "Codename": SUITE, "Date": format_datetime(date or datetime.now(UTC))}
    head |= {"Valid-Until": format_datetime(valid_until)} if valid_until else {}
    lines = [*(f"{field}: {value}" for field, value in head.items()), "SHA256:"]
    release = "\n".join([*lines, f" {hashlib.sha256(index).hexdigest()} {len(index)} {path}", ""]).encode()
    files[f"debian/dists/{SUITE}/{path}"] = index
    files[f"debian/dists/{SUITE}/InRelease"] = sign(key.signer(), release, mode=SignatureMode.CLEAR)
    return files


def shell_files() -> dict[str, bytes | str]:
    """Return this machine's /bin/sh with its libraries, at the paths of merged-/usr."""
    program = Path("/bin/sh").resolve()
    return {"usr/bin/sh": program.read_bytes(), **_libraries([program])}


def python_files() -> dict[str, bytes | str]:
    """Return the Python of the tests: program, libraries, and of its library what compiling and a greeting need."""
    program = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    library = Path(sysconfig.get_path("stdlib"))
    code = "import __future__, contextlib, gc, hashlib, json, marshal, warnings, importlib.util, types, site, sys\n"
    code += "print(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)), sep='\\n')"
    said = subprocess.run([program, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    modules = [Path(line) for line in said.splitlines() if Path(line).is_relative_to(library)]
    files: dict[str, bytes | str] = {f"usr/bin/python{PYTHON}": program.read_bytes()}
    for path in modules:
        files[f"usr/lib/python{PYTHON}/{path.relative_to(library)}"] = path.read_bytes()
    return files | _libraries([program, *(path for path in modules if path.suffix == ".so")])


def _libraries(programs: Iterable[Path]) -> dict[str, bytes | str]:
    """Return the shared libraries that programs load, by ldd(1)."""
    found: dict[str, bytes | str] = {}
    for program in programs:
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for word in said.split():
            if word.startswith("/"):
                target = word.lstrip("/") if word.startswith("/usr/") else f"usr{word}"
                found[target if target.startswith("usr/lib") else f"usr/lib/{Path(word).name}"] = Path(
                    word
                ).read_bytes()
    return found


def debs() -> dict[str, tuple[bytes, str]]:
    """Return the packages of the archive, each with its Depends."""
    script = f"#!/usr/bin/sh\necho {GREETING}\n".encode()
    wanted: dict[str, tuple[Members, str]] = {
        "shell": (shell_files(), ""),
        "words": ({"usr/share/words/words": WORDS}, ""),
        "greet": ({"usr/bin/greet": script, "usr/share/greet/readme": b"greet\n"}, "shell, words"),
        f"python{PYTHON}": (python_files(), ""),
        "python3": ({"usr/bin/python3": f"python{PYTHON}"}, f"python{PYTHON}"),
        **{f"part{number}": ({f"usr/share/part/{number}": b"%d" % number * 500}, "") for number in range(24)},
        **{name: ({f"usr/share/{name}/x": b""}, "") for name in ("libexpat1", "libgcc-s1", "libstdc++6", "zlib1g")},
    }
    return {name: (deb(name, members, depends=depends), depends) for name, (members, depends) in wanted.items()}


def wheel(name: str, files: Mapping[str, bytes], *, requires: str = "") -> tuple[str, bytes]:
    """Return file name and bytes of a pure wheel, version 1.0."""
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    members = {**files, f"{info}/METADATA": metadata.encode()}
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [f"{path},sha256={_urlsafe(data)},{len(data)}" for path, data in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return f"{name}-1.0-py3-none-any.whl", buffer.getvalue()


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def index_of(*wheels: tuple[str, bytes]) -> dict[str, bytes]:
    """Return a package index by path (PEP 503): a page per project, and the files."""
    files = {f"files/{name}": data for name, data in wheels}
    for name, data in wheels:
        digest = hashlib.sha256(data).hexdigest()
        page = f'<!DOCTYPE html><html><body><a href="../../files/{name}#sha256={digest}">{name}</a></body></html>'
        files[f"simple/{name.partition('-')[0]}/"] = page.encode()
    return files


def wheels() -> tuple[tuple[str, bytes], ...]:
    """Return the wheels of the index: `greeting` needs `phrase`."""
    phrase = wheel("phrase", {"phrase.py": f"text = {GREETING!r}\n".encode()})
    return phrase, wheel("greeting", {"greeting.py": b"import phrase\nprint(phrase.text)\n"}, requires="phrase")


def new_key() -> Any:
    """Return a key that signs."""
    return Tsk.generate("Archive <archive@example.org>")
