"""Make the base package and put it into the store, once, whoever asks.

Counterpart of `naming`, which says under which name and whether it is there already. The claim of the tree's key is
held while it is made; a rename commits it.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from breakbulk.lock.model import Package
from breakbulk.store.base import programs
from breakbulk.store.base.accounts import add_accounts
from breakbulk.store.base.additions import Additions
from breakbulk.store.base.alternatives import add_alternatives
from breakbulk.store.base.certificates import add_certificates
from breakbulk.store.base.databases import add_databases
from breakbulk.store.base.diversions import add_diversions
from breakbulk.store.base.facts import Facts, Member
from breakbulk.store.base.naming import BASE_FORMAT
from breakbulk.store.base.pam import add_pam
from breakbulk.store.base.replay import replay
from breakbulk.store.base.shells import add_shells
from breakbulk.store.base.skeleton import add_directories, add_files
from breakbulk.store.base.writing import Ownership, changes, listing, write_tree
from breakbulk.store.bundle import bundled
from breakbulk.store.claims import Claims
from breakbulk.store.layout import Layout
from breakbulk.store.records import encode_record, make_record, read_record
from breakbulk.store.removal import remove_tree
from breakbulk.store.staging import Stage, sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breakbulk.reporting import Reporter
    from breakbulk.store.base.accounts import Accounts

__all__ = ["contribute", "make_base"]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def make_base(
    layout: Layout, packages: Sequence[Package], locales: Sequence[str], name: str, reporter: Reporter
) -> None:
    """Make the tree `name` of the base package of `packages`, unless it is there; raise as `realise_base` does."""
    with Claims(layout.claims) as claims:
        claims.wait(name)
        if not (layout.packages / name).is_dir():
            _make(layout, packages, locales, name, reporter)


def _make(layout: Layout, packages: Sequence[Package], locales: Sequence[str], name: str, reporter: Reporter) -> None:
    """Make the tree and its record in the staging directory, then give them their names."""
    for left in layout.staging.glob(f"{name}.*"):
        remove_tree(left)  # its maker is gone, as we hold the claim
    stage = Stage(layout, name)
    task = reporter.begin("base package", total=1, unit="packages")
    try:
        stage.make()
        members = [_member(layout, package) for package in packages]
        _build(layout, stage, Facts(members, _architecture(members)), locales, reporter)
        record = make_record(_package(name), listing(stage.tree), None)
        stage.record.write_bytes(encode_record(record))
        sync(layout)
        stage.commit(layout)
        task.advance()
    finally:
        stage.discard()
        task.finish()


def _package(name: str) -> Package:
    """Return the base package as a package: what its record says it is. No lock names it."""
    return Package(
        ecosystem="archive",
        name="base",
        version=str(BASE_FORMAT),
        file=name,
        size=0,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        purl=f"pkg:generic/breakbulk-base@{BASE_FORMAT}",
        why=("base",),
    )


def _member(layout: Layout, package: Package) -> Member:
    record = read_record(layout, package)
    return Member(
        name=package.name,
        version=package.version,
        tree=layout.tree(package),
        content=record.content,
        deb=record.deb,
    )


def _architecture(members: Sequence[Member]) -> str:
    """Return Debian's name of the architecture: that of the packages, of this machine when there are none."""
    for member in members:
        for line in member.deb.control.splitlines() if member.deb else ():
            if line.startswith("Architecture:") and not line.endswith(" all"):
                return line.partition(":")[2].strip()
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


def _build(layout: Layout, stage: Stage, facts: Facts, locales: Sequence[str], reporter: Reporter) -> None:
    wanted = programs.planned(facts, locales)
    additions = Additions(facts)
    accounts, unread = contribute(facts, additions)
    for script, why in sorted(unread.items()):
        reporter.note(f"what {script} would do is not part of the environment: {why}")
    ownership = Ownership(accounts if os.geteuid() == 0 else None)
    upper = stage.directory / "upper"
    upper.mkdir()
    write_tree(stage.tree, additions, ownership)
    lowers = [stage.tree, *bundled(layout, [member.tree for member in facts.members])]
    for line in programs.run(wanted, lowers, upper, shell=facts.kind("/bin/sh") is not None):
        reporter.note(line)
    made = Additions(facts)
    for path, addition in changes(upper):
        made.add(path, addition)
    write_tree(stage.tree, made, ownership, moving=upper)


def contribute(facts: Facts, additions: Additions) -> tuple[Accounts, dict[str, str]]:
    """Have every contributor add its files; return the accounts, and scripts that could not be read with the reason."""
    add_directories(additions)
    replayed = replay(facts, additions)
    accounts = add_accounts(facts, replayed, additions)
    add_alternatives(facts, replayed, additions)
    add_diversions(facts, replayed, additions)
    add_certificates(facts, additions)
    add_shells(facts, replayed, additions)
    add_pam(facts, additions)
    add_databases(facts, additions)
    add_files(facts, additions)
    return accounts, replayed.unread
