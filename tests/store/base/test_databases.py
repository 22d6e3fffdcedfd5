from __future__ import annotations

from breakbulk.store.base.additions import Additions
from breakbulk.store.base.databases import add_databases


def test_dpkg_finds_packages_files_and_configuration(package, facts) -> None:
    control = "Package: libx\nVersion: 1-1\nArchitecture: amd64\nMulti-Arch: same\nDescription: a library\n of sorts\n"
    member = package("libx", {"etc/x.conf": "a", "usr/lib/libx.so": ""}, control=control, conffiles="/etc/x.conf\n")
    known = facts(member)
    additions = Additions(known)
    add_databases(known, additions)
    status = additions.get("var/lib/dpkg/status").content.decode()
    assert status.startswith("Package: libx\nStatus: install ok installed\nVersion: 1-1\n")
    assert status.endswith("Conffiles:\n /etc/x.conf 0cc175b9c0f1b6a831c399e269772661\n")
    assert additions.get("var/lib/dpkg/status.d/libx").content.decode() == status
    listed = additions.get("var/lib/dpkg/info/libx:amd64.list").content.decode()
    assert listed == "/.\n/etc\n/etc/x.conf\n/usr\n/usr/lib\n/usr/lib/libx.so\n"
