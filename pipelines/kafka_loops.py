"""Refuses jobs that would read what they write to Kafka, and never come to an end."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fixfeed.io.kafka.address import Address, read_uri
from fixfeed.io.kafka.destination import Destination
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.pipelines.again import TryAgain
from fixfeed.pipelines.kafka_input import KAFKA_WORDS
from fixfeed.pipelines.kafka_output import destination_of
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.transforms.protocol import Protocol

__all__ = ["Loop", "loops_of", "refuse_one_cluster"]

_SCHEME = "kafka://"


class Loop(NamedTuple):
    """A topic of the same name that is read at one address and written to at another one."""

    read: Address
    written: Destination
    topic: str


def loops_of(settings: Settings, protocol: Protocol) -> list[Loop]:
    """Return what is a loop if both addresses are of one cluster; nothing is asked.

    The topics of failures and of the ledger count as well. Raises `UnknownPlace` if the addresses
    have a broker in common.
    """
    loops = []
    for text in settings.input:
        for uri in settings.output:
            if text.startswith(_SCHEME) and uri.startswith(_SCHEME):
                read = read_uri(text, own=KAFKA_WORDS, ours={}, properties=settings.kafka_property)
                written = destination_of(
                    uri,
                    protocol,
                    properties=settings.kafka_property,
                    topics=settings.kafka_topic,
                )
                for topic in _common(read, written.topics):
                    if _servers(read.servers) & _servers(written.address.servers):
                        raise _refused(read, topic)
                    loops.append(Loop(read, written, topic))
    return loops


def refuse_one_cluster(loops: Sequence[Loop], again: TryAgain) -> None:
    """Raise `UnknownPlace` if addresses with different names of brokers are of one cluster.

    Raises `SinkError` if brokers cannot be asked; those that are away are waited for.
    """
    if not loops:
        return
    from fixfeed.io.kafka.client import Cluster
    from fixfeed.io.kafka.connection import errors

    for read, written, topic in loops:

        def ids(addresses: Sequence[Address] = (read, written.address)) -> set[str]:
            with errors(lasting=SinkError):
                return {Cluster(address).identity() for address in addresses}

        if len(again.until_it_works(ids, away=True)) == 1:
            raise _refused(read, topic)


def _common(read: Address, written: Sequence[str]) -> Iterator[str]:
    for topic in written:
        for name in read.topics:
            if name == topic or (name.startswith("^") and re.fullmatch(name, topic)):
                yield topic


def _servers(text: str) -> set[str]:
    return {one if ":" in one else f"{one}:9092" for one in text.split(",")}


def _refused(read: Address, topic: str) -> UnknownPlace:
    return UnknownPlace(
        f"the job would read what it writes: {read.shown} reads the topic {topic}, to which an "
        "output writes; name another topic there, or fewer here"
    )
