"""Reads topics from a place to the end that they have now."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.client import (
    QUIET,
    Consumer,
    KafkaError,
    KafkaException,
    KafkaTrouble,
    Message,
    TopicPartition,
    no_rights,
    reason_of,
)

__all__ = ["SILENCE", "end_of", "read_to_the_end", "reading_to_the_end"]

# Whatever the address says: of a ledger, all that is committed counts, and nothing else.
_OURS: Mapping[str, Any] = {
    "group.id": "fixfeed",  # it has no part in any group, and leaves nothing there
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "fetch.wait.max.ms": 10,
}
_MANY = 10_000
_STEP = 0.5  # seconds
_DOUBTFUL = 2.0  # seconds of silence after which it is asked whether the topic is there at all
SILENCE = 10.0
"""Seconds after which no answer is an answer."""


def read_to_the_end(
    address: Address, topic: str, starts: Sequence[int], *, silence: float = SILENCE
) -> Iterator[Message]:
    """Yield the records of partitions 0, 1, ... of a topic, each from its offset in `starts`.

    Those of transactions that are open or undone are left out. Raises `KafkaTrouble` if
    they cannot be read, as when nothing comes for `silence` seconds.
    """
    return filter(None, reading_to_the_end(address, topic, starts, silence=silence))


def end_of(address: Address, topic: str) -> int:
    """Return the offset after the last record of a topic of one partition, 0 if it never had any.

    Raises `KafkaTrouble` if it cannot be asked.
    """
    consumer = Consumer({**address.client, **_OURS}, logger=QUIET)
    try:
        found = consumer.get_watermark_offsets(TopicPartition(topic, 0), SILENCE)
    except KafkaException as error:
        raise _trouble(address, topic, reason_of(error.args[0], address.properties)) from None
    finally:
        consumer.close()
    if found is None:
        raise _trouble(address, topic, f"no answer within {SILENCE:.0f} seconds")
    return int(found[1])


def reading_to_the_end(
    address: Address,
    topic: str,
    starts: Sequence[int],
    *,
    silence: float = SILENCE,
    rights: Sequence[str] = ("READ",),
) -> Iterator[Message | None]:
    """As `read_to_the_end`, with a None for each second and less in which nothing has come.

    `rights` are those that this client has to have on the topic, for whom it may not see it.
    """
    consumer = Consumer({**address.client, **_OURS}, logger=QUIET)
    try:
        consumer.assign([TopicPartition(topic, *one) for one in enumerate(starts)])
        left, heard = set(range(len(starts))), time.monotonic()
        while left:
            first = consumer.poll(min(_STEP, silence))
            if first is None:
                if time.monotonic() - heard >= silence:
                    raise _trouble(address, topic, f"no answer within {silence:.0f} seconds")
                if time.monotonic() - heard >= _DOUBTFUL:
                    _check(consumer, address, topic, rights)
                yield None
                continue
            heard = time.monotonic()
            for message in [first, *consumer.consume(_MANY, 0)]:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                elif error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                    pass  # no group has a part in this
                else:
                    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                        raise no_rights(address, topic, "read", ["READ"])
                    raise _trouble(address, topic, reason_of(error, address.properties))
    finally:
        consumer.close()


def _check(consumer: Consumer, address: Address, topic: str, rights: Sequence[str]) -> None:
    """Raise `KafkaTrouble` if the topic is gone, or may not be seen: the consumer waits for it."""
    error = None
    with suppress(KafkaException):  # nobody answers
        error = consumer.list_topics(topic, _STEP).topics[topic].error
    if error is None:
        return
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise no_rights(address, topic, "see", rights)
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise _trouble(address, topic, "it is gone")


def _trouble(address: Address, topic: str, why: str) -> KafkaTrouble:
    return KafkaTrouble(f"{address.shown}: topic {topic} cannot be read: {why}")
