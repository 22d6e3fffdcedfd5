"""The base package: what maintainer scripts would have made, generated, as one content-addressed tree.

`realise_base` in `building` is the way in. It gathers facts from the packages' records, asks the contributors
(`skeleton`, `accounts`, `alternatives`, ...) for files, runs the environment's own tools over the result
(`programs`), and puts one tree into the store.
"""

from breakbulk.store.base.building import BASE_FORMAT, base_name, realise_base, relevant
from breakbulk.store.base.diversions import diversions_of

__all__ = ["BASE_FORMAT", "base_name", "diversions_of", "realise_base", "relevant"]
