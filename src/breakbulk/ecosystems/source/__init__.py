"""The user's own sources, in a directory or a Git repository: archives made here, and locked like all others.

`selection` says which files belong, `digests` what they are (fast, as every `run` asks), `packing` makes a tree's
archive and `projects` a Python project's wheel, `git` gets a commit, `making` keeps what was made, `ecosystem` is what
the rest of Breakbulk sees.
"""

from breakbulk.ecosystems.source.ecosystem import Source, anchored, changed_source

__all__ = ["Source", "anchored", "changed_source"]
