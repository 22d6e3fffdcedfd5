"""Make `python -m breakbulk` the same program as `breakbulk`."""

from __future__ import annotations

import sys

from breakbulk.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
