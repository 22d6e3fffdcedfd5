"""/etc/pam.d/common-*: the authentication that all services share, as pam-auth-update(8) makes it on installation.

Profiles of /usr/share/pam-configs that are enabled by default are put, highest priority first, between the comments
of the templates in /usr/share/pam. In a module's controls `end` becomes the number of lines to jump over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breakbulk.store.base.additions import Additions
    from breakbulk.store.base.facts import Facts

__all__ = ["Profile", "add_pam", "configuration", "parse_profile"]

_FILES = {
    "common-account": "Account",
    "common-auth": "Auth",
    "common-password": "Password",
    "common-session": "Session",
    "common-session-noninteractive": "Session",
}
_PLACEHOLDER = "$"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile's fields (Name, Priority, Auth-Type, ...); those with module lines hold them joined by newlines."""

    fields: dict[str, str]

    @property
    def priority(self) -> int:
        """Return the priority, 0 when it is missing or no number."""
        text = self.fields.get("Priority", "0")
        return int(text) if text.isdigit() else 0

    def lines(self, kind: str, block: str, *, first: bool) -> list[str]:
        """Return the module lines of a kind (`Auth`) for a block (`Primary`); the first of a block may have its own."""
        if self.fields.get(f"{kind}-Type", "") != block:
            return []
        initial = self.fields.get(f"{kind}-Initial") if first else None
        return (initial or self.fields.get(kind, "")).splitlines()


def add_pam(facts: Facts, additions: Additions) -> None:
    """Add the files for which there is a template."""
    texts = ((path.rpartition("/")[2], facts.text(f"/{path}") or "") for path in facts.below("usr/share/pam-configs"))
    profiles = [(name, parse_profile(text)) for name, text in texts]
    enabled = [(name, profile) for name, profile in profiles if profile.fields.get("Default") == "yes"]
    ordered = [profile for _, profile in sorted(enabled, key=lambda pair: (-pair[1].priority, pair[0]))]
    for name, kind in _FILES.items():
        template = facts.text(f"/usr/share/pam/{name}")
        if template is not None and facts.entry(f"etc/pam.d/{name}") is None:
            interactive = not name.endswith("-noninteractive")
            suited = [p for p in ordered if interactive or p.fields.get(f"{kind}-Interactive-Only") != "yes"]
            additions.file(f"etc/pam.d/{name}", configuration(template, kind, suited))


def parse_profile(text: str) -> Profile:
    """Return a profile from its text: `Field: value`, with the lines of modules indented below their field."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t"):
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}".strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return Profile(fields=fields)


def configuration(template: str, kind: str, profiles: Sequence[Profile]) -> str:
    """Return a template with the profiles' modules in the places of its two variables."""
    lines: list[str] = []
    for line in template.splitlines():
        if not line.startswith(_PLACEHOLDER):
            lines.append(line)
        elif line.endswith("_primary"):
            modules = _modules(kind, "Primary", profiles) or ["[default=1]\t\t\tpam_permit.so"]
            lines += [f"{kind.lower()}\t{module}" for module in modules]
        else:
            lines += [f"{kind.lower()}\t{module}" for module in _modules(kind, "Additional", profiles)]
    return "".join(f"{line}\n" for line in lines)


def _modules(kind: str, block: str, profiles: Sequence[Profile]) -> list[str]:
    lines: list[str] = []
    for profile in profiles:
        lines += profile.lines(kind, block, first=not lines)
    # Past the end of the primary block is its fallback; past the end of the other one is nothing.
    beyond = 0 if block == "Primary" else 1
    return [line.replace("=end", f"={len(lines) - index - beyond}") for index, line in enumerate(lines)]
