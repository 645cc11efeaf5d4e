"""Reads the failures of a destination, in the order in which each partition has them."""

from collections.abc import Generator
from typing import Any

from fixfeed.io.kafka.client import Cluster, KafkaTrouble, Message
from fixfeed.io.kafka.destination import FAILURES, Destination
from fixfeed.io.kafka.whole_topic import read_to_the_end
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.transforms.failures import failure_of

__all__ = ["read_failures"]


def read_failures(destination: Destination) -> Generator[dict[str, Any], None, None]:
    """Yield all failures in the topic of a destination; nothing is made or changed.

    One that was sent twice comes twice. Raises `SinkError` if there is no such topic, or a record
    of it is not fixfeed's.
    """
    place, topic = destination.place, destination.failures
    try:
        cluster = Cluster(destination.address)
        cluster.identity()  # if nobody can be asked, it says why, and sooner
        found = cluster.topics([topic])[topic]
        if isinstance(found, KafkaTrouble):
            raise _not_there(cluster, destination) if found.gone else found
        for message in read_to_the_end(destination.address, topic, [0] * found.partitions):
            yield _failure(message, place, topic)
    except KafkaTrouble as trouble:
        raise SinkError(f"cannot read the failures of {trouble}") from trouble


def _not_there(cluster: Cluster, destination: Destination) -> KafkaTrouble:
    """Return why there is no topic of failures, as far as its messages tell."""
    place, name = destination.place, destination.topic
    messages = cluster.topics([name], rights=())[name]
    if isinstance(messages, KafkaTrouble):
        return messages
    of_failures = name.endswith(FAILURES)
    what_to_do = (
        f"name the topic of messages: {place.removesuffix(FAILURES)}"
        if of_failures
        else "if the run had failures=NAME, give it here as well"
    )
    return KafkaTrouble(
        f"{place}: there is no topic {destination.failures}; {what_to_do}", lasting=True, gone=True
    )


def _failure(message: Message, place: str, topic: str) -> dict[str, Any]:
    try:
        return failure_of(message.value() or b"")
    except ValueError as error:
        raise SinkError(
            f"{place}: the record at offset {message.offset()} of partition {message.partition()} "
            f"of {topic} is no failure as fixfeed writes it"
        ) from error
