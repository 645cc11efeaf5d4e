"""What a run sends to Kafka, and to which topics."""

from collections.abc import Sequence
from dataclasses import dataclass

from fixfeed.io.kafka.address import Address
from fixfeed.io.kafka.routes import Route

__all__ = ["Destination"]


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

    @property
    def place(self) -> str:
        """Its URI without parameters, for people."""
        return self.address.shown

    @property
    def progress(self) -> str:
        """The topic of the ledger."""
        return f"{self.topic}.progress"

    @property
    def topics(self) -> list[str]:
        """All of its topics, each once."""
        routed = [route.topic for route in self.routes if route.topic]
        return list(dict.fromkeys([self.topic, *routed, self.failures, self.progress]))
