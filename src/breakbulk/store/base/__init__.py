"""The base package: what maintainer scripts would have made, generated, as one content-addressed tree.

`realise_base` in `building` is the way in. It gathers facts from the packages' records, asks the contributors
(`skeleton`, `accounts`, `alternatives`, ...) for files, runs the environment's own tools over the result
(`programs`), and puts one tree into the store.
"""
