"""What a URI such as `kafka://host:9092/fix.messages?key=cl_ord_id` says of a destination."""

from collections.abc import Sequence

import pyarrow as pa

from fixfeed.io.kafka.address import check_topic, read_uri
from fixfeed.io.kafka.destination import FAILURES, Destination
from fixfeed.io.kafka.routes import Route, read_routes
from fixfeed.pipelines.option import Option, UsageError
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.transforms.nearest import did_you_mean
from fixfeed.transforms.protocol import Protocol

_OURS = {
    "acks": "a record counts as sent once all replicas have it",
    "enable.idempotence": "what a producer sends again is there once",
    "transactional.id": "write transactions=true",
}
__all__ = ["KAFKA_PARAMETERS", "destination_of"]

KAFKA_PARAMETERS: Sequence[Option] = (
    Option(name="key", help="the column that is the key of a record", metavar="COLUMN"),
    Option(
        name="format",
        help="json: a line as jsonl: writes it; raw: the message as it came",
        kind="choice",
        choices=("json", "raw"),
    ),
    Option(name="topics", help="a file of rules that choose the topic", metavar="FILE"),
    Option(name="failures", help="the topic of failures", metavar="TOPIC"),
    Option(name="create", help="make topics that are missing", kind="flag"),
    Option(name="partitions", help="how many a new topic has", kind="number", least=1),
    Option(name="transactions", help="each message exactly once, by transactions", kind="flag"),
)
"""The parameters of an output."""


def destination_of(
    uri: str, protocol: Protocol, *, properties: Sequence[str] = (), topics: Sequence[str] = ()
) -> Destination:
    """Return the destination that a URI names.

    `properties` (`NAME=VALUE`) and rules of `topics` are those of all destinations. Raises
    `UnknownPlace` if it cannot be understood, or a file that it names cannot be read.
    """
    words = {option.name: option for option in KAFKA_PARAMETERS}
    try:
        address = read_uri(uri, own=words, ours=_OURS, properties=properties)
    except ValueError as error:
        raise UnknownPlace(str(error)) from error
    try:
        if len(address.topics) > 1:
            raise ValueError("an output has one topic; a file of rules, topics=FILE, names others")
        (topic,) = address.topics
        check_topic(topic)
        given = {word: words[word].value(text) for word, text in address.own.items()}
        if "partitions" in given and not given.get("create"):
            raise ValueError("partitions are those of topics that are made; add create=true")
        return Destination(
            address=address,
            topic=topic,
            failures=check_topic(given.get("failures", f"{topic}{FAILURES}")),
            routes=_routes(given.get("topics"), topics, protocol),
            key=_key(given.get("key"), protocol),
            raw=given.get("format") == "raw",
            create=given.get("create", False),
            partitions=given.get("partitions", -1),
            transactions=given.get("transactions", False),
        )
    except (ValueError, UsageError) as error:
        raise UnknownPlace(f"{address.shown}: {error}") from error


def _key(column: str | None, protocol: Protocol) -> str:
    table = protocol.table
    if column is None:
        return table.ordered_by
    columns = [one.name for one in table.schema if not pa.types.is_binary(one.type)]
    columns.remove("position")
    if column not in columns:
        hint = did_you_mean(column, columns) or "; --dry-run lists the columns"
        raise ValueError(f"key is {column!r}, which is no column of messages{hint}")
    return column


def _routes(path: str | None, rules: Sequence[str], protocol: Protocol) -> Sequence[Route]:
    if path is None:
        try:
            return read_routes(rules, protocol.rule)
        except ValueError as error:
            raise ValueError(f"kafka-topic, {error}") from error
    if rules:
        raise ValueError("topics=FILE contradicts kafka-topic; leave out one of the two")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return read_routes(file, protocol.rule)
    except OSError as error:
        raise ValueError(f"topics {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"topics {path} is no text in UTF-8; save it as such") from error
    except ValueError as error:
        raise ValueError(f"topics {path}, {error}") from error
