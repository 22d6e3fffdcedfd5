"""An image in a tar archive as a manifest: what its package databases and its configuration say, without unpacking it.

IMAGE.tar ──archive──► layers, configuration ──layers──► files of databases ──debian, python──► packages ──► Assembly
"""

from breakbulk.importing.image.reading import from_image

__all__ = ["from_image"]
