"""Bytecode: which files, made by whom, and the same bytes whatever was compiled before."""

import hashlib
import json
import marshal
import os
import random
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tar_ecosystem import PYTHON, TAG, TarEcosystem, make_package, make_python, settings_for

from breakbulk.ecosystems.interface import Entry
from breakbulk.errors import LockError, PlatformError
from breakbulk.lock.model import Package
from breakbulk.store import bytecode_worker
from breakbulk.store.bytecode import bytecode_path, chunks, interpreter_closure
from breakbulk.store.layout import Layout
from breakbulk.store.realise import realise
from breakbulk.store.records import read_record


def package(name, *dependencies):
    return Package(
        ecosystem="deb",
        name=name,
        version="1",
        file="f",
        size=1,
        sha256="0",
        purl="p",
        dependencies=tuple(f"deb:{dependency}" for dependency in dependencies),
    )


def test_the_interpreter_is_what_its_package_needs():
    python = PYTHON.__class__(version="3.11", tag="cpython-311", package="deb:python3")
    packages = [package("jq", "libc6"), package("libc6", "python3"), package("python3", "libc6", "absent")]
    assert [p.name for p in interpreter_closure(packages, python)] == ["libc6", "python3"]


def test_chunks_cover_every_source_once_and_leave_out_what_the_archive_brings():
    content = {f"a/m{n}.py": Entry("file", 0o644, "", 40_000) for n in range(100)}
    content[bytecode_path("a/m7.py", TAG)] = Entry("file", 0o644, "", 1)
    sources = [path for path in content if path.endswith(".py")]
    pieces = list(chunks(sources, content, TAG))
    assert sorted(source for piece in pieces for source in piece) == sorted(set(sources) - {"a/m7.py"})
    assert len(pieces) > 5


def test_bytecode_is_where_python_looks():
    assert bytecode_path("a/b.c.py", "cpython-311") == "a/__pycache__/b.c.cpython-311.pyc"


def compiled_by_worker(directory: Path, sources: list[str]) -> list:
    worker = Path(bytecode_worker.__file__)
    orders = "".join(json.dumps([str(directory), [source]]) + "\n" for source in sources)
    done = subprocess.run(
        [sys.executable, "-s", "-S", "-B", worker],
        input=orders,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "0"},
    )
    tag, *answers = done.stdout.splitlines()
    assert tag == TAG
    return [json.loads(answer)[0] for answer in answers]


def test_equal_sources_give_equal_bytes_in_whatever_order(tmp_path):
    library = Path(sysconfig.get_path("stdlib"))
    sources = [path.name for path in sorted(library.glob("*.py"))[:80]]
    digests = []
    for seed in range(1, 5):
        directory = tmp_path / str(seed)
        directory.mkdir()
        for name in sources:
            (directory / name).write_bytes((library / name).read_bytes())
        shuffled = random.Random(seed).sample(sources, len(sources))  # noqa: S311 - the same in every run
        digests.append(dict(zip(shuffled, compiled_by_worker(directory, shuffled), strict=True)))
    assert all(made == digests[0] for made in digests)


def test_a_file_is_unchecked_hash_bytecode_with_the_path_in_the_root(tmp_path):
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "m.py").write_text("assert True, 'kept'\n\ndef f():\n    '''doc'''\n")
    [(size, digest)] = compiled_by_worker(tmp_path, ["opt/m.py"])
    data = (tmp_path / "opt" / "__pycache__" / f"m.{TAG}.pyc").read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (size, digest)
    assert data[4:8] == b"\x01\0\0\0"
    code = marshal.loads(data[16:])  # noqa: S302 - made a line above
    assert code.co_filename == "/opt/m.py"
    assert any("doc" in getattr(constant, "co_consts", ()) for constant in code.co_consts), "level 0 keeps it"


@pytest.mark.parametrize("source", [b"x = \n", b"\xff\xfe", b"x\0y", b"(" * 500 + b")" * 500, b"print 'two'"])
def test_a_source_that_does_not_compile_is_left_alone(tmp_path, source):
    (tmp_path / "bad.py").write_bytes(source)
    (tmp_path / "good.py").write_text("x = 1")
    bad, good = compiled_by_worker(tmp_path, ["bad.py", "good.py"])
    assert bad is None
    assert good is not None
    assert os.listdir(tmp_path / "__pycache__") == [f"good.{TAG}.pyc"]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    directory = tmp_path_factory.mktemp("archives")
    return directory, make_python(directory)


def run(tmp_path, archives, packages):
    settings = settings_for(tmp_path)
    realised = realise(
        packages,
        PYTHON,
        manifest_installs={},
        ecosystems={"archive": TarEcosystem(archives)},
        settings=settings,
    )
    return Layout(settings.store), realised


@pytest.mark.integration
def test_the_environments_own_python_compiles_and_its_record_says_so(tmp_path, archives):
    directory, python = archives
    module = make_package(directory, "module", {"opt/a.py": b"x = 1", "opt/bad.py": b"x =", "opt/t": b""}, python=True)
    layout, realised = run(tmp_path, directory, [module, python])
    assert (realised.made, "bytecode" in realised.seconds) == (2, True)
    content = read_record(layout, module).content
    path = f"opt/__pycache__/a.{TAG}.pyc"
    data = (layout.tree(module) / path).read_bytes()
    assert content[path] == Entry("file", 0o644, hashlib.sha256(data).hexdigest(), len(data))
    assert content["opt/__pycache__"].kind == "directory"
    assert [p for p in content if p.endswith(".pyc")] == [path]
    assert any(p.endswith(".pyc") for p in read_record(layout, python).content)


@pytest.mark.integration
def test_the_python_of_another_system_is_refused(tmp_path, archives):
    directory, _ = archives
    program = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\xf7\0" + bytes(200))  # e_machine 247: BPF
    foreign = make_package(directory, "python", {f"usr/bin/python{PYTHON.version}": bytes(program)}, python=True)
    module = make_package(directory, "module2", {"opt/a.py": b"x = 1"}, python=True)
    with pytest.raises(PlatformError) as raised:
        run(tmp_path, directory, [module, foreign])
    assert raised.value.reference == "foreign-system"
    assert os.listdir(tmp_path / "store" / "staging") == []
    make_python(directory)


@pytest.mark.integration
def test_a_python_that_is_not_there_is_told(tmp_path, archives):
    directory, _ = archives
    empty = make_package(directory, "python", {"usr/bin/other": b""}, python=True)
    module = make_package(directory, "module3", {"opt/a.py": b"x = 1"}, python=True)
    with pytest.raises(PlatformError) as raised:
        run(tmp_path, directory, [module, empty])
    assert raised.value.reference == "python-missing"


def test_a_lock_without_its_python_is_refused(tmp_path):
    module = make_package(tmp_path, "module", {"opt/a.py": b"x = 1"}, python=True)
    with pytest.raises(LockError, match="python-not-locked"):
        run(tmp_path, tmp_path, [module])
