"""Draw docs/terminal.svg: what a terminal shows when the commands of the README are typed, from a real run.

usage: .venv/bin/python tools/picture.py
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS, ROWS = 92, 40
COMMANDS = (
    "breakbulk init",
    "breakbulk install pypi:rich deb:jq",
    "breakbulk run -- jq --version",
    "breakbulk run -- python -c 'import rich; print(rich.__path__[0])'",
    "breakbulk list",
)


def main() -> None:
    """Run the commands on a pseudo-terminal in an empty directory, and draw what they show."""
    with tempfile.TemporaryDirectory() as directory, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            console.print(Text.from_ansi(shown(run(command, Path(directory)).replace(directory, "~/try"))))
    drawn = console.export_svg(title="an environment, and no image", unique_id="terminal")
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # a picture asks no host for a font
    (ROOT / "docs" / "terminal.svg").write_text(drawn, encoding="utf-8")


def run(command: str, directory: Path) -> str:
    """Return everything a command writes to its terminal."""
    primary, secondary = pty.openpty()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
        "LINES": str(ROWS),
    }
    process = subprocess.Popen(
        ["sh", "-c", command], cwd=directory, env=environment, stdin=secondary, stdout=secondary, stderr=secondary
    )
    os.close(secondary)
    written = b""
    while True:
        try:
            data = os.read(primary, 65536)
        except OSError:  # EIO: the last writer has closed the terminal
            break
        written += data
    os.close(primary)
    if process.wait():
        raise SystemExit(f"{command} failed:\n{written.decode()}")
    return written.decode()


def shown(written: str) -> str:
    """Return what stays on the screen: of lines that were drawn over, the last state."""
    lines: list[str] = []
    for line in written.replace("\r\n", "\n").split("\n"):
        visible = line.split("\r")[-1]
        ups = len(re.findall(r"\x1b\[1A", line))
        if ups:
            del lines[len(lines) - ups :]
        lines.append(re.sub(r"\x1b\[(?:\?\d+[hl]|2?K|1A)", "", visible))
    return "\n".join(lines).strip("\n")


if __name__ == "__main__":
    main()
