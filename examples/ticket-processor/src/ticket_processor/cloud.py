"""S3, SQS and DynamoDB: what exists, and one object for each."""

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ticket_processor.configuration import Configuration

__all__ = ["Cloud"]


@dataclass(frozen=True)
class Cloud:
    """Clients and the places they write to."""

    s3: Any
    sqs: Any
    table: Any
    queue_url: str

    @classmethod
    def connect(cls, configuration: Configuration) -> "Cloud":
        """Connect, and make the buckets, the queue, its notification and the table where they are missing."""
        options = {
            "endpoint_url": configuration.endpoint,
            "config": Config(retries={"max_attempts": 5, "mode": "standard"}, s3={"addressing_style": "path"}),
        }
        s3, sqs = boto3.client("s3", **options), boto3.client("sqs", **options)
        dynamodb = boto3.resource("dynamodb", **options)
        for bucket in (configuration.raw_bucket, configuration.enriched_bucket):
            _make_bucket(s3, bucket)
        queue_url = sqs.create_queue(
            QueueName=configuration.queue,
            Attributes={"VisibilityTimeout": str(configuration.visibility_timeout_s)},
        )["QueueUrl"]
        _notify(s3, sqs, configuration.raw_bucket, queue_url)
        return cls(s3, sqs, _make_table(dynamodb, configuration.table), queue_url)


def _make_bucket(s3: Any, bucket: str) -> None:
    try:
        s3.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


def _notify(s3: Any, sqs: Any, bucket: str, queue_url: str) -> None:
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )


def _make_table(dynamodb: Any, name: str) -> Any:
    try:
        table = dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "ticket_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "ticket_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        return dynamodb.Table(name)
    table.wait_until_exists()
    return table
