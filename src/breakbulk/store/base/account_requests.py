"""Who asks for which users and groups: adduser(8), useradd(8) and their like in maintainer scripts, and sysusers.d(5).

Pure parsing; `accounts` allots numbers and writes the databases.
"""

from __future__ import annotations

import getopt
import re
import shlex
from typing import TYPE_CHECKING

import msgspec

from breakbulk.store.base.shell_state import is_known

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GroupRequest", "MemberRequest", "Request", "UserRequest", "parse_command", "parse_sysusers"]

NO_HOME = "/nonexistent"
NO_SHELL = "/usr/sbin/nologin"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
_NUMBER = re.compile(r"\d{1,9}")

_ADDUSER = [
    "system", "group", "gid=", "ingroup=", "uid=", "home=", "shell=", "gecos=", "comment=", "firstuid=", "lastuid=",
    "firstgid=", "lastgid=", "conf=", "quiet", "debug", "verbose", "force-badname", "allow-badname", "allow-bad-names",
    "allow-all-names", "no-create-home", "disabled-password", "disabled-login", "add_extra_groups", "add-extra-groups",
]  # fmt: skip
_USERADD = [
    "system", "uid=", "gid=", "home-dir=", "home=", "shell=", "comment=", "groups=", "create-home", "no-create-home",
    "user-group", "no-user-group", "non-unique", "no-log-init", "password=", "skel=", "key=", "badname", "base-dir=",
]  # fmt: skip


class UserRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A user; `group` is the primary group's name or number, None for nogroup, "" for one of its own name."""

    name: str
    uid: int | None = None
    group: str | None = ""
    gecos: str = ""
    home: str = NO_HOME
    shell: str = NO_SHELL
    makes_home: bool = False


class GroupRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A group."""

    name: str
    gid: int | None = None


class MemberRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A user that is also in a group."""

    user: str
    group: str


Request = UserRequest | GroupRequest | MemberRequest


def parse_command(words: Sequence[str]) -> list[Request]:
    """Return what one call of a program asks for; nothing when it cannot be understood."""
    program = words[0].rpartition("/")[2]
    arguments = [word for word in words[1:] if is_known(word)]
    parser = _PARSERS.get(program)
    try:
        found = parser(arguments) if parser else []
    except getopt.GetoptError:
        return []
    return [request for request in found if _well_named(request)]


def parse_sysusers(text: str) -> list[Request]:
    """Return what a file of sysusers.d(5) asks for."""
    found: list[Request] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            words = [*shlex.split(line), "-", "-", "-", "-", "-"][:6]
        except ValueError:
            continue
        found.extend(_sysusers_line(words))
    return [request for request in found if _well_named(request)]


def _sysusers_line(words: Sequence[str]) -> list[Request]:
    kind, name, number, gecos, home, shell = ("" if word == "-" else word for word in words)
    uid, _, group = number.partition(":")
    match kind.rstrip("!"):
        case "g":
            return [GroupRequest(name=name, gid=_number(uid))]
        case "m":
            return [MemberRequest(user=name, group=number)]
        case "u":
            gid = _number(group) if group else _number(uid)
            groups: list[Request] = [] if group and gid is None else [GroupRequest(name=name, gid=gid)]
            user = UserRequest(
                name=name,
                uid=_number(uid),
                group=group if group and gid is None else name,
                gecos=gecos,
                home=home or "/",
                shell=shell or NO_SHELL,
            )
            return [*groups, user]
        case _:
            return []


