from __future__ import annotations

from breakbulk.store.base.additions import Additions
from breakbulk.store.base.skeleton import add_directories, add_files


def skeleton(known) -> Additions:
    additions = Additions(known)
    add_directories(additions)
    add_files(known, additions)
    return additions


def test_links_mount_points_and_modes(facts, package) -> None:
    additions = skeleton(facts(package("libc6", {"usr/lib64/ld.so": ""})))
    assert {name: additions.get(name).target for name in ("bin", "sbin", "lib", "lib64")} == {
        "bin": "usr/bin",
        "sbin": "usr/sbin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
    }
    modes = [additions.get(name).mode for name in ("tmp", "var/tmp", "root", "run/lock")]
    assert modes == [0o1777, 0o1777, 0o700, 0o1777]
    assert additions.get("var/run").target == "/run"
    assert additions.get("etc/resolv.conf").content == b""


def test_what_packages_bring_stays(package, facts) -> None:
    known = facts(package("x", {"etc/hosts": "mine", "usr/bin/python3": "", "var/run": "-> /run"}))
    additions = skeleton(known)
    assert "etc/hosts" not in additions
    assert "var/run" not in additions
    assert additions.get("usr/bin/python").target == "python3"


def test_no_python_and_no_lib64_without_need(facts) -> None:
    additions = skeleton(facts())
    assert "usr/bin/python" not in additions
    assert "lib64" not in additions
