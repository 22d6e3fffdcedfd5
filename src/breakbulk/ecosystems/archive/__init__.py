"""Archives at an address of the manifest, with their digest beside it: tar or zip, compressed or not.

`sizing` asks how large one is, `ecosystem` is what the rest of Breakbulk sees.
"""

from breakbulk.ecosystems.archive.ecosystem import Archive

__all__ = ["Archive"]
