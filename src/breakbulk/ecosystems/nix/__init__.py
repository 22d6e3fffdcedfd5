"""What of Nix works without Nix: paths of this machine's Nix store, with what they refer to.

`closure` finds and packs them, `ecosystem` is what the rest of Breakbulk sees, and what says how to go on where Nix
would be needed.
"""

from breakbulk.ecosystems.nix.ecosystem import Nix

__all__ = ["Nix"]
