"""Take tickets from the queue, enrich them, and write them to the table and to the enriched bucket.

A message is deleted only after both writes: a worker that dies leaves it to the next one, and writing twice gives the
same result, as both keys are the ticket's own.
"""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

from ticket_processor.analysis import Analyst
from ticket_processor.cloud import Cloud
from ticket_processor.configuration import Configuration, misnamed
from ticket_processor.embedding import DIMENSIONS, Embedder

__all__ = ["main", "process"]


def process(cloud: Cloud, configuration: Configuration, analyst: Analyst, *, drain: bool) -> Iterator[str]:
    """Yield the id of each ticket once it is enriched; with `drain` end when the queue is empty."""
    while True:
        messages = cloud.sqs.receive_message(
            QueueUrl=cloud.queue_url,
            MaxNumberOfMessages=min(configuration.max_messages, 10),
            WaitTimeSeconds=min(configuration.poll_interval_s, 20),
        ).get("Messages", [])
        for message in messages:
            for key in _keys(json.loads(message["Body"])):
                yield _enrich(cloud, configuration, analyst, key)
            cloud.sqs.delete_message(QueueUrl=cloud.queue_url, ReceiptHandle=message["ReceiptHandle"])
        if drain and not messages:
            return


def _keys(notification: dict[str, Any]) -> Iterator[str]:
    """Yield the object keys that an S3 notification names; its test event names none."""
    for record in notification.get("Records", []):
        yield unquote_plus(record["s3"]["object"]["key"])


def _enrich(cloud: Cloud, configuration: Configuration, analyst: Analyst, key: str) -> str:
    ticket = json.loads(cloud.s3.get_object(Bucket=configuration.raw_bucket, Key=key)["Body"].read())
    enrichment = asdict(analyst.analyse(ticket["text"]))
    enriched = {**ticket, **enrichment}
    cloud.s3.put_object(
        Bucket=configuration.enriched_bucket,
        Key=key,
        Body=json.dumps(enriched).encode(),
        ContentType="application/json",
    )
    cloud.table.put_item(Item={**enriched, "embedding": [Decimal(str(value)) for value in enrichment["embedding"]]})
    return str(ticket["ticket_id"])


def _stop(*_: object) -> None:
    """End at a signal without a traceback; an unfinished message becomes visible again by itself."""
    sys.exit(0)


def main() -> None:
    """Run `ticket-processor`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drain", action="store_true", help="end when the queue is empty")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    for sentence in misnamed():
        print(f"warning: {sentence}", file=sys.stderr)
    configuration = Configuration.load()
    analyst = Analyst(Embedder())
    cloud = Cloud.connect(configuration)
    print(f"model ready: all-MiniLM-L6-v2, {DIMENSIONS} dimensions", flush=True)
    count = 0
    for ticket in process(cloud, configuration, analyst, drain=arguments.drain):
        count += 1
        print(f"{ticket} enriched", flush=True)
    print(f"{count} tickets enriched")