def _adduser(arguments: list[str]) -> list[Request]:
    pairs, names = getopt.gnu_getopt(arguments, "qd", _ADDUSER)
    options = {name.lstrip("-"): value for name, value in pairs}
    if len(names) == 2:
        return [MemberRequest(user=names[0], group=names[1])]
    if len(names) != 1:
        return []
    name = names[0]
    if "group" in options and "system" not in options:
        return [GroupRequest(name=name, gid=_number(options.get("gid", "")))]
    system = "system" in options
    group = options.get("ingroup") or options.get("gid") or ("" if "group" in options or not system else None)
    home = options.get("home") or (NO_HOME if system else f"/home/{name}")
    user = UserRequest(
        name=name,
        uid=_number(options.get("uid", "")),
        group=group,
        gecos=options.get("gecos") or options.get("comment") or "",
        home=home,
        shell=options.get("shell") or (NO_SHELL if system else "/bin/bash"),
        makes_home="no-create-home" not in options and home != NO_HOME,
    )
    return [user] if group != "" else [GroupRequest(name=name, gid=user.uid), user]


def _addgroup(arguments: list[str]) -> list[Request]:
    pairs, names = getopt.gnu_getopt(arguments, "q", _ADDUSER)
    if len(names) == 2:
        return [MemberRequest(user=names[0], group=names[1])]
    return [GroupRequest(name=name, gid=_number(dict(pairs).get("--gid", ""))) for name in names[:1]]


def _useradd(arguments: list[str]) -> list[Request]:
    pairs, names = getopt.gnu_getopt(arguments, "rMmNUlou:g:d:s:c:G:p:k:e:f:K:b:R:", _USERADD)
    if len(names) != 1:
        return []
    short = {"u": "uid", "g": "gid", "d": "home-dir", "home": "home-dir", "s": "shell", "c": "comment", "G": "groups"}
    options = {short.get(name.lstrip("-"), name.lstrip("-")): value for name, value in pairs}
    name = names[0]
    uid = _number(options.get("uid", ""))
    alone = options.keys() & {"N", "no-user-group"}
    user = UserRequest(
        name=name,
        uid=uid,
        group=options.get("gid") or (None if alone else ""),
        gecos=options.get("comment", ""),
        home=options.get("home-dir") or f"/home/{name}",
        shell=options.get("shell") or "/bin/sh",
        makes_home=bool(options.keys() & {"m", "create-home"}),
    )
    own: list[Request] = [GroupRequest(name=name, gid=uid)] if user.group == "" else []
    members = [MemberRequest(user=name, group=group) for group in options.get("groups", "").split(",") if group]
    return [*own, user, *members]


def _groupadd(arguments: list[str]) -> list[Request]:
    pairs, names = getopt.gnu_getopt(arguments, "rfg:oK:p:", ["system", "force", "gid=", "non-unique", "key="])
    options = dict(pairs)
    gid = options.get("-g") or options.get("--gid") or ""
    return [GroupRequest(name=name, gid=_number(gid)) for name in names[:1]]


def _usermod(arguments: list[str]) -> list[Request]:
    pairs, names = getopt.gnu_getopt(
        arguments, "aG:Ld:g:s:c:l:mu:U", ["append", "groups=", "lock", "home=", "gid=", "shell=", "comment=", "login="]
    )
    groups = next((value for name, value in pairs if name in ("-G", "--groups")), "")
    return [MemberRequest(user=names[0], group=group) for group in groups.split(",") if group and len(names) == 1]


def _gpasswd(arguments: list[str]) -> list[Request]:
    pairs, names = getopt.gnu_getopt(arguments, "a:d:", ["add=", "delete="])
    added = [value for name, value in pairs if name in ("-a", "--add")]
    return [MemberRequest(user=user, group=names[0]) for user in added if len(names) == 1]


_PARSERS = {
    "adduser": _adduser,
    "addgroup": _addgroup,
    "useradd": _useradd,
    "groupadd": _groupadd,
    "usermod": _usermod,
    "gpasswd": _gpasswd,
}


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _well_named(request: Request) -> bool:
    if isinstance(request, MemberRequest):
        return bool(_NAME.fullmatch(request.user) and _NAME.fullmatch(request.group))
    fields = (request.gecos, request.home, request.shell) if isinstance(request, UserRequest) else ()
    return bool(_NAME.fullmatch(request.name)) and not any(":" in field or "\n" in field for field in fields)
