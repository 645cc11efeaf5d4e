"""Topics of Kafka as input."""

import time
from collections.abc import Mapping, Sequence

from fixfeed.io.files.find import Unreadable
from fixfeed.io.kafka.address import read_uri
from fixfeed.io.stream import Feed, Remembered, Stored
from fixfeed.pipelines.kafka_output import KAFKA_PARAMETERS
from fixfeed.pipelines.source import Named, Reading, Source, Standing
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.transforms.protocol import Protocol

__all__ = ["KAFKA_WORDS", "kafka_source"]

KAFKA_WORDS = ("group", "from")
"""Its own parameters."""


def kafka_source(named: Sequence[Named]) -> Source:
    """Return the source of a URI; no broker is asked yet. Raises `UnknownPlace`."""
    if len(named) > 1:
        raise UnknownPlace(
            "one job reads from one Kafka: name several topics in one URI, with commas between, "
            "and start another job for other brokers"
        )
    text, properties = named[0].text, named[0].given.get("kafka-property", ())
    try:
        from fixfeed.io.kafka.beginning import EARLIEST, read_from
        from fixfeed.io.kafka.client import KafkaTrouble
        from fixfeed.io.kafka.looking import patterns_of
        from fixfeed.io.kafka.sharded import TopicsElsewhere
        from fixfeed.io.kafka.standing import standings
        from fixfeed.io.kafka.topics import OURS, KafkaTopics
    except ModuleNotFoundError as error:
        raise UnknownPlace(str(error)) from error
    try:
        others = [option.name for option in KAFKA_PARAMETERS]
        address = read_uri(text, own=KAFKA_WORDS, ours=OURS, properties=properties, others=others)
        begin = read_from(address.own.get("from", EARLIEST))
        if isinstance(begin, int) and begin > time.time() * 1000:
            raise ValueError(
                f"from is {address.own['from']!r}, which is yet to come: all that is there would "
                "count as done"
            )
        patterns_of(address.topics)
    except ValueError as error:
        raise UnknownPlace(str(error)) from error

    def standing(everywhere: Remembered, sinks: Mapping[str, Remembered]) -> Standing:
        place = address.shown
        try:
            partitions, wrong = standings(address, everywhere, sinks)
        except KafkaTrouble as trouble:
            partitions, wrong = [], [trouble]
        there = {one.topic for one in partitions}
        waited = [
            f"{place}: no topic matches {pattern.pattern} yet"
            for pattern in patterns_of(address.topics)
            if not wrong and not any(pattern.fullmatch(topic) for topic in there)
        ]
        unreadable = [Unreadable(place, str(one).removeprefix(f"{place}: ")) for one in wrong]
        return Standing(partitions, waited, unreadable)

    def stream(reading: Reading) -> Feed:
        try:
            return KafkaTopics(
                address,
                reading.protocol,
                reading.ledgers,
                stop=reading.stop,
                say=reading.say,
                away=reading.away,
                longest=reading.longest,
            )
        except KafkaTrouble as trouble:
            raise UnknownPlace(str(trouble)) from trouble

    def elsewhere(protocol: Protocol, stored: Stored, longest: int) -> TopicsElsewhere:
        return TopicsElsewhere(address, protocol, stored, longest)

    return Source(
        lambda _protocol: ([], []),
        lambda _protocol, _folder, _stop: ([], []),
        stream,
        elsewhere,
        standing,
    )
