from __future__ import annotations

import pytest

from breakbulk.store.base.additions import Additions
from breakbulk.store.base.effects import changed_mode
from breakbulk.store.base.replay import replay


def after(known) -> Additions:
    additions = Additions(known)
    replay(known, additions)
    return additions


@pytest.mark.parametrize(
    ("mode", "change", "expected"),
    [
        (0o644, "755", 0o755),
        (0o755, "o-rwx,g-w", 0o750),
        (0o644, "u+x", 0o744),
        (0o755, "+t", 0o1755),
        (0o755, "g+s", 0o2755),
        (0o777, "go=r", 0o744),
        (0o644, "what", None),
    ],
)
def test_modes(mode: int, change: str, expected: int | None) -> None:
    assert changed_mode(mode, change) == expected


def test_directories_with_owner_and_mode(package, facts) -> None:
    script = """
        mkdir -p /var/log/postgresql; chmod 1775 /var/log/postgresql; chown root:postgres /var/log/postgresql
        [ -d /var/run/postgresql ] || install -d -m 2775 -o postgres -g postgres /var/run/postgresql
    """
    additions = after(facts(package("common", postinst=script)))
    log, run = additions.get("var/log/postgresql"), additions.get("run/postgresql")
    assert (log.mode, log.user, log.group) == (0o1775, "root", "postgres")
    assert (run.mode, run.user, run.group) == (0o2775, "postgres", "postgres")


def test_owner_and_mode_of_a_packages_file_change_by_copy(package, facts) -> None:
    query = "dpkg-statoverride --list /etc/r.conf >/dev/null"
    script = f"{query} || dpkg-statoverride --update --add redis redis 640 /etc/r.conf"
    member = package("redis", {"etc/r.conf": "text"}, postinst=script)
    changed = after(facts(member)).get("etc/r.conf")
    assert (changed.mode, changed.user, changed.content) == (0o640, "redis", member.tree / "etc/r.conf")


def test_configuration_is_copied_where_it_is_missing_only(package, facts) -> None:
    script = """
        cp -p /usr/share/x/profile /etc/profile; ucf --three-way /usr/share/x/profile /etc/own
        t=$(mktemp); cat /usr/share/x/profile > "$t"; ucf "$t" /etc/from-temporary; rm -f "$t"
        ln -sf debian /etc/default-vendor; cat > /etc/made <<EOF
made for $1
EOF
    """
    additions = after(facts(package("x", {"usr/share/x/profile": "text", "etc/own": "kept"}, postinst=script)))
    assert additions.get("etc/profile").content.read_text() == "text"
    assert additions.get("etc/from-temporary").content.read_text() == "text"
    assert "etc/own" not in additions
    assert additions.get("etc/default-vendor").target == "debian"
    assert additions.get("etc/made").content == b"made for configure\n"


def test_nothing_outside_the_file_hierarchy_is_touched(package, facts) -> None:
    script = "mkdir /proc/x; touch /x ../../y; echo 1 > /sys/z; ln -s /a /dev/b; rm -rf /etc; chown nobody $(unknown)"
    additions = after(facts(package("x", {"etc/kept": ""}, postinst=script)))
    assert [path for path, addition in additions if addition.kind != "directory"] == []
    assert not any(path.startswith(("proc", "sys", "dev")) for path, _ in additions)
