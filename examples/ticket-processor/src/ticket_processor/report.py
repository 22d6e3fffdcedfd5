"""Show what is in the table."""

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from ticket_processor.cloud import Cloud
from ticket_processor.configuration import Configuration

__all__ = ["items", "main", "show"]

COLOURS = {"critical": "bold red", "high": "yellow", "negative": "red", "positive": "green"}


def items(cloud: Cloud) -> list[dict[str, Any]]:
    """Return every enriched ticket by id."""
    found, page = [], cloud.table.scan()
    found += page["Items"]
    while "LastEvaluatedKey" in page:
        page = cloud.table.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
        found += page["Items"]
    return sorted(found, key=lambda item: item["ticket_id"])


def show(found: list[dict[str, Any]], console: Console, limit: int = 12) -> None:
    """Print a table of the first `limit` tickets, and the counts of all."""
    table = Table(title="Enriched tickets", header_style="bold")
    for column, width in (("ticket", 11), ("intent", 12), ("urgency", 8), ("sentiment", 9)):
        table.add_column(column, width=width)
    table.add_column("summary", overflow="ellipsis", no_wrap=True, width=max(20, console.width - 56))
    for item in found[:limit]:
        cells = [item["ticket_id"], *(item[name] for name in ("intent", "urgency", "sentiment")), item["summary"]]
        table.add_row(*(f"[{COLOURS[cell]}]{cell}[/]" if cell in COLOURS else cell for cell in cells))
    console.print(table)
    for name in ("intent", "urgency", "sentiment"):
        counts = Counter(item[name] for item in found).most_common()
        console.print(f"{name:>9}: " + ", ".join(f"{label} {count}" for label, count in counts))


def main() -> None:
    """Run `ticket-report`."""
    show(items(Cloud.connect(Configuration.load())), Console())
