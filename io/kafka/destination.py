"""What a run sends to Kafka, and to which topics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.routes import Route

__all__ = ["FAILURES", "Accepts", "Destination"]

FAILURES = ".failures"
"""The end of the name of a topic of failures, unless it is named."""

_PROGRESS = ".progress"  # the end of the name of a ledger's topic


class Accepts(NamedTuple):
    """The records that a topic takes: of so many bytes at most, and `keyless` ones or not."""

    size: int
    keyless: bool = True


@dataclass(frozen=True, kw_only=True)
class Destination:
    """The topics of a sink, and what its records are like.

    Messages go to the topic of the first of `routes` that they meet, else to `topic`; failures go
    to `failures`.

    `key` is the column that is the key of a record, `` for the source. With `raw`, a record is the
    message as it came; else a JSON line. With `create`, topics that are missing are made, those of
    messages with so many `partitions` (-1: as many as is usual there). With `transactions`,
    messages and what the ledger says of them appear at once, and each once.
    """

    address: Address
    topic: str
    failures: str
    routes: Sequence[Route] = ()
    key: str = ""
    raw: bool = False
    create: bool = False
    partitions: int = -1
    transactions: bool = False

    def __post_init__(self) -> None:
        """Raise `ValueError` for topics that would hold what cannot be told apart."""
        for topic in self._of_messages:
            if topic == self.failures:
                raise ValueError(f"messages and failures would both go to {topic}: name another")
        for topic in (*self._of_messages, self.failures):
            if topic.endswith(_PROGRESS):
                raise ValueError(
                    f"the topic {topic} has the name of a ledger, which nothing else may be "
                    f"written to: name one that does not end in {_PROGRESS}"
                )

    @property
    def place(self) -> str:
        """Its URI without parameters, for people."""
        return self.address.shown

    @property
    def progress(self) -> str:
        """The topic of the ledger."""
        return f"{self.topic}{_PROGRESS}"

    @property
    def topics(self) -> list[str]:
        """All of its topics, each once."""
        return list(dict.fromkeys([*self._of_messages, self.failures, self.progress]))

    @property
    def _of_messages(self) -> list[str]:
        return [self.topic, *(route.topic for route in self.routes if route.topic)]
