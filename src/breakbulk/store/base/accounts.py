"""Users and groups: /etc/passwd, group, shadow and gshadow (passwd(5), group(5), shadow(5), gshadow(5)).

base-passwd's masters come first, then what sysusers.d and maintainer scripts ask for. A number that nobody fixes is
derived from the name, so the same user has the same number in different environments unless two names collide, which is
settled by name. No account has a password.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from breakbulk.store.base.account_requests import (
    GroupRequest,
    MemberRequest,
    Request,
    UserRequest,
    parse_command,
    parse_sysusers,
)
from breakbulk.store.base.additions import Addition, Additions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from breakbulk.store.base.facts import Facts
    from breakbulk.store.base.replay import Replay

__all__ = ["SYSTEM_IDS", "Accounts", "Group", "User", "add_accounts", "allotted", "requests_of"]

SYSTEM_IDS = range(100, 1000)
"""Numbers of system users and groups (Debian policy, 9.2.2: dynamically allocated)."""

NOGROUP = 65534

_MINIMAL_USERS = """\
root:*:0:0:root:/root:/bin/bash
daemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:*:2:2:bin:/bin:/usr/sbin/nologin
sys:*:3:3:sys:/dev:/usr/sbin/nologin
man:*:6:12:man:/var/cache/man:/usr/sbin/nologin
mail:*:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:*:33:33:www-data:/var/www:/usr/sbin/nologin
backup:*:34:34:backup:/var/backups:/usr/sbin/nologin
nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_MINIMAL_GROUPS = """\
root:*:0:
daemon:*:1:
bin:*:2:
sys:*:3:
adm:*:4:
tty:*:5:
disk:*:6:
mail:*:8:
man:*:12:
www-data:*:33:
backup:*:34:
utmp:*:43:
shadow:*:42:
staff:*:50:
users:*:100:
nogroup:*:65534:
"""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    gecos: str
    home: str
    shell: str


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...] = ()


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """All users and groups, in the order of the files."""

    users: tuple[User, ...]
    groups: tuple[Group, ...]

    def uids(self) -> dict[str, int]:
        """Return the number of each user."""
        return {user.name: user.uid for user in self.users}

    def gids(self) -> dict[str, int]:
        """Return the number of each group."""
        return {group.name: group.gid for group in self.groups}


def add_accounts(facts: Facts, replayed: Replay, additions: Additions) -> Accounts:
    """Add the four databases and the home directories asked for; return the accounts."""
    passwd = facts.text("/usr/share/base-passwd/passwd.master") or _MINIMAL_USERS
    group = facts.text("/usr/share/base-passwd/group.master") or _MINIMAL_GROUPS
    requests = requests_of(facts, replayed)
    accounts = allotted(passwd, group, requests)
    for path, text, mode in _databases(accounts):
        group_name = "shadow" if mode == 0o640 else "root"
        additions.add(path, Addition(kind="file", mode=mode, content=text.encode(), group=group_name))
    for request in requests:
        if isinstance(request, UserRequest) and request.makes_home:
            _add_home(request, accounts, facts, additions)
    return accounts


def requests_of(facts: Facts, replayed: Replay) -> list[Request]:
    """Return everything that packages ask for."""
    requests: list[Request] = []
    for path in facts.below("usr/lib/sysusers.d", ".conf"):
        requests.extend(parse_sysusers(facts.text(path) or ""))
    for _, invocation in replayed.of("adduser", "addgroup", "useradd", "groupadd", "usermod", "gpasswd"):
        requests.extend(parse_command(invocation.words))
    return requests


def allotted(passwd: str, group: str, requests: Iterable[Request]) -> Accounts:
    """Return the accounts of two master files, and those asked for with numbers allotted; what exists stays."""
    users = {user.name: user for user in _read_passwd(passwd)}
    groups = {each.name: each for each in _read_group(group)}
    asked = list(requests)
    new_users = {
        each.name: each for each in reversed(asked) if isinstance(each, UserRequest) and each.name not in users
    }
    new_groups = _new_groups(asked, new_users, groups)
    numbers = _Numbers({user.uid for user in users.values()}, {each.gid for each in groups.values()})
    for name in sorted(
        new_users.keys() | new_groups.keys(), key=lambda name: (_flexible(name, new_users, new_groups), name)
    ):
        uid, gid = numbers.take(name, new_users.get(name), new_groups.get(name))
        if name in new_groups:
            groups[name] = Group(name=name, gid=gid)
        if name in new_users:
            users[name] = _user(new_users[name], uid)
    gids = {name: each.gid for name, each in groups.items()}
    settled = [_with_primary_group(user, new_users.get(user.name), gids) for user in users.values()]
    return Accounts(users=tuple(settled), groups=tuple(_with_members(groups, users, asked)))


