from __future__ import annotations

import shlex

from breakbulk.ecosystems.interface import Alternative
from breakbulk.store.base.additions import Additions
from breakbulk.store.base.alternatives import add_alternatives, parse_install, parse_jinfo
from breakbulk.store.base.replay import replay

MAWK = "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 "
MAWK += "--slave /usr/share/man/man1/awk.1.gz awk.1.gz /m.1.gz"


def added(known) -> Additions:
    additions = Additions(known)
    add_alternatives(known, replay(known, additions), additions)
    return additions


def test_the_highest_priority_that_is_there_wins(package, facts) -> None:
    mawk = package("mawk", {"usr/bin/mawk": ""}, postinst=MAWK)
    gawk = package(
        "gawk", {"usr/bin/gawk": ""}, postinst="update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10"
    )
    gone = package("gone", {}, postinst="update-alternatives --install /usr/bin/awk awk /usr/bin/gone 99")
    assert added(facts(mawk)).get("etc/alternatives/awk").target == "/usr/bin/mawk"
    both = added(facts(mawk, gawk, gone))
    assert both.get("etc/alternatives/awk").target == "/usr/bin/gawk"
    assert both.get("usr/bin/awk").target == "/etc/alternatives/awk"


def test_links_below_bin_and_libraries_follow_merged_usr(package, facts) -> None:
    script = "update-alternatives --install /bin/nc nc /bin/nc.openbsd 50"
    additions = added(facts(package("nc", {"usr/bin/nc.openbsd": ""}, postinst=script)))
    assert additions.get("usr/bin/nc").target == "/etc/alternatives/nc"


def test_a_file_of_a_package_is_not_replaced_and_missing_slaves_are_left_out(package, facts) -> None:
    additions = added(facts(package("mawk", {"usr/bin/mawk": "", "usr/bin/awk": "own"}, postinst=MAWK)))
    assert "usr/bin/awk" not in additions
    assert "etc/alternatives/awk.1.gz" not in additions


def test_the_administrative_file_is_what_update_alternatives_reads(package, facts) -> None:
    additions = added(facts(package("mawk", {"usr/bin/mawk": "", "m.1.gz": ""}, postinst=MAWK)))
    assert additions.get("var/lib/dpkg/alternatives/awk").content.decode() == (
        "auto\n/usr/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\n\n/usr/bin/mawk\n5\n/m.1.gz\n\n"
    )


def test_java_is_found_by_its_jinfo_where_no_script_says_so(package, facts) -> None:
    jinfo = "name=java-17\nalias=java-17\npriority=1711\nsection=main\n\nhl java /usr/lib/jvm/17/bin/java\n"
    java = package("jre", {"usr/lib/jvm/.java-17.jinfo": jinfo, "usr/lib/jvm/17/bin/java": ""})
    assert parse_jinfo(jinfo) == [Alternative("java", "/usr/bin/java", "/usr/lib/jvm/17/bin/java", 1711)]
    assert added(facts(java)).get("etc/alternatives/java").target == "/usr/lib/jvm/17/bin/java"


def test_command_lines_that_register_nothing() -> None:
    for line in (
        "update-alternatives --remove awk /usr/bin/mawk",
        "update-alternatives --install /x x /y soon",
        "x --install",
    ):
        assert parse_install(shlex.split(line)) is None
    assert parse_install(["x", "--install", "/usr/bin/\0", "n", "/p", "1"]) is None
