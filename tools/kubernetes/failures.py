"""Why nothing was built: what is the matter, why, and what to do about it; and what go's own words stand for."""

from __future__ import annotations

from collections.abc import Sequence

LINES = 20
NO_SPACE = (
    "there is no space left",
    "free some, or have BREAKBULK_KUBERNETES, GOCACHE, GOMODCACHE and TMPDIR elsewhere",
)
FORGED = ("a module is not the one that go.sum names", "do not use it; look at who answers for GOPROXY")
UNREACHABLE = ("modules cannot be fetched", "see `go env GOPROXY`, then run this again: what is there stays")
NO_MEMORY = ("there is too little memory", "GOFLAGS=-p=1 compiles one package at a time")
SIGNS = {
    "no space left on device": NO_SPACE,
    "checksum mismatch": FORGED,
    "SECURITY ERROR": FORGED,
    "dial tcp": UNREACHABLE,
    "server response": UNREACHABLE,
    "cannot allocate memory": NO_MEMORY,
    "signal: killed": NO_MEMORY,
}


class BuildError(Exception):
    """Nothing was built."""

    def __init__(self, what: str, *, why: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.why, self.fix = what, why, fix

    def __str__(self) -> str:
        return f"{self.what}\n  why: {self.why}\n  fix: {self.fix}"


def explained(name: str, said: Sequence[str], otherwise: str) -> BuildError:
    """Return the failure of a part that what go said stands for; `otherwise` is the fix where that is not known."""
    words = "".join(f"\n    {line}" for line in said[-LINES:])
    for sign, (why, fix) in SIGNS.items():
        if sign in words:
            return BuildError(f"{name} was not built", why=f"{why}; go says{words}", fix=fix)
    return BuildError(f"{name} was not built", why=f"go says{words}", fix=otherwise)
