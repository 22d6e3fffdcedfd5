"""The environment variables that the command line itself obeys, beside those of `Settings`, for the reference."""

from __future__ import annotations

__all__ = ["VARIABLES"]

VARIABLES: tuple[tuple[str, str], ...] = (
    ("BREAKBULK_HUB_TOKEN", "The token for the configured hub, where that is a service; not handed to what is run"),
    ("BREAKBULK_HUB_PLAIN_HTTP", "`1` sends tokens unencrypted to other machines, where the network itself is safe"),
    ("BREAKBULK_DEBUG", "Set to show the traceback of an unexpected error, which otherwise goes to a file"),
    ("VISUAL, EDITOR", "The editor of `breakbulk edit`"),
    ("NO_COLOR", "Set to write no colours; https://no-color.org"),
    ("FORCE_COLOR", "Set to write colours where there is no terminal"),
    ("TERM", "`dumb` gives plain lines instead of bars, and no colours"),
)
