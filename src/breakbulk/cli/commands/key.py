"""`breakbulk key`: keys that sign what you push, and keys that you believe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli.authoring import authorship
from breakbulk.cli.declaration import Group, declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, columns, human_age, one_line, printable
from breakbulk.cli.signing_options import ask_new_passphrase, asking
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.hub.keys import KeyRing, PublicKey
    from breakbulk.hub.listing_keys import ListedKey

__all__ = ["command"]

_HEADER = ("NAME", "KEY", "WHOSE", "FOR", "STATUS", "SINCE")

command = Group(
    "key",
    help="Make keys that sign what you push, and say whose keys you believe.\n\nA key signs by itself once it is "
    "there. Machines that require signatures (`require-signatures = true` in config.toml) run what a key has signed "
    "that they believe for its owner, and nothing else.",
    examples=(
        ("breakbulk key new ada", "Make a key; pushes, switches and rollbacks are signed from now on."),
        ("breakbulk key trust ada.pub --owner ada", "Believe the holder of this key for the environments of ada."),
    ),
)


@declare(
    "new",
    ("breakbulk key new ada", "Make the key ada, which only this account can read."),
    ("breakbulk key new ada --passphrase", "Make one that needs a passphrase each time it signs."),
    environment=False,
)
@click.argument("name")
@click.option(
    "--passphrase",
    is_flag=True,
    help="Encrypt it; the passphrase is asked for, or read from the file that BREAKBULK_KEY_PASSPHRASE_FILE names.",
)
def new(invocation: Invocation, name: str, passphrase: bool) -> None:
    """Make a signing key.

    The private key stays in the configuration directory. Give the public one to all who run what you push, by a way
    that they trust: whoever can write to the hub could give them another.
    """
    ring = _ring(invocation)
    key = ring.make(name, _new_passphrase(invocation, name) if passphrase else None)
    public = ring.directory / f"{name}.pub"
    document = {"name": key.name, "key": key.id, "public": key.public, "public_file": public}
    invocation.report(document, f"made the key {name}\nid      {key.id}\npublic  {public}")
    invocation.suggest(f"breakbulk key trust {name}.pub --owner OWNER (on the machines of others)")


@declare(
    "list",
    ("breakbulk key list", "Show your keys, and those you believe."),
    environment=False,
)
def list_(invocation: Invocation) -> None:
    """Show your keys and those you believe, for which owners, and what has become of them.

    What hubs say of keys is as it was seen last; a run asks again.
    """
    from breakbulk.hub.listing_keys import listed_keys

    found = listed_keys(invocation.settings)
    document = {"keys": [_document(listed) for listed in found]}
    invocation.show(document, lambda: _table(found, invocation.style) if found else "no keys; `key new` makes one")


@declare(
    "trust",
    ("breakbulk key trust ada.pub --owner ada", "Believe this key for everything that ada owns."),
    ("cat ada.pub | breakbulk key trust - --owner 'team-*' --name ada", "Read it from standard input."),
    environment=False,
)
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False), metavar="FILE|-")
@click.option("--owner", "owners", multiple=True, required=True, metavar="PATTERN", help="An owner, `team-*`, or `*`.")
@click.option("--name", metavar="NAME", help="What to call it; by default as the file is called.")
def trust(invocation: Invocation, file: str, owners: tuple[str, ...], name: str | None) -> None:
    """Believe the holder of a public key for what some owners have.

    Get it from its owner, not from the hub. A successor that the key itself names later is believed without this; a
    key that was revoked is not believed again.
    """
    from pathlib import PurePath

    from breakbulk.hub.keys import check_key_name, decode_public
    from breakbulk.hub.trusted_keys import TrustedKey, change_trust, check_owners

    check_owners(owners)
    called = name or (PurePath(file).stem if file != "-" else "unnamed")
    check_key_name(called)
    key = decode_public(_content(file), called, file)
    added = TrustedKey(key=key, owners=owners, since=datetime.now(UTC))
    trusted = change_trust(invocation.settings, lambda before: before.trusting(added))
    patterns = next(each.owners for each in trusted.keys if each.key.id == key.id)
    document = {"name": called, "key": key.id, "owners": patterns}
    invocation.report(document, f"believed for {', '.join(patterns)}: {called}, {key.id}")


@declare(
    "revoke",
    ('breakbulk key revoke ada --message "laptop stolen"', "Let nothing count that the key has ever signed."),
    ("breakbulk key revoke 9f8ce6b2 --here", "Believe somebody's key no more, on this machine only."),
    environment=False,
)
@click.argument("name", metavar="NAME|KEYID")
@click.option("--message", default="", metavar="TEXT", help="Say why.")
@click.option("--here", is_flag=True, help="Tell no hub.")
@click.option("--sign", "signers", multiple=True, metavar="KEY", help="Sign it with this key of yours as well.")
def revoke(invocation: Invocation, name: str, message: str, here: bool, signers: tuple[str, ...]) -> None:
    """Believe a key no more, and tell all others on the hub.

    Nothing counts that it has signed, what is older included, unless another key that is believed has signed too. It
    holds here at once; elsewhere from when a machine next asks the hub, if the key itself signs it or one that the
    machine believes. It cannot be taken back.
    """
    from breakbulk.hub.rotation import find_key, revoke

    ring = _ring(invocation)
    key = find_key(invocation.settings, ring, name)
    also = _own(invocation, ring, signers) or _speaker(invocation, key)
    hub = None if here else invocation.hub
    told = revoke(hub, ring, key, authorship(invocation, message), invocation.settings, also=also)
    where = f"here and on {invocation.hub.url}" if told else "here"
    invocation.report({"name": key.name, "key": key.id, "published": told}, f"revoked {where}: {key.name}, {key.id}")
    if not told and not here:
        invocation.note("you have no key that could tell others; they have to revoke it themselves")


@declare(
    "rotate",
    ("breakbulk key rotate ada", "Replace the key; who believes the old one believes the new one from now on."),
    ("breakbulk key rotate ada --sign backup", "Have it hold though the old key be revoked later."),
    environment=False,
)
@click.argument("name")
@click.option("--message", default="", metavar="TEXT", help="Say why.")
@click.option("--passphrase", is_flag=True, help="Give the new key a passphrase.")
@click.option("--sign", "signers", multiple=True, metavar="KEY", help="Sign it with this key of yours as well.")
def rotate(invocation: Invocation, name: str, message: str, passphrase: bool, signers: tuple[str, ...]) -> None:
    """Replace a key by a new one of the same name, and say so on the hub, signed by both.

    What the old key has signed until now stays good, and nothing that it signs later. A key that was stolen has to be
    revoked instead: whoever has it could name a successor as well.
    """
    from breakbulk.hub.rotation import rotate

    ring = _ring(invocation)
    done = rotate(
        invocation.hub,
        ring,
        name,
        authorship(invocation, message),
        invocation.settings,
        passphrase=_new_passphrase(invocation, name) if passphrase else None,
        also=_own(invocation, ring, signers),
    )
    document = {"name": name, "old": done.old.id, "key": done.new.id, "environments": done.environments}
    text = f"replaced the key {name}\nold  {done.old.id}, good for what there is of {done.environments} environments"
    invocation.report(document, f"{text}\nnew  {done.new.id}")


def _content(file: str) -> bytes:
    """Return the bytes of a file, or of standard input."""
    try:
        with click.open_file(file, "rb") as opened:
            content: bytes = opened.read()
    except OSError as error:
        raise UsageError("the public key cannot be read", where=file, why=error.strerror) from error
    return content


def _ring(invocation: Invocation) -> KeyRing:
    from breakbulk.hub.keys import KeyRing

    return KeyRing(invocation.settings, asking())


def _new_passphrase(invocation: Invocation, name: str) -> bytes:
    from breakbulk.hub.keys import KeyRing

    return KeyRing(invocation.settings, ask_new_passphrase()).passphrase_for_new(name)


def _own(invocation: Invocation, ring: KeyRing, names: tuple[str, ...]) -> list[PublicKey]:
    from breakbulk.hub.signing import chosen_key

    chosen = (chosen_key(invocation.settings, name) for name in names)
    return [key for key in chosen if key is not None and key in ring.own()]


def _speaker(invocation: Invocation, key: PublicKey) -> list[PublicKey]:
    """Return the own key that speaks for the user, unless it is the one that is revoked."""
    from breakbulk.hub.signing import chosen_key

    chosen = chosen_key(invocation.settings)
    return [chosen] if chosen is not None and chosen.id != key.id else []


def _document(listed: ListedKey) -> dict[str, Any]:
    return {
        "name": listed.key.name,
        "key": listed.key.id,
        "public": listed.key.public,
        "own": listed.own,
        "owners": listed.owners,
        "status": listed.status,
        "successor": listed.successor,
        "since": listed.since,
        "reason": listed.reason,
    }


def _table(found: tuple[ListedKey, ...], look: Style) -> str:
    now = datetime.now(UTC)
    return columns(_HEADER, (_row(listed, now) for listed in found), look)


def _row(listed: ListedKey, now: datetime) -> tuple[str, ...]:
    since = human_age((now - listed.since).total_seconds()) if listed.since else ""
    reason = f": {one_line(listed.reason, 40)}" if listed.reason else ""
    successor = f", now {listed.successor[:16]}" if listed.successor else ""
    return (
        printable(listed.key.name),
        listed.key.id[:16],
        "yours" if listed.own else "",
        ", ".join(listed.owners),
        f"{listed.status}{successor}{reason}",
        since,
    )


for each in (new, list_, trust, revoke, rotate):
    command.add_command(each)
