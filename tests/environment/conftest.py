"""A root file system from real Debian packages, and users to run in it.

Environments are tried as root and as an ordinary user; where the tests themselves do not run as root, as that user.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("driver.py")
SOURCE = Path(__file__).parents[2] / "src"
PACKAGES = ("bash", "coreutils", "dash", "grep", "libc-bin", "perl-base", "procps")
ORDINARY = 65534
MARK = "BREAKBULK_TEST_MARK"
ROOT_OR_NOT = ["root", "user"] if os.geteuid() == 0 else ["user"]


def _with_dependencies(packages):
    command = ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"]
    command += ["--no-breaks", "--no-replaces", "--no-enhances", *packages]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted({line for line in lines if line[:1].isalnum() and ":" not in line})


@pytest.fixture(scope="session")
def ground():
    """Return a directory that every user can reach: pytest closes its own to others, at every start of any pytest."""
    folder = Path(tempfile.mkdtemp(prefix="breakbulk-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def tmp_path(ground):
    """Return a new directory on `ground`."""
    folder = Path(tempfile.mkdtemp(dir=ground))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def packages(ground):
    """Return one tree of unpacked packages; merged-/usr, as the store unpacks them."""
    folder = ground / "packages"
    tree = folder / "tree"
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    (tree / "etc").mkdir()
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    wanted = [name for name in _with_dependencies(PACKAGES) if not name.startswith(("debconf", "cdebconf"))]
    subprocess.run(["apt-get", "download", "-q", *wanted], check=True, cwd=folder, capture_output=True)
    for deb in folder.glob("*.deb"):
        unpacked = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        options = ["--keep-directory-symlink", "--no-same-owner", "--exclude=./usr/share/doc"]
        subprocess.run(["tar", "-x", *options, "-C", tree], check=True, stdin=unpacked.stdout)
        assert unpacked.wait() == 0
        unpacked.stdout.close()
    return tree


@pytest.fixture(scope="session")
def trees(packages):
    """Return the tree as each user has it in a store of their own."""
    trees = {"root": packages, "user": packages}
    if os.geteuid() == 0:
        trees["user"] = packages.parent / "of-user"
        subprocess.run(["cp", "-a", packages, trees["user"]], check=True)
        subprocess.run(["chown", "-R", f"{ORDINARY}:{ORDINARY}", trees["user"]], check=True)
    return trees


@dataclass
class Runner:
    """Run commands in the environment as one user."""

    who: str
    tree: Path
    project: Path
    home: Path
    manifest: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def argv(self, command, **order):
        """Return the program that launches `command`."""
        document = {"do": "run", "command": command, "project": str(self.project), "manifest": self.manifest}
        document |= {"lowers": [str(self.tree)], **order}
        return [*self._user(), *self._python(), str(DRIVER), json.dumps(document)]

    def variables(self):
        """Return the environment of that program."""
        path = os.pathsep.join([str(SOURCE), sysconfig.get_path("purelib")])
        base = {"PATH": os.environ["PATH"], "HOME": str(self.home), "USER": "joe", "TERM": "dumb", MARK: self.mark}
        return base | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **self.environment}

    def run(self, *command, directory=None, stdin=None, **order):
        """Run a command to its end."""
        return subprocess.run(
            self.argv(list(command), **order),
            env=self.variables(),
            cwd=directory or self.project,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *command, **order):
        """Start a command."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            self.argv(list(command), **order), env=self.variables(), cwd=self.project, text=True, **pipes
        )

    def services(self, verb, *names):
        """Start, stop... services; return their status by name."""
        done = self.run(do=verb, services=list(names))
        assert done.returncode == 0, done.stderr
        return {status["name"]: status for status in json.loads(done.stdout)}

    def processes(self):
        """Return the processes that carry this runner's mark and still live."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    marked = f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes()
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if marked and state != "Z":
                    found.append(int(entry.name))
        return found

    def check_nothing_left(self):
        """Fail, and end them, when processes stay."""
        try:
            _wait_until(lambda: not self.processes())
        finally:
            for process in self.processes():
                os.kill(process, signal.SIGKILL)

    def _user(self):
        if self.who == "root" or os.geteuid() != 0:
            return []
        return ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"]

    def _python(self):
        """Return an interpreter that the user may execute: the one of these tests may be in root's home."""
        for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
            if subprocess.run([*self._user(), python, "-c", ""], capture_output=True, check=False).returncode == 0:
                return [python]
        raise AssertionError("there is no Python that an ordinary user may execute")


@pytest.fixture(params=ROOT_OR_NOT)
def runner(request, trees, tmp_path):
    """Return a runner, and see to it that it leaves nothing."""
    made = _runner(request.param, trees, tmp_path)
    mounts = Path("/proc/self/mountinfo").read_text()
    yield made
    made.check_nothing_left()
    assert Path("/proc/self/mountinfo").read_text() == mounts


@pytest.fixture
def one_runner(trees, tmp_path):
    """Return a runner as whoever runs the tests, for what does not depend on that."""
    made = _runner(ROOT_OR_NOT[0], trees, tmp_path)
    yield made
    made.check_nothing_left()


def _runner(who, trees, tmp_path):
    project, home = tmp_path / "project", tmp_path / "home"
    for directory in (project, home):
        directory.mkdir()
        if who == "user" and os.geteuid() == 0:
            shutil.chown(directory, ORDINARY, ORDINARY)
    return Runner(who, trees[who], project, home)


def _wait_until(condition):
    """Wait for the kernel to end processes; by polling, as nobody tells."""
    import select
    import time

    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true within 10 s"
        select.select([], [], [], 0.01)


@pytest.fixture(name="wait_until")
def _wait_until_fixture():
    return _wait_until
