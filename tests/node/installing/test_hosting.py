"""From the container of a daemon set to the node around it, with a mount namespace that plays the node."""

import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from breakbulk.errors import PlatformError
from breakbulk.node.installing.hosting import DIRECTORY, Container, bring_along, install_on_host
from breakbulk.node.installing.units import agent_arguments
from breakbulk.node.place import NodePlace

pytestmark = pytest.mark.cluster

VERSION = f"python{sysconfig.get_python_version()}"


def libraries(program: str | Path) -> list[Path]:
    """What the dynamic linker loads for a program, itself included."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", told)]


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """A root file system with an interpreter, its libraries, and Breakbulk."""
    root = tmp_path / "container"
    bin_, lib = root / "usr/local/bin", root / "usr/local/lib"
    packages = lib / VERSION / "site-packages"
    for directory in (bin_, packages):
        directory.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), bin_ / VERSION)
    for origin in Path(sysconfig.get_path("stdlib")).iterdir():
        if origin.name != "site-packages":
            (lib / VERSION / origin.name).symlink_to(origin)
    for origin in Path(sysconfig.get_path("purelib")).iterdir():
        (packages / origin.name).symlink_to(origin)
    for library in libraries(bin_ / VERSION):
        place = root / ("lib64" if "ld-linux" in library.name else "usr/local/lib")
        place.mkdir(exist_ok=True)
        shutil.copy(library.resolve(), place / library.name)
    return Container(root=root, python=f"/usr/local/bin/{VERSION}", node=Path("/nowhere/ns"))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The node's root file system, as the container sees it."""
    directory = tmp_path / "host"
    directory.mkdir()
    return directory


@pytest.fixture
def node(host: Path) -> Iterator[Path]:
    """Mount namespace of a node whose /opt is the host's."""
    (host / "opt").mkdir()
    shell = f"mount --bind '{host}/opt' /opt && echo ready && exec cat"
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    yield Path(f"/proc/{holder.pid}/ns/mnt")
    holder.communicate()


def test_a_node_is_installed_from_a_container(container: Container, host: Path, node: Path, place: NodePlace) -> None:
    place.containerd_config.parent.mkdir()
    place.containerd_config.write_text("version = 3\n")
    inside = msgspec.structs.replace(container, node=node)
    assert install_on_host(host, agent_arguments(place), ["--no-restart"], container=inside) == 0
    assert re.search(rf"{DIRECTORY}/[^/]+/python -IS", place.runtime.read_text())
    assert "breakbulk" in place.containerd_config.read_text()
    told = subprocess.run(
        ["nsenter", f"--mount={node}", place.runtime, "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("runc version")
    assert not (Path("/") / DIRECTORY).exists()


def test_the_interpreter_uses_the_libraries_that_it_brought(container: Container, host: Path, node: Path) -> None:
    python = bring_along(container, host)
    code = "print(*{line.split()[-1] for line in open('/proc/self/maps') if '.so' in line})"
    told = subprocess.run(
        ["nsenter", f"--mount={node}", python, "-IS", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name for name in told.stdout.split() if "lib-dynload" not in name}
    assert loaded
    assert all(name.startswith(str(DIRECTORY)) for name in loaded)


def test_a_copy_that_is_there_is_not_made_again(container: Container, host: Path) -> None:
    python = bring_along(container, host)
    copied = host / python.relative_to("/")
    assert stat.S_IMODE(copied.stat().st_mode) == 0o755
    identity = copied.stat().st_ino
    (copied.parent.parent / f".{copied.parent.name}.staged").mkdir()  # of somebody who was killed
    assert bring_along(container, host) == python
    assert copied.stat().st_ino == identity


def test_a_container_that_differs_is_copied_beside_the_other(container: Container, host: Path) -> None:
    first = bring_along(container, host)
    (container.root / "usr/local/bin/__pycache__").mkdir()  # what the interpreter writes is no difference
    (container.root / "usr/local/bin/__pycache__/x.pyc").write_text("bytecode")
    assert bring_along(container, host) == first
    (container.root / "usr/local/bin/new").write_text("one file more")
    second = bring_along(container, host)
    assert second != first
    assert (host / second.parent.relative_to("/") / "usr/local/bin/new").exists()
    assert str(second) in (host / DIRECTORY.relative_to("/") / "breakbulk").read_text()


def test_what_is_mounted_in_the_container_is_not_the_images(container: Container, host: Path) -> None:
    (container.root / "etc").mkdir()
    hosts = container.root / "etc/hosts"
    hosts.touch()
    code = f"""
import subprocess, sys
from pathlib import Path
from breakbulk.node.installing.hosting import Container, bring_along
subprocess.run(["mount", "--bind", sys.argv[1], "{hosts}"], check=True)
inside = Container(root=Path("{container.root}"), python="{container.python}", node=Path("/nowhere"))
print(bring_along(inside, Path("{host}"), Path("/other")))
"""
    own = host / "hosts"
    own.write_text("127.0.0.1 pod")
    command = ["unshare", "--mount", sys.executable, "-c", code, own]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert not (host / Path(told).parent.relative_to("/") / "etc/hosts").exists()


def test_a_host_that_cannot_be_written_or_entered_is_named(container: Container, host: Path) -> None:
    (host / "opt").write_text("a file")
    with pytest.raises(PlatformError) as raised:
        bring_along(container, host)
    assert raised.value.reference == "host-not-writable"
    (host / "opt").unlink()
    with pytest.raises(PlatformError) as raised:
        install_on_host(host, [], container=container)
    assert raised.value.reference == "host-not-reachable"


def test_the_node_is_where_whoever_started_the_container_is() -> None:
    code = "from breakbulk.node.installing.hosting import Container; print(Container.around().node)"
    told = subprocess.run(
        ["unshare", "--mount", "--fork", sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    namespace = Path(told.stdout.strip())
    assert namespace.parts[:2] == ("/", "proc")
    alone = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    told = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert "host-not-reachable" in told.stderr or "cannot be reached" in told.stderr
