#!/usr/bin/env python3
"""Write go.mod and go.sum of a part, for the version of its module that is given.

usage: tools/kubernetes/pin.py PART VERSION      (such as: containerd v2.2.0; kubernetes-1.35 v1.35.4)

A part is built with exactly what its authors built it with: their `replace`, `exclude`, `godebug` and `go` lines are
copied (a dependency's are ignored by go), and their go.sum is where ours begins, so that `go mod tidy` holds what it
fetches against sums that come from them. Modules of Kubernetes' own tree become the ones published beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from parts import Part, around, kubernetes


def main() -> int:
    """Pin the part that the command line names."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    name, version = sys.argv[1:]
    part = kubernetes(name.removeprefix("kubernetes-")) if name.startswith("kubernetes-") else _named(name)
    upstream = _go("mod", "download", "-json", f"{part.module}@{version}", within=Path("/"))
    source = Path(upstream["Dir"])
    part.directory.mkdir(exist_ok=True)
    authors = _go("mod", "edit", "-json", within=source)
    (part.directory / "go.mod").write_text(definition(part, version, authors), encoding="utf-8")
    (part.directory / "go.sum").write_bytes((source / "go.sum").read_bytes())
    subprocess.run(["go", "mod", "tidy"], cwd=part.directory, check=True)
    return 0


def definition(part: Part, version: str, authors: dict[str, Any]) -> str:
    """Return the text of our go.mod, given that of the authors as `go mod edit -json` prints it."""
    tools = [f"tool {package}" for package in part.programs.values()]
    debugging = [f"godebug {entry['Key']}={entry['Value']}" for entry in authors.get("GoDebug") or ()]
    required = [f"require {part.module} {version}"]
    replaced = [line for entry in authors.get("Replace") or () for line in _replacement(part, version, entry)]
    excluded = [f"exclude {entry['Path']} {entry['Version']}" for entry in authors.get("Exclude") or ()]
    head = [f"module breakbulk.dev/tools/kubernetes/{part.name}", f"go {authors['Go']}"]
    return (
        "\n\n".join("\n".join(lines) for lines in (head, debugging, tools, required, replaced, excluded) if lines)
        + "\n"
    )


def _replacement(part: Part, version: str, entry: dict[str, Any]) -> list[str]:
    old, new = entry["Old"], entry["New"]
    if "Version" in new:
        return [f"replace {_at(old)} => {_at(new)}"]
    if part.staging and old["Path"].startswith(part.staging):
        return [f"replace {old['Path']} => {old['Path']} v0{version[2:]}"]
    return []  # a neighbour in the authors' tree, published with the version that they require


def _at(module: dict[str, str]) -> str:
    return " ".join(text for text in (module["Path"], module.get("Version")) if text)


def _named(name: str) -> Part:
    for part in around():
        if part.name == name:
            return part
    raise SystemExit(f"pin: there is no part {name}; there are {', '.join(part.name for part in around())}")


def _go(*arguments: str, within: Path) -> dict[str, Any]:
    output = subprocess.run(["go", *arguments], cwd=within, check=True, stdout=subprocess.PIPE).stdout
    values: dict[str, Any] = json.loads(output)
    return values


if __name__ == "__main__":
    sys.exit(main())
