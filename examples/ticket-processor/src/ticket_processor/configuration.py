"""The variables this program reads, and the names that guides get wrong."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Configuration", "misnamed"]

MISNAMED = {
    "S3_RAW_BUCKET": "S3_BUCKET_RAW",
    "S3_ENRICHED_BUCKET": "S3_BUCKET_ENRICHED",
    "DYNAMODB_TABLE_NAME": "DYNAMODB_TABLE",
    "SQS_QUEUE": "SQS_QUEUE_NAME",
    "TRANSFORMERS_CACHE": "MODEL_CACHE_DIR",
}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Settings of generator, processor and report; times are in seconds."""

    raw_bucket: str
    enriched_bucket: str
    table: str
    queue: str
    poll_interval_s: int
    max_messages: int
    visibility_timeout_s: int
    endpoint: str | None

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> "Configuration":
        """Read the environment; a number that is none ends the program with a sentence."""
        return cls(
            raw_bucket=environment.get("S3_BUCKET_RAW", "tickets-raw"),
            enriched_bucket=environment.get("S3_BUCKET_ENRICHED", "tickets-enriched"),
            table=environment.get("DYNAMODB_TABLE", "tickets"),
            queue=environment.get("SQS_QUEUE_NAME", "ticket-processing-queue"),
            poll_interval_s=_number(environment, "SQS_POLL_INTERVAL", 20),
            max_messages=_number(environment, "SQS_MAX_MESSAGES", 10),
            visibility_timeout_s=_number(environment, "SQS_VISIBILITY_TIMEOUT", 300),
            endpoint=environment.get("AWS_ENDPOINT_URL") or None,
        )


def misnamed(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for every variable that is set and that this program does not read."""
    return [
        f"{wrong} is set, but this program reads {right}"
        for wrong, right in MISNAMED.items()
        if wrong in environment and right not in environment
    ]


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, str(default))
    if not value.isdigit():
        raise SystemExit(f"{name}={value}: a whole number was expected")
    return int(value)
