"""The connection of a ledger to its brokers: a producer, and what its topic has got since."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager

from fixfeed.io.background import in_background
from fixfeed.io.kafka.check_topics import RIGHTS_ON_PROGRESS, check_topics
from fixfeed.io.kafka.client import KafkaTrouble, Message
from fixfeed.io.kafka.destination import Accepts, Destination
from fixfeed.io.kafka.producer import Sender
from fixfeed.io.kafka.whole_topic import reading_to_the_end
from fixfeed.io.ledger.ledger import SinkError, SinkFailed, is_held

__all__ = ["Connection", "errors"]


class Connection:
    """Connects to the brokers of a destination when it is used. Not for several threads.

    Whatever the brokers hold up for longer than `patience`, in seconds, is a `SinkFailed` that is
    `held`, and the same call goes on with it.
    """

    def __init__(self, destination: Destination, *, transactions: bool, patience: float):
        """Store the parameters; nothing is connected."""
        self.accepts: dict[str, Accepts] = {}
        self._destination = destination
        self._transactions = transactions
        self._patience = patience
        self._sender: Sender | None = None
        self._connecting: Future[tuple[dict[str, Accepts], Sender]] | None = None
        self._reading: Iterator[Message | None] | None = None

    def sender(self) -> Sender:
        """Return the producer, which is made if there is none, once the topics are checked.

        `accepts` then has which records each topic takes. Raises `KafkaTrouble`.
        """
        if self._sender is None:
            if self._connecting is None:
                self._connecting = in_background(self._connect)
            patience = None if math.isinf(self._patience) else self._patience
            if not wait([self._connecting], patience).done:
                raise self._held("the brokers do not answer yet")
            connecting, self._connecting = self._connecting, None
            self.accepts, self._sender = connecting.result()
        return self._sender

    def _connect(self) -> tuple[dict[str, Accepts], Sender]:
        accepts = check_topics(self._destination)
        return accepts, Sender(
            self._destination,
            min(one.size for one in accepts.values()),
            transactions=self._transactions,
            patience=self._patience,
        )

    def news(self, offset: int, silence: float) -> Iterator[Message]:
        """Yield the records of the ledger's topic from an offset on, or of what was held up.

        All of them are to be taken. Raises `KafkaTrouble`, as after so many seconds of silence.
        """
        destination = self._destination
        if self._reading is None:
            self._reading = reading_to_the_end(
                destination.address,
                destination.progress,
                [offset],
                silence=silence,
                rights=RIGHTS_ON_PROGRESS,
            )
        heard = time.monotonic()
        try:
            for message in self._reading:
                if message is not None:
                    heard = time.monotonic()
                    yield message
                elif time.monotonic() - heard >= self._patience:
                    raise self._held(f"the topic {destination.progress} cannot be read yet")
        except BaseException as error:
            if not is_held(error):
                self._reading = None
            raise
        self._reading = None

    def close(self) -> None:
        """Close what there is; the next use connects anew."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.add_done_callback(_closed)
        if self._sender is not None:
            self._sender.close()
        self._sender = self._reading = None

    def _held(self, why: str) -> SinkFailed:
        return SinkFailed(f"cannot write to {self._destination.place}: {why}", held=True)


def _closed(connecting: Future[tuple[dict[str, Accepts], Sender]]) -> None:
    """Close a producer that nobody waits for any more."""
    if connecting.exception() is None:
        connecting.result()[1].close()


@contextmanager
def errors(*, lasting: type[SinkError] = SinkFailed) -> Iterator[None]:
    """Raise trouble with Kafka as a `SinkFailed`, that which waiting does not mend as `lasting`."""
    try:
        yield
    except KafkaTrouble as trouble:
        text = f"cannot write to {trouble}"
        error = lasting(text) if trouble.lasting else SinkFailed(text, away=True)
        raise error from trouble
