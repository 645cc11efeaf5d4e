"""Topics of Kafka as input."""

import re
from collections.abc import Sequence

from fixfeed.io.files.find import Unreadable
from fixfeed.io.kafka.address import Address, read_uri
from fixfeed.io.stream import Feed
from fixfeed.pipelines.kafka_output import destination_of
from fixfeed.pipelines.source import Found, Named, Reading, Source
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.transforms.protocol import Protocol

__all__ = ["kafka_source", "refuse_what_feeds_itself"]

_OWN = ("group", "from")
_SCHEME = "kafka://"


def kafka_source(named: Sequence[Named]) -> Source:
    """Return the source of a URI; no broker is asked yet. Raises `UnknownPlace`."""
    if len(named) > 1:
        raise UnknownPlace(
            "one job reads from one Kafka: name several topics in one URI, with commas between, "
            "and start another job for other brokers"
        )
    try:
        from fixfeed.io.kafka.beginning import read_from
        from fixfeed.io.kafka.client import Cluster, KafkaTrouble
        from fixfeed.io.kafka.looking import patterns_of
        from fixfeed.io.kafka.topics import OURS, KafkaTopics
    except ModuleNotFoundError as error:
        raise UnknownPlace(str(error)) from error
    try:
        address = read_uri(named[0].text, own=_OWN, ours=OURS)
        read_from(address.own.get("from", "earliest"))
        patterns_of(address.topics)
    except ValueError as error:
        raise UnknownPlace(str(error)) from error

    def look(_protocol: Protocol) -> Found:
        try:
            cluster = Cluster(address)
            cluster.identity()  # if nobody can be asked, it says why, and sooner
            topics = cluster.topics([one for one in address.topics if not one.startswith("^")])
        except KafkaTrouble as trouble:
            return [], [Unreadable(address.shown, str(trouble))]
        wrong = [one for one in topics.values() if isinstance(one, KafkaTrouble)]
        return [], [Unreadable(address.shown, str(one)) for one in wrong]

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

    return Source(look, lambda protocol, _folder, _stop: look(protocol), stream)


def refuse_what_feeds_itself(
    inputs: Sequence[str], outputs: Sequence[str], protocol: Protocol
) -> None:
    """Raise `UnknownPlace` if a job would read what it writes to Kafka, and never come to an end.

    The topics of failures and of the ledger count as well. Brokers are compared by their names.
    """
    for text in inputs:
        for uri in outputs:
            if text.startswith(_SCHEME) and uri.startswith(_SCHEME):
                read = read_uri(text, own=_OWN, ours={})
                written = destination_of(uri, protocol)
                if _servers(read.servers) & _servers(written.address.servers):
                    _compare(read, written.topics)


def _servers(text: str) -> set[str]:
    return {one if ":" in one else f"{one}:9092" for one in text.split(",")}


def _compare(read: Address, written: Sequence[str]) -> None:
    for topic in written:
        for name in read.topics:
            if name == topic or (name.startswith("^") and re.fullmatch(name, topic)):
                raise UnknownPlace(
                    f"the job would read what it writes: {read.shown} reads the topic {topic}, to "
                    "which an output writes; name another topic there, or fewer here"
                )
