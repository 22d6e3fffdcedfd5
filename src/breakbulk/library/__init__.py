"""Environments as a library: what `from breakbulk import Environment` gives, and what the command line is a client of.

    from breakbulk import Environment

    environment = Environment.open("examples/hello")
    environment.relock()
    status = environment.launch(["hello"])

Nothing is read before it is needed, as `launch` is on the way to every command that a user starts.
"""

from breakbulk.library.environment import Environment, Locked
from breakbulk.library.opening import open_environment
from breakbulk.library.runnable import Runnable, running_system

__all__ = ["Environment", "Locked", "Runnable", "open_environment", "running_system"]