def _flexible(name: str, users: dict[str, UserRequest], groups: dict[str, GroupRequest]) -> bool:
    """Return whether neither number is fixed; those that are fixed come first."""
    user, group = users.get(name), groups.get(name)
    return not ((user and user.uid is not None) or (group and group.gid is not None))


def _new_groups(
    asked: list[Request], users: dict[str, UserRequest], existing: dict[str, Group]
) -> dict[str, GroupRequest]:
    found = {each.name: each for each in reversed(asked) if isinstance(each, GroupRequest)}
    for user in users.values():
        name = user.name if user.group == "" else user.group
        if name and not name.isdigit():
            found.setdefault(name, GroupRequest(name=name))
    return {name: each for name, each in found.items() if name not in existing}


class _Numbers:
    """Allots numbers: the one asked for, else one derived from the name, the same for user and group where it can."""

    def __init__(self, uids: set[int], gids: set[int]) -> None:
        self._uids = uids
        self._gids = gids

    def take(self, name: str, user: UserRequest | None, group: GroupRequest | None) -> tuple[int, int]:
        shared = self._probe(name, self._uids | self._gids if user and group else self._uids if user else self._gids)
        uid = user.uid if user and user.uid is not None and user.uid not in self._uids else shared
        gid = group.gid if group and group.gid is not None and group.gid not in self._gids else shared
        if user:
            self._uids.add(uid)
        if group:
            self._gids.add(gid)
        return uid, gid

    @staticmethod
    def _probe(name: str, taken: set[int]) -> int:
        """Return the first free number from the one that the name's digest points to."""
        start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % len(SYSTEM_IDS)
        candidates = (SYSTEM_IDS[(start + step) % len(SYSTEM_IDS)] for step in range(len(SYSTEM_IDS)))
        beyond = max((*taken, SYSTEM_IDS[-1])) + 1
        return next((number for number in candidates if number not in taken), beyond)


def _user(request: UserRequest, uid: int) -> User:
    return User(name=request.name, uid=uid, gid=NOGROUP, gecos=request.gecos, home=request.home, shell=request.shell)


def _with_primary_group(user: User, request: UserRequest | None, gids: dict[str, int]) -> User:
    if request is None or request.group is None:
        return user
    name = request.group or request.name
    gid = int(name) if name.isdigit() else gids[name]
    return msgspec.structs.replace(user, gid=gid)


def _with_members(groups: dict[str, Group], users: dict[str, User], asked: list[Request]) -> list[Group]:
    members = {name: list(each.members) for name, each in groups.items()}
    for each in asked:
        if (
            isinstance(each, MemberRequest)
            and each.user in users
            and each.user not in members.get(each.group, (each.user,))
        ):
            members[each.group].append(each.user)
    return [msgspec.structs.replace(each, members=tuple(members[name])) for name, each in groups.items()]


def _read_passwd(text: str) -> list[User]:
    lines = (line.split(":") for line in text.splitlines() if line.count(":") == 6)
    return [
        User(name=name, uid=int(uid), gid=int(gid), gecos=gecos, home=home, shell=shell)
        for name, _, uid, gid, gecos, home, shell in lines
    ]


def _read_group(text: str) -> list[Group]:
    lines = (line.split(":") for line in text.splitlines() if line.count(":") == 3)
    return [
        Group(name=name, gid=int(gid), members=tuple(filter(None, members.split(","))))
        for name, _, gid, members in lines
    ]


def _databases(accounts: Accounts) -> list[tuple[str, str, int]]:
    """Return (path, text, mode) of the four files; the fields for ageing stay empty, as there are no passwords."""
    users, groups = accounts.users, accounts.groups
    passwd = [f"{u.name}:x:{u.uid}:{u.gid}:{u.gecos}:{u.home}:{u.shell}" for u in users]
    group = [f"{g.name}:x:{g.gid}:{','.join(g.members)}" for g in groups]
    shadow = [f"{u.name}:*:::::::" for u in users]
    gshadow = [f"{g.name}:*::{','.join(g.members)}" for g in groups]
    files = (("passwd", passwd, 0o644), ("group", group, 0o644), ("shadow", shadow, 0o640), ("gshadow", gshadow, 0o640))
    return [(f"etc/{name}", "".join(f"{line}\n" for line in lines), mode) for name, lines, mode in files]


def _add_home(request: UserRequest, accounts: Accounts, facts: Facts, additions: Additions) -> None:
    path = facts.at(request.home)
    if path.partition("/")[0] not in ("var", "home", "srv", "opt") or "/" not in path or path in additions:
        return
    gid = next(user.gid for user in accounts.users if user.name == request.name)
    group = next((each.name for each in accounts.groups if each.gid == gid), "root")
    entry = facts.entry(path)
    if entry is None or entry.kind == "directory":
        mode = entry.mode if entry else 0o755
        additions.add(path, Addition(kind="directory", mode=mode, user=request.name, group=group))
