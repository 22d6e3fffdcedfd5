"""A Dockerfile as a manifest: what its final stage installs, sets and starts, without building anything.

    text ──instructions──► Instruction... ──stages──► Stage... ──reading──► Assembly
                                                                  │
                                        words, shell_steps, installers, copying, bases

Source: the Dockerfile reference, https://docs.docker.com/reference/dockerfile/ .
"""

from breakbulk.importing.dockerfile.reading import from_dockerfile

__all__ = ["from_dockerfile"]
