"""An environment file of conda as a manifest; `names` says what its packages are called here, `specs` reads versions.

Source: https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html .
"""

from breakbulk.importing.conda.reading import from_conda

__all__ = ["from_conda"]
