"""From the recipes of `[build]` to packages: built in the environment's own root file system, and published.

    manifest ─► recipes (matrix, levels of CPU) ─► workplace ─► running ─► outputs ─► archive by digest ─► publishing
                                                                               └─► checking: built twice, compared

A build sees the packages of its environment, a copy of the project's files at a fixed place, and nothing of the machine
or of whoever calls; what it leaves in `$out` becomes an archive of the same bytes whenever the files are the same.
"""
