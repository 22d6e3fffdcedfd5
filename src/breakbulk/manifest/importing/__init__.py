"""Manifests made from what a project already has: requirements files, `pyproject.toml`, Flox environments.

Each function reads the files, returns the text of a manifest that is valid as it stands, and says in comments what it
could not take over. They write nothing.
"""

from breakbulk.manifest.importing.flox import from_flox
from breakbulk.manifest.importing.pyproject import from_pyproject
from breakbulk.manifest.importing.requirements import from_requirements

__all__ = ["from_flox", "from_pyproject", "from_requirements"]
