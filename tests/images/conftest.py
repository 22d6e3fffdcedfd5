"""Machines of `tests/hub`, and the registry and container engine of the benchmarks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "hub" / "support"))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
