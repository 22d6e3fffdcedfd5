from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.store.base.account_requests import (
    GroupRequest,
    MemberRequest,
    Request,
    UserRequest,
    parse_command,
    parse_sysusers,
)

PARSED: list[tuple[str, list[Request]]] = [
    (
        'adduser --system --home /var/lib/postgresql --no-create-home --shell /bin/bash --group --gecos "PG" postgres',
        [
            GroupRequest(name="postgres"),
            UserRequest(name="postgres", gecos="PG", home="/var/lib/postgresql", shell="/bin/bash"),
        ],
    ),
    (
        "adduser --system --home /var/lib/redis --quiet --group redis",
        [GroupRequest(name="redis"), UserRequest(name="redis", home="/var/lib/redis", makes_home=True)],
    ),
    (
        "adduser --quiet --system --no-create-home --home /run/sshd --shell /usr/sbin/nologin sshd",
        [UserRequest(name="sshd", group=None, home="/run/sshd")],
    ),
    (
        "adduser --system --ingroup rabbitmq --home /var/lib/rabbitmq --no-create-home --disabled-login rabbitmq",
        [UserRequest(name="rabbitmq", group="rabbitmq", home="/var/lib/rabbitmq")],
    ),
    ("adduser --quiet postgres ssl-cert", [MemberRequest(user="postgres", group="ssl-cert")]),
    ("addgroup --system --quiet --force-badname _ssh", [GroupRequest(name="_ssh")]),
    ("/usr/sbin/groupadd -r -g 42 shadow", [GroupRequest(name="shadow", gid=42)]),
    (
        "useradd -r -M -d /srv/x -s /bin/false -g x -G video,audio x",
        [
            UserRequest(name="x", group="x", home="/srv/x", shell="/bin/false"),
            MemberRequest(user="x", group="video"),
            MemberRequest(user="x", group="audio"),
        ],
    ),
    ("usermod -a -G adm syslog", [MemberRequest(user="syslog", group="adm")]),
    ("gpasswd --add www-data x", [MemberRequest(user="www-data", group="x")]),
    ("adduser --unheard-of name", []),
    ("adduser '../x'", []),
    ("adduser --gecos 'a:b' --system x", []),
]


@pytest.mark.parametrize(("line", "requests"), PARSED)
def test_command_lines_of_maintainer_scripts(line: str, requests: list[Request]) -> None:
    assert parse_command(shlex.split(line)) == requests


def test_sysusers() -> None:
    text = (
        '# a comment\nu messagebus - "System Message Bus" - -\ng input 104\nu! x 7:8 - /srv\nu y 9:input\nm x input\n'
    )
    assert parse_sysusers(text) == [
        GroupRequest(name="messagebus"),
        UserRequest(name="messagebus", group="messagebus", gecos="System Message Bus", home="/"),
        GroupRequest(name="input", gid=104),
        GroupRequest(name="x", gid=8),
        UserRequest(name="x", uid=7, group="x", home="/srv"),
        UserRequest(name="y", uid=9, group="input", home="/"),
        MemberRequest(user="x", group="input"),
    ]


@given(st.lists(st.text(max_size=10), max_size=8))
def test_no_command_line_is_too_strange(words: list[str]) -> None:
    parse_command(["adduser", *words])
    parse_command(["useradd", *words])
    parse_sysusers(" ".join(words))
