"""The base package: what maintainer scripts would have made, generated, as one content-addressed tree.

`realise_base` in `naming` is the way in. Where the tree is not there, `building` gathers facts from the packages'
records, asks the contributors (`skeleton`, `accounts`, `alternatives`, ...) for files, runs the environment's own tools
over the result (`programs`), and puts one tree into the store.
"""

from breakbulk.store.base.naming import BASE_FORMAT, base_name, realise_base, relevant

__all__ = ["BASE_FORMAT", "base_name", "realise_base", "relevant"]
