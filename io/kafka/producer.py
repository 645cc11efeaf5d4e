"""Sends records to Kafka, and returns once the brokers have all of them, or says why not."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from fixfeed.io.kafka.client import (
    KafkaError,
    KafkaException,
    Message,
    Producer,
    is_lasting,
    reason_of,
)
from fixfeed.io.kafka.destination import Destination
from fixfeed.io.ledger.ledger import SinkError, SinkFailed

__all__ = ["Headers", "Records", "Sender"]

T = TypeVar("T")

_USUAL: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "zstd",
    # As other clients of Kafka choose the partition of a key.
    "partitioner": "murmur2_random",
    # What is waiting to be sent is also held by the commit; so this need not be much.
    "queue.buffering.max.kbytes": 64 << 10,
    "delivery.timeout.ms": 120_000,
    "delivery.report.only.error": True,
    # Records that a topic does not take are found before they are sent.
    "message.max.bytes": 1_000_000_000,
}
_IN_TRANSACTIONS: Mapping[str, Any] = {
    "transaction.timeout.ms": 60_000,
    "delivery.timeout.ms": 60_000,
    # The next transaction begins before the brokers have ended the one before, and is told to try
    # again: with the usual 100 ms a commit takes five times as long (measured).
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 10,
}
_STEP = 0.5  # seconds between two looks at what has failed
_FENCED = (
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
    KafkaError.TRANSACTION_COORDINATOR_FENCED,
)


class _Silence:
    """Takes librdkafka's log, which would go to standard error. What matters comes as errors.

    A real logger that is called while the client raises an error may clear that.
    """

    def log(self, *_: object) -> None:
        """Do nothing."""


Headers = list[tuple[str, str | bytes | None]]


class Records(NamedTuple):
    """Records of a topic, in order. `headers` are None if none of them has any."""

    topic: str
    keys: Sequence[bytes | None]
    values: Sequence[bytes]
    headers: Sequence[Headers] | None = None


class Sender:
    """A producer: idempotent, with bounded memory. Not for several threads.

    With transactions it is the only one of its destination: making it ends the transactions of the
    one before, which gets a `SinkError` at its next commit. Each method raises `SinkFailed` for
    what may work later, with another `Sender`.
    """

    def __init__(self, destination: Destination, largest_batch: int, *, transactions: bool):
        """Connect; no batch of records of `destination` is larger than so many bytes."""
        self._place = destination.place
        self._properties = destination.address.properties
        self._transactions = transactions
        self._transactional_id = f"fixfeed:{destination.progress}"
        self._failed: KafkaError | None = None
        self._trouble: KafkaError | None = None
        properties = {**_USUAL, "batch.size": min(largest_batch, 1_000_000)}
        if self._transactions:
            properties |= _IN_TRANSACTIONS
            properties["transactional.id"] = self._transactional_id
        properties |= {
            "logger": _Silence(),
            **destination.address.client,
            "error_cb": self._note_trouble,
        }
        self._producer = self._asked(Producer, properties)
        if self._transactions:
            self._asked(self._producer.init_transactions, 30)

    def commit(self, records: Iterable[Records], ledger: Iterable[Records]) -> None:
        """Send records and, once the brokers have all of them, those of the ledger.

        With transactions readers see all of both at once, or nothing.
        """
        with self._transaction():
            self._send(records)
            if not self._transactions:
                self._wait()
            self._send(ledger)
            self._wait()

    def close(self) -> None:
        """Drop what is not sent, and close the connections."""
        self._producer.purge()
        with warnings.catch_warnings():
            # A transaction that cannot be undone is undone by the brokers, or by the next producer.
            warnings.simplefilter("ignore", RuntimeWarning)
            self._producer.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if not self._transactions:
            yield
            return
        self._asked(self._producer.begin_transaction)
        yield
        self._asked(self._producer.commit_transaction, 60)

    def _asked(self, ask: Callable[..., T], *arguments: Any) -> T:
        try:
            return ask(*arguments)
        except KafkaException as error:
            raise self._error(error.args[0]) from error
        except SystemError as error:
            # The client has raised a fatal error, and called back before that was seen.
            raise self._error(self._fatal()) from error

    def _fatal(self) -> KafkaError:
        """Return the fatal error that the client has raised before."""
        try:
            if self._transactions:
                self._producer.commit_transaction(_STEP)
        except KafkaException as error:
            return error.args[0]
        return self._failed or KafkaError(KafkaError._FATAL)

    def _send(self, many: Iterable[Records]) -> None:
        for records in many:
            if records.headers is None:
                self._send_at_once(records)
            else:
                self._send_one_by_one(records, records.headers)

    def _send_at_once(self, records: Records) -> None:
        pairs = zip(records.keys, records.values, strict=True)
        left: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in pairs]
        while left:
            produce_batch = self._producer.produce_batch
            if produce_batch(records.topic, left, on_delivery=self._delivered) == len(left):  # type: ignore[arg-type]
                break
            # Contrary to its documentation it does not raise: what it could not take says why.
            left = [one for one in left if "_error" in one]
            for one in left:
                error = one.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    raise self._error(error)
            self._make_room()

    def _send_one_by_one(self, records: Records, headers: Sequence[Headers]) -> None:
        produce, topic, told = self._producer.produce, records.topic, self._delivered
        for key, value, about in zip(records.keys, records.values, headers, strict=True):
            while True:
                try:
                    produce(topic, value, key, on_delivery=told, headers=about)
                    break
                except BufferError:
                    self._make_room()
                except KafkaException as error:
                    raise self._error(error.args[0]) from error

    def _make_room(self) -> None:
        self._asked(self._producer.poll, _STEP / 10)
        self._check()

    def _wait(self) -> None:
        while self._asked(self._producer.flush, _STEP):
            self._check()
        self._check()

    def _check(self) -> None:
        if self._failed is not None:
            raise self._error(self._failed)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and self._failed is None:
            self._failed = error

    def _note_trouble(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._trouble = error

    def _error(self, error: KafkaError) -> SinkError:
        if error.code() in _FENCED:
            return SinkError(
                f"another job has begun to write to {self._place} with transactions, so this one "
                "stops; what is committed is there, and the other job goes on after it"
            )
        if error.code() == KafkaError._MSG_TIMED_OUT and self._trouble is not None:
            error = self._trouble
        return SinkFailed(
            f"cannot write to {self._place}: {self._reason(error)}; run it again once that is "
            "mended: what is committed stays",
            away=error.retriable() or (error.code() < 0 and not is_lasting(error)),
        )

    def _reason(self, error: KafkaError) -> str:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return (
                "a topic takes smaller records than fixfeed knows of; name the smallest "
                "max.message.bytes of the topics, as in message.max.bytes=100000, or have the "
                "right DESCRIBE_CONFIGS granted on them"
            )
        if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return (
                "this client may not use transactions; have the rights WRITE and DESCRIBE granted "
                f"on the transactional id {self._transactional_id}"
            )
        # What brokers answer is above zero; below it is why they do not.
        return error.str() if error.code() > 0 else reason_of(error, self._properties)
