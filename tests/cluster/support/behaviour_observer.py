#!/usr/bin/python3 -B
"""What runs in a container of the table of behaviours: it looks around, and says as JSON what it has found.

It is a package of the environment under test, so it has nothing but Debian's Python. Counterpart: `behaviour_rows`.
"""
# ruff: noqa: T201, S104, S310 - a program of its own, which prints what it finds and serves a pod

import contextlib
import ctypes
import errno
import hashlib
import http.server
import json
import os
import pathlib
import resource
import signal
import socket
import ssl
import stat
import sys
import threading
import time
import urllib.request

TOKEN = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError as error:
        return errno.errorcode[error.errno]


def attempt(act, *arguments):
    """Return what something gives, or the name of the error that it ends with."""
    try:
        return act(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def status(*names):
    table = dict(line.partition(":")[::2] for line in read("/proc/self/status").splitlines())
    return {name: table.get(name, "").split() for name in names}


def described(path, *, timed=True):
    """Return a file as one line: kind, mode, owners, size, time and content, or target; then its attributes."""
    info = path.lstat()
    words = [stat.filemode(info.st_mode), str(info.st_uid), str(info.st_gid)]
    if stat.S_ISLNK(info.st_mode):
        words.append(str(path.readlink()))
    elif stat.S_ISREG(info.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        words += [str(info.st_size), str(int(info.st_mtime)) if timed else "", content]
    elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        words.append(f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}")
    with contextlib.suppress(OSError):
        names = sorted(os.listxattr(path, follow_symlinks=False))
        words += [f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}" for name in names]
    return " ".join(words)


def mounts():
    """Return every mount as place, kind and flags; for an overlay without the directories that it consists of."""
    found = []
    for line in read("/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        place, flags, *shared = fields.split()[4:]
        kind, _, options = rest.split()
        own = [one for one in options.split(",") if one.partition("=")[0] in {"ro", "rw", "mode", "newinstance"}]
        found.append(f"{place} {kind} {flags} {','.join(own)} {'shared' if shared else ''}".strip())
    return sorted(found)


def hosts():
    """Return /etc/hosts, which kubelet empties and writes again whenever it starts another container of the pod."""
    deadline = time.monotonic() + 10
    while not (text := read("/etc/hosts")).endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.01)
    return text


def mapping(name):
    """Return which users are mapped, and whether to themselves; to whom else is the node's affair."""
    inside, outside, count = read(f"/proc/self/{name}").split()
    return [inside, count, "itself" if inside == outside else "another"]


def processes():
    found = []
    for entry in sorted(pathlib.Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
    return found


def descriptors():
    """Return what this process has open, but for the directory that is being listed."""
    found = {}
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            found[number] = str(pathlib.Path(f"/proc/self/fd/{number}").readlink()).partition(":")[0]
    return {number: what for number, what in found.items() if not what.startswith("/proc/")}


def writes():
    """Try to write at several places."""
    places = ("/", "/etc", "/usr/bin", "/tmp", "/run", "/var/lib", "/dev/shm", "/proc/sys", "/sys")

    def write(place):
        path = pathlib.Path(place, "written-by-observe")
        path.write_text("written")
        path.unlink()
        return "written"

    return {place: attempt(write, place) for place in places}


def snapshot():
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
    return {
        "arguments": sys.argv[1:],
        "directory": str(pathlib.Path.cwd()),
        "variables": dict(os.environ),
        "user": {"user": os.getuid(), "group": os.getgid(), "groups": os.getgroups(), "umask": os.umask(0o22)},
        "capabilities": status("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"),
        "restrictions": {
            **status("NoNewPrivs", "Seccomp", "Seccomp_filters"),
            "unshare": attempt(unshare),
            "kcore": attempt(lambda: str(pathlib.Path("/proc/kcore").open("rb").read(1))),
            "firmware": attempt(os.listdir, "/sys/firmware"),
        },
        "signals": status("SigBlk", "SigIgn"),
        "limits": {**limits, "oom": read("/proc/self/oom_score_adj").strip()},
        "mapping": [mapping("uid_map"), mapping("gid_map")],
        "pid": os.getpid() if os.getpid() == 1 else "other",
        "processes": processes(),
        "descriptors": descriptors(),
        "terminal": [os.isatty(number) for number in range(3)],
        "mounts": mounts(),
        "hosts": hosts(),
        "resolver": read("/etc/resolv.conf"),
        "names": [read("/etc/hostname"), socket.gethostname()],
        "devices": {str(path): described(path, timed=False) for path in sorted(pathlib.Path("/dev").rglob("*"))},
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "control groups": read("/proc/self/cgroup").splitlines(),
        "limits of memory": read("/sys/fs/cgroup/memory/memory.limit_in_bytes") + read("/sys/fs/cgroup/memory.max"),
        "writes": writes(),
    }


def unshare():
    """Make a user namespace in a child, which seccomp's default profile refuses to those without CAP_SYS_ADMIN."""
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        os._exit(ctypes.get_errno() if libc.unshare(0x10000000) else 0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return errno.errorcode.get(code, code)


def tree():
    """Return every file of the root file system, by path."""
    root = os.lstat("/").st_dev
    found = {}
    for place, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if same_device(place, name, root)]
        for name in folders + files:
            path = pathlib.Path(place, name)
            with contextlib.suppress(FileNotFoundError):
                found[str(path)] = described(path)
    return found


def same_device(place, name, device):
    with contextlib.suppress(FileNotFoundError):
        return pathlib.Path(place, name).lstat().st_dev == device
    return False


def operations():
    """Do to a package's own files what programs do to files, in an order in which each finds what it needs."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = pathlib.Path("/opt/observer/owned")
    first, second = folder / "first", folder / "second"
    done = {}

    def note(name, *acts):
        """Keep what the last of some acts gives, or the error of one of them."""
        done[name] = attempt(lambda: [str(act()) for act in acts][-1])

    def append():
        with first.open("a") as file:
            file.write("more")

    def allocate():
        with first.open("r+") as file:
            os.lockf(file.fileno(), os.F_TLOCK, 0)
            os.posix_fallocate(file.fileno(), 0, 8192)
            return os.fstat(file.fileno()).st_size

    def link_unnamed():
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR)
        os.link(f"/proc/self/fd/{descriptor}", folder / "linked", follow_symlinks=True)
        os.close(descriptor)

    def listen():
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{folder}/socket")
            server.listen()

    def exchange():
        failed = libc.renameat2(-100, bytes(second), -100, bytes(folder / "linked"), 2)
        return errno.errorcode[ctypes.get_errno()] if failed else "exchanged"

    def remount():
        failed = libc.mount(None, b"/", None, 33, None)  # MS_REMOUNT | MS_RDONLY
        return errno.errorcode[ctypes.get_errno()] if failed else "remounted"

    note("append", append, first.read_text)
    note("lock and allocate", allocate)
    note("file without a name", link_unnamed, (folder / "linked").exists)
    note("hard link", lambda: os.link(second, folder / "hard"), lambda: second.stat().st_nlink)
    note("exchange", exchange)
    note("mode", lambda: second.chmod(0o4751), lambda: oct(second.stat().st_mode))
    note("owner", lambda: os.chown(second, 7, 8), lambda: second.stat().st_uid)
    note("times", lambda: os.utime(second, (1, 2)), lambda: second.stat().st_mtime)
    note("attribute", lambda: os.setxattr(second, "user.a", b"b"), lambda: os.listxattr(second))
    note("attribute of the kernel", lambda: os.setxattr(second, "trusted.a", b"b"), lambda: os.listxattr(second))
    note("symbolic link", lambda: (folder / "symbolic").symlink_to("first"), (folder / "symbolic").readlink)
    note("pipe", lambda: os.mkfifo(folder / "pipe"))
    note("device", lambda: os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3)))
    note("whiteout", lambda: os.mknod(folder / "whiteout", stat.S_IFCHR | 0o600, os.makedev(0, 0)))
    note("socket", listen)
    note("rename a file", lambda: first.rename(folder / "renamed"))
    note("rename a directory of a package", lambda: folder.rename(f"{folder}-renamed"))
    note("remove", (folder / "renamed").unlink)
    note("replace a directory", (folder / "inner" / "file").unlink, (folder / "inner").rmdir, (folder / "inner").mkdir)
    note("what is in it then", lambda: os.listdir(folder / "inner"))
    note("deep directory", lambda: folder.joinpath(*["deeper"] * 40).mkdir(parents=True))
    note("what there is now", lambda: sorted(os.listdir(folder)))
    note("space", lambda: os.statvfs("/").f_bavail > 0)
    note("remount", remount)
    return done


def reaches():
    """Return what the names of services lead to, and what the API server says to the pod's own token."""
    context = ssl.create_default_context(cafile=TOKEN / "ca.crt")
    token = (TOKEN / "token").read_text()
    asked = urllib.request.Request(
        "https://kubernetes.default.svc/api/v1/namespaces/default/pods", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        answer = urllib.request.urlopen(asked, context=context, timeout=30).status
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())["message"]
    web = urllib.request.urlopen("http://life:8080/", timeout=30).read().decode()
    return {"kubernetes": socket.gethostbyname("kubernetes.default"), "api": answer, "service": web}


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"page {self.path}\n".encode())

    def log_message(self, *_):
        pass


def serve():
    """Answer at a port, repeat what comes in, and end on SIGTERM."""

    def end(number, _):
        print("ended by", signal.Signals(number).name, flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    print("serving", flush=True)
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for line in sys.stdin:
        print("heard", line.strip(), flush=True)
    while True:
        time.sleep(3600)


def fill(place, mebibytes):
    path = pathlib.Path(place, "filled")
    with path.open("wb") as file:
        for _ in range(int(mebibytes)):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    print("filled", flush=True)
    time.sleep(3600)


def devour():
    """Take memory until there is no more."""
    taken = []
    while True:
        taken.append(bytearray(os.urandom(1 << 20)))


def main():
    what, *arguments = sys.argv[1:] or ["snapshot"]
    if what in {"snapshot", "tree", "operations", "reaches"}:
        print(json.dumps({"snapshot": snapshot, "tree": tree, "operations": operations, "reaches": reaches}[what]()))
    elif what == "serve":
        serve()
    elif what == "fill":
        fill(*arguments)
    elif what == "devour":
        devour()
    elif what == "say":
        code, *words = arguments
        print(*words, flush=True)
        sys.exit(int(code))
    elif what == "leave":  # leave CODE FILE WORD...
        code, path, *words = arguments
        pathlib.Path(path).write_text(" ".join(words))
        sys.exit(int(code))
    elif what == "once":  # fails the first time, told by a file
        path = pathlib.Path(arguments[0])
        if path.exists():
            sys.exit(0)
        path.touch()
        sys.exit(9)
    elif what == "stay":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        time.sleep(3600)
    else:
        sys.exit(64)


if __name__ == "__main__":
    main()
