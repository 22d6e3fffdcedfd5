"""Extraction of archives that nobody vouches for, into an empty directory, in one pass.

An archive is data of a stranger even when its digest is the promised one. So everything that could write outside the
directory, fill the disk, or mean one thing to us and another to the next reader is refused by name (`ArchiveError`
with archive and member), and nothing is ever followed. `names` judges what members are called, `rules` what they may
be, `tree` writes them, `tar` and `zip` read the formats, `streams` the compression, `detecting` tells them apart.

Raises `ArchiveError` for the archive's faults; an `OSError` is the target's (disk full, not permitted) and is left to
the caller, who knows what the target is.
"""

from breakbulk.ecosystems.extraction.detecting import extract
from breakbulk.ecosystems.extraction.names import member_path, refusal
from breakbulk.ecosystems.extraction.placing import AS_IS, Placement, Stripped
from breakbulk.ecosystems.extraction.rules import DEBIAN, OWN, STRANGER, Limits, Rules
from breakbulk.ecosystems.extraction.tar import extract_tar, read_members, scan_members
from breakbulk.ecosystems.extraction.tree import Attributes, Tree
from breakbulk.ecosystems.extraction.zip import extract_zip

__all__ = [
    "AS_IS",
    "DEBIAN",
    "OWN",
    "STRANGER",
    "Attributes",
    "Limits",
    "Placement",
    "Rules",
    "Stripped",
    "Tree",
    "extract",
    "extract_tar",
    "extract_zip",
    "member_path",
    "read_members",
    "refusal",
    "scan_members",
]
