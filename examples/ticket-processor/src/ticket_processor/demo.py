"""Generate, process and report in one go, and say what it took."""

import argparse
import json
import time

from rich.console import Console
from rich.progress import track

from ticket_processor.analysis import Analyst
from ticket_processor.cloud import Cloud
from ticket_processor.configuration import Configuration, misnamed
from ticket_processor.embedding import DIMENSIONS, Embedder
from ticket_processor.generator import generate
from ticket_processor.processor import process
from ticket_processor.report import items, show

__all__ = ["main"]


def main() -> None:
    """Run `ticket-demo`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="how many tickets (24)")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    arguments = parser.parse_args()
    console = Console(quiet=arguments.json)
    for sentence in misnamed():
        Console(stderr=True).print(f"[yellow]warning:[/] {sentence}")
    seconds: dict[str, float] = {}
    configuration = Configuration.load()

    started = time.monotonic()
    analyst = Analyst(Embedder())
    seconds["model"] = time.monotonic() - started

    started = time.monotonic()
    cloud = Cloud.connect(configuration)
    generate(cloud, configuration, arguments.count, seed=1)
    seconds["generate"] = time.monotonic() - started

    started = time.monotonic()
    work = process(cloud, configuration, analyst, drain=True)
    done = list(track(work, "enriching", total=arguments.count, console=console, disable=arguments.json))
    seconds["enrich"] = time.monotonic() - started

    found = items(cloud)
    show(found, console)
    console.print(
        f"\n{len(done)} tickets, {DIMENSIONS} dimensions each: "
        + ", ".join(f"{step} {value:.1f} s" for step, value in seconds.items())
    )
    if arguments.json:
        listed = cloud.s3.list_objects_v2(Bucket=configuration.enriched_bucket)
        tickets = [{**item, "embedding": len(item["embedding"])} for item in found]
        print(json.dumps({"tickets": tickets, "seconds": seconds, "enriched_objects": listed["KeyCount"]}))
