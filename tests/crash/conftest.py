"""The crash tests drive the store with the tar ecosystem of its own tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "store" / "support"))
