"""The keys of a hub: which object is where. Pure; everything below is relative to the hub's address.

    hub.json                                        format of the layout, and what this hub requires
    objects/<2>/<sha256>                            immutable bytes: locks, manifests, archives, prepared packages
    prepared/<directory name>/<tree digest>         which object holds this tree, unpacked and compiled (`Blob`)
    environments/<owner>/<name>/changes/<8 digits>  what happened to it, numbered from 1, signed or not (`Change`)
    environments/<owner>/<name>/digests/<sha256>    number of a change that pushed the environment with this digest
    environments/<owner>/<name>/elsewhere/<8 digits>  generation whose packages a mirror left where they were; empty
    packages/<owner>/<name>/changes/<8 digits>      what was published of a package built with Breakbulk
    keys/<key id>/<8 digits>                        what became of a signing key: its rotation, its revocation
    index/snapshots/<8 digits>                      summaries of all environments, zstd
    index/journal/<owner>~<name>~<8 digits>         summaries that came after the snapshot
    leases/<token>                                  what a push at work is going to refer to: nobody removes these
    collecting                                      there while unreachable objects are being removed
    log/<time>-<token>                              audit log of the service

The one step that publishes is the conditional create of the next change; `digests`, `prepared` and `index` are derived,
written after what they tell of, and found again when they are missing.
"""

from __future__ import annotations

from breakbulk.errors import IntegrityError

__all__ = [
    "COLLECTING",
    "ENVIRONMENTS",
    "FORMAT",
    "HUB",
    "INDEX",
    "JOURNAL",
    "KEYS",
    "LEASES",
    "OBJECTS",
    "PACKAGES",
    "PREPARED",
    "SNAPSHOTS",
    "change_key",
    "changes_prefix",
    "digest_key",
    "elsewhere_prefix",
    "is_numbered",
    "journal_key",
    "key_statements_prefix",
    "numbered",
    "object_key",
    "prepared_key",
    "publication_key",
    "publications_prefix",
    "snapshot_key",
]

FORMAT = 1
HUB = "hub.json"
OBJECTS = "objects/"
ENVIRONMENTS = "environments/"
PACKAGES = "packages/"
KEYS = "keys/"
PREPARED = "prepared/"
LEASES = "leases/"
COLLECTING = "collecting"
INDEX = "index/"
SNAPSHOTS = "index/snapshots/"
JOURNAL = "index/journal/"
_DIGITS = 8


def object_key(sha256: str) -> str:
    """Return where the bytes with this SHA-256 (64 hexadecimal digits) are; raise `IntegrityError` for what is none."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise IntegrityError("this is not a SHA-256", identifier="digest-malformed", where=repr(sha256[:80]))
    return f"objects/{sha256[:2]}/{sha256}"


def prepared_key(directory: str, tree: str) -> str:
    """Return where it is told which object holds the tree `tree` of the package in `directory` of a store."""
    return f"prepared/{directory}/{tree}"


def changes_prefix(environment: str) -> str:
    """Return what the keys of an environment's changes begin with; `environment` is `owner/name`."""
    return f"environments/{environment}/changes/"


def change_key(environment: str, number: int) -> str:
    """Return where change `number` of an environment is."""
    return changes_prefix(environment) + numbered(number)


def digest_key(environment: str, digest: str) -> str:
    """Return where the number of the change is that pushed the environment with `digest` (`sha256:...`)."""
    return f"environments/{environment}/digests/{digest.removeprefix('sha256:')}"


def publications_prefix(package: str) -> str:
    """Return what the keys of a package's publications begin with; `package` is `owner/name`."""
    return f"packages/{package}/changes/"


def publication_key(package: str, number: int) -> str:
    """Return where publication `number` of a package is."""
    return publications_prefix(package) + numbered(number)


def elsewhere_prefix(environment: str) -> str:
    """Return what the keys begin with that name generations whose packages were never brought to this hub."""
    return f"environments/{environment}/elsewhere/"


def key_statements_prefix(key_id: str) -> str:
    """Return what the keys of statements about a signing key begin with; raise `IntegrityError` for what is no id."""
    object_key(key_id)  # an id is a SHA-256 too
    return f"keys/{key_id}/"


def journal_key(environment: str, number: int) -> str:
    """Return where the summary after change `number` is kept until the next snapshot."""
    return f"{JOURNAL}{environment.replace('/', '~')}~{numbered(number)}"


def snapshot_key(number: int) -> str:
    """Return where snapshot `number` of the index is."""
    return SNAPSHOTS + numbered(number)


def numbered(number: int) -> str:
    """Return a number as it stands in keys, so that their order is that of the numbers."""
    return f"{number:0{_DIGITS}d}"


def is_numbered(text: str) -> bool:
    """Say whether `text` is what `numbered` gives for some number."""
    return len(text) == _DIGITS and text.isascii() and text.isdecimal()
