"""What every root file system has: merged-/usr links, mount points, and the small files of /etc.

Modes and links are those of the Filesystem Hierarchy Standard 3.0 and of Debian's base-files, whose postinst makes the
rest (`replay`). Nothing that a package brings is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakbulk.store.base.facts import TOP_LINKS

if TYPE_CHECKING:
    from breakbulk.store.base.additions import Additions
    from breakbulk.store.base.facts import Facts

__all__ = ["add_directories", "add_files"]

_DIRECTORIES = {
    "dev": 0o755, "etc": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o755,
    "root": 0o700, "run": 0o755, "run/lock": 0o1777, "srv": 0o755, "sys": 0o755, "tmp": 0o1777, "usr/bin": 0o755,
    "usr/lib": 0o755, "usr/local/bin": 0o755, "usr/local/lib": 0o755, "usr/sbin": 0o755, "usr/share": 0o755,
    "var": 0o755, "var/cache": 0o755, "var/lib": 0o755, "var/lib/dpkg": 0o755, "var/local": 0o755, "var/log": 0o755,
    "var/opt": 0o755, "var/spool": 0o755, "var/tmp": 0o1777,
}  # fmt: skip

_LINKS = {
    "etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
    "etc/mtab": "../proc/self/mounts",
    "var/lock": "/run/lock",
    "var/run": "/run",
}

_FILES = {
    "etc/environment": "",
    "etc/fstab": "",
    "etc/host.conf": "multi on\n",
    "etc/hostname": "localhost\n",
    "etc/hosts": (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
    ),
    "etc/machine-id": "",
    "etc/nsswitch.conf": (
        "passwd: files\ngroup: files\nshadow: files\ngshadow: files\n"
        "hosts: files dns\nnetworks: files\n"
        "protocols: db files\nservices: db files\nethers: db files\nrpc: db files\nnetgroup: nis\n"
    ),
    "etc/resolv.conf": "",  # a mount point: the machine's own is bound over it
    "etc/timezone": "Etc/UTC\n",
}


def add_directories(additions: Additions) -> None:
    """Add the directories, before anything else may make one of them with another mode."""
    for path, mode in _DIRECTORIES.items():
        additions.directory(path, mode)


def add_files(facts: Facts, additions: Additions) -> None:
    """Add the top-level links, `python` beside `python3`, and of the files and links above what is still missing."""
    for path, target in _top_links(facts).items():
        additions.link(path, target)
    for path, target in _LINKS.items():
        if facts.entry(path) is None and path not in additions:
            additions.link(path, target)
    for path, text in _FILES.items():
        if facts.entry(path) is None and path not in additions:
            additions.file(path, text)
    _add_python(facts, additions)


def _top_links(facts: Facts) -> dict[str, str]:
    """Return the merged-/usr links; beyond /bin, /sbin and /lib only those whose target packages have."""
    always = ("bin", "sbin", "lib")
    return {
        name: target
        for name, target in TOP_LINKS.items()
        if name in always or facts.entry(target) is not None or facts.within(target)
    }


def _add_python(facts: Facts, additions: Additions) -> None:
    path = "usr/bin/python"
    if facts.kind("/usr/bin/python3") and facts.entry(path) is None and path not in additions:
        additions.link(path, "python3")
