"""A partition that the consumer has been assigned, and how far it is read and stored."""

from fixfeed.io.kafka.client import TopicPartition
from fixfeed.io.kafka.records import Partition

__all__ = ["Assigned"]


class Assigned:
    """A partition that is read. All sinks have what is before `stored`; `told` was committed.

    What is before `handed` was handed to the run: of the blocks that are made (`Partition.given`),
    some may still wait. The consumer has given all before `seen_end`, also records at the end that
    are no messages.
    """

    def __init__(self, partition: Partition, at: int, note: str):
        """`at` is the offset at which reading begins; the group gets the `note` with each other."""
        self.note = note
        self.partition = partition
        self.stored = self.handed = at
        self.told = 0
        self.seen_end = -1

    @property
    def topic(self) -> str:
        """The name of its topic."""
        return self.partition.identity.topic

    @property
    def number(self) -> int:
        """Its number in the topic."""
        return self.partition.identity.number

    def at(self, offset: int) -> TopicPartition:
        """Return the place of an offset in it."""
        return TopicPartition(self.topic, self.number, offset)

    def in_group(self, offset: int) -> TopicPartition:
        """Return the same as it is committed."""
        return TopicPartition(self.topic, self.number, offset, metadata=self.note)
