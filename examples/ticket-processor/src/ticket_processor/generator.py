"""Write tickets, made up from a seed, to the raw bucket."""

import argparse
import itertools
import json
import random
from collections.abc import Iterator

from ticket_processor.cloud import Cloud
from ticket_processor.configuration import Configuration

__all__ = ["generate", "main", "tickets"]

OPENINGS = ("Hello.", "Hi team.", "Good morning.", "To whom it may concern.")
BODIES = (
    "I was charged twice for my invoice this month and I want a refund.",
    "The dashboard crashes with an error whenever I open the report page.",
    "I cannot log in, and the password reset mail never arrives.",
    "It would be great if you could add an export to spreadsheets.",
    "Please cancel my subscription at the end of the month.",
    "Thank you so much, your support solved my problem within minutes!",
    "Our production system is down and we are losing money every minute.",
    "The upload of large files fails half-way since the last update.",
)
CLOSINGS = (
    "This is urgent, please help immediately!",
    "There is no hurry at all.",
    "I am really disappointed with this service.",
    "Thanks for your help.",
    "I would like to hear back this week.",
)


def tickets(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield `count` tickets, the same ones for the same seed."""
    chance = random.Random(seed)
    for number in itertools.islice(itertools.count(1), count):
        yield {
            "ticket_id": f"T-{seed:03d}-{number:05d}",
            "customer": f"customer-{chance.randrange(1000):03d}",
            "text": " ".join(chance.choice(part) for part in (OPENINGS, BODIES, CLOSINGS)),
        }


def generate(cloud: Cloud, configuration: Configuration, count: int, seed: int) -> int:
    """Put `count` tickets into the raw bucket, which tells the queue of each; return how many."""
    for ticket in tickets(count, seed):
        cloud.s3.put_object(
            Bucket=configuration.raw_bucket,
            Key=f"tickets/{ticket['ticket_id']}.json",
            Body=json.dumps(ticket).encode(),
            ContentType="application/json",
        )
    return count


def main() -> None:
    """Run `ticket-generator`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="how many tickets (24)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other tickets (1)")
    arguments = parser.parse_args()
    configuration = Configuration.load()
    made = generate(Cloud.connect(configuration), configuration, arguments.count, arguments.seed)
    print(f"{made} tickets written to s3://{configuration.raw_bucket}/tickets/")
