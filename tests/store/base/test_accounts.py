from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.store.base.account_requests import GroupRequest, MemberRequest, UserRequest
from breakbulk.store.base.accounts import SYSTEM_IDS, Accounts, add_accounts, allotted
from breakbulk.store.base.additions import Additions
from breakbulk.store.base.replay import replay

PASSWD = "root:*:0:0:root:/root:/bin/bash\nwww-data:*:33:33:www-data:/var/www:/usr/sbin/nologin\n"
GROUP = "root:*:0:\nwww-data:*:33:\nnogroup:*:65534:\n"
names = st.from_regex(r"[a-z]{1,3}", fullmatch=True)


def users(*asked: str) -> Accounts:
    return allotted(PASSWD, GROUP, [UserRequest(name=name) for name in asked])


def test_a_user_has_the_same_number_in_different_environments() -> None:
    assert users("redis").uids()["redis"] == users("postgres", "redis", "zzz").uids()["redis"]


def test_what_the_masters_have_stays() -> None:
    accounts = allotted(PASSWD, GROUP, [UserRequest(name="www-data", uid=7), GroupRequest(name="root", gid=3)])
    assert (accounts.uids()["www-data"], accounts.gids()["root"]) == (33, 0)


def test_numbers_asked_for_are_given_and_taken_ones_are_not() -> None:
    accounts = allotted(PASSWD, GROUP, [UserRequest(name="a", uid=500), UserRequest(name="b", uid=500)])
    assert accounts.uids()["a"] == 500
    assert accounts.uids()["b"] != 500


def test_primary_groups_and_memberships() -> None:
    asked = [
        UserRequest(name="sshd", group=None),
        UserRequest(name="postgres"),
        GroupRequest(name="ssl-cert"),
        MemberRequest(user="postgres", group="ssl-cert"),
        MemberRequest(user="nobody-knows", group="ssl-cert"),
    ]
    accounts = allotted(PASSWD, GROUP, asked)
    by_name = {user.name: user for user in accounts.users}
    assert by_name["sshd"].gid == 65534
    assert by_name["postgres"].gid == accounts.gids()["postgres"]
    assert next(group.members for group in accounts.groups if group.name == "ssl-cert") == ("postgres",)


@given(st.lists(names, max_size=150), st.lists(names, max_size=150))
def test_numbers_are_unique_stable_in_range_and_shared_by_user_and_group(some: list[str], more: list[str]) -> None:
    accounts = users(*some, *more)
    assert accounts == users(*reversed([*some, *more])) or set(accounts.users) == set(users(*more, *some).users)
    uids, gids = list(accounts.uids().values()), list(accounts.gids().values())
    assert len(set(uids)) == len(uids)
    assert len(set(gids)) == len(gids)
    for name in {*some, *more}:
        assert accounts.uids()[name] in SYSTEM_IDS
        assert accounts.uids()[name] == accounts.gids()[name]


def test_files_and_home_directories(package, facts) -> None:
    server = package("redis-server", postinst='adduser --system --home /var/lib/redis --group "redis"\n')
    known = facts(server)
    additions = Additions(known)
    accounts = add_accounts(known, replay(known, additions), additions)
    home = additions.get("var/lib/redis")
    assert (home.user, home.group, home.mode) == ("redis", "redis", 0o755)
    assert f"redis:x:{accounts.uids()['redis']}:" in additions.get("etc/passwd").content.decode()
    assert "redis:*:::::::" in additions.get("etc/shadow").content.decode()
    assert (additions.get("etc/shadow").mode, additions.get("etc/shadow").group) == (0o640, "shadow")
