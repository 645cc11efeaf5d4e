"""Sends records to Kafka, and returns once the brokers have all of them, or says why not."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from fixfeed.io.background import in_background
from fixfeed.io.kafka.address import about_property
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
_CLOSE = 1.0  # seconds that closing may take: brokers that are away undo no transaction
_END = 60.0  # seconds that the end of a transaction may take
_PURGED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
"""Why a record of a transaction was not sent: another one of it failed."""
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
    values: Sequence[bytes | None]
    headers: Sequence[Headers] | None = None


class Sender:
    """A producer: idempotent, with bounded memory. Not for several threads.

    With transactions it is the only one of its destination: making it ends the transactions of the
    one before, which gets a `SinkError` at its next commit. Making it raises `SinkError` for a
    property that is wrong. Each method raises `SinkFailed` for what may work later, with another
    `Sender`.
    """

    def __init__(
        self,
        destination: Destination,
        largest_batch: int,
        *,
        transactions: bool,
        patience: float = math.inf,
    ):
        """Connect; no batch of records of `destination` is larger than so many bytes.

        `patience` is for how many seconds a commit waits for brokers that take nothing.
        """
        self._patience = patience
        self._steps: Iterator[None] = iter(())
        self._place = destination.place
        self._topics = ", ".join(destination.topics)
        self._properties = destination.address.properties
        self._transactions = transactions
        self._transactional_id = f"fixfeed:{destination.progress}"
        self._failed: tuple[KafkaError, str] | None = None  # and of which topic
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
        self._longest = int(properties.get("transaction.timeout.ms", 0))
        self._began = math.inf, math.inf
        try:
            self._producer = Producer(properties)
        except KafkaException as error:
            text = about_property(error.args[0].str(), destination.address.doubtful)
            raise SinkError(f"cannot write to {self._place}: {text}") from None
        if self._transactions:
            self._asked(self._producer.init_transactions, 30)

    def commit(self, records: Iterable[Records], ledger: Iterable[Records]) -> None:
        """Send records and, once the brokers have all of them, those of the ledger.

        With transactions readers see all of both at once, or nothing. If nothing was taken for as
        long as the patience is, it raises a `SinkFailed` that is `held`; `go_on` goes on then.
        """
        self._steps = self._committing(records, ledger)
        self.go_on()

    def go_on(self) -> None:
        """Go on with a commit that was held up, as `commit`."""
        left, since = len(self._producer), time.monotonic()
        for _ in self._steps:
            now = len(self._producer)
            if now != left:
                left, since = now, time.monotonic()
                self._trouble = None
            elif time.monotonic() - since >= self._patience:
                raise self._held()
        self._trouble = None

    def _committing(self, records: Iterable[Records], ledger: Iterable[Records]) -> Iterator[None]:
        """Commit; yield whenever brokers are waited for."""
        if self._transactions:
            self._began = time.monotonic(), time.time()
            self._asked(self._producer.begin_transaction)
        yield from self._send(records)
        if not self._transactions:
            yield from self._wait()
        yield from self._send(ledger)
        yield from self._wait()
        if self._transactions:
            yield from self._end_transaction()

    def close(self) -> None:
        """Drop what is not sent, and close the connections, or leave that to a thread."""
        self._producer.purge()
        with suppress(TimeoutError):
            in_background(self._close).result(_CLOSE)

    def _close(self) -> None:
        # A transaction that cannot be undone is undone by the brokers, or by the next producer.
        with warnings.catch_warnings(), suppress(KafkaException, SystemError):
            warnings.simplefilter("ignore", RuntimeWarning)
            self._producer.close()

    def _end_transaction(self) -> Iterator[None]:
        until = time.monotonic() + _END
        while self._asked(self._is_open, time.monotonic() < until):
            yield

    def _is_open(self, may_wait: bool) -> bool:
        """Try to end the transaction; return whether it is to be tried again."""
        try:
            self._producer.commit_transaction(_STEP)
        except KafkaException as error:
            if may_wait and error.args[0].code() == KafkaError._TIMED_OUT:
                return True
            raise
        return False

    def _asked(self, ask: Callable[..., T], *arguments: Any) -> T:
        try:
            return ask(*arguments)
        except KafkaException as error:
            raise self._error(error.args[0]) from error
        except SystemError as error:
            # The client has raised a fatal error, and called back before that was seen.
            raise self._error(self._fatal()) from error

    def _fatal(self) -> KafkaError:
        """Return the error that has made the client, or its transaction, useless."""
        try:
            if self._transactions:
                self._producer.commit_transaction(_STEP)
        except KafkaException as error:
            return error.args[0]
        return self._failed[0] if self._failed else KafkaError(KafkaError._FATAL)

    def _send(self, many: Iterable[Records]) -> Iterator[None]:
        for records in many:
            if records.headers is None:
                yield from self._send_at_once(records)
            else:
                yield from self._send_one_by_one(records, records.headers)

    def _send_at_once(self, records: Records) -> Iterator[None]:
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
            yield

    def _send_one_by_one(self, records: Records, headers: Sequence[Headers]) -> Iterator[None]:
        produce, topic, told = self._producer.produce, records.topic, self._delivered
        for key, value, about in zip(records.keys, records.values, headers, strict=True):
            while True:
                try:
                    produce(topic, value, key, on_delivery=told, headers=about)
                    break
                except BufferError:
                    self._make_room()
                    yield
                except KafkaException as error:
                    raise self._error(error.args[0]) from error

    def _make_room(self) -> None:
        self._asked(self._producer.poll, _STEP / 10)
        self._check()

    def _wait(self) -> Iterator[None]:
        while self._asked(self._producer.flush, _STEP):
            self._check()
            yield
        self._check()

    def _check(self) -> None:
        if self._failed is None:
            return
        error, topic = self._failed
        if error.code() in _PURGED and self._transactions:
            error, topic = self._fatal(), ""  # which may be another one
        raise self._error(error, topic)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failed is None:
            self._failed = error, message.topic() or ""

    def _note_trouble(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._trouble = error

    def _held(self) -> SinkFailed:
        if self._trouble is not None:
            why = reason_of(self._trouble, self._properties)
        else:
            why = "the brokers take nothing: check that they run, and that the topics are there"
        return SinkFailed(f"cannot write to {self._place}: {why}", held=True)

    def _error(self, error: KafkaError, topic: str = "") -> SinkError:
        if error.code() in _FENCED and self._lasts_too_long():
            return SinkFailed(
                f"cannot write to {self._place}: the brokers have undone a transaction that lasted "
                "longer than transaction.timeout.ms, as while this job or they were stopped; run "
                "it again: what is committed stays",
                away=True,
            )
        if error.code() in _FENCED:
            return SinkError(
                f"another job has begun to write to {self._place} with transactions, so this one "
                "stops; what is committed is there, and the other job goes on after it"
            )
        if error.code() == KafkaError.INVALID_TRANSACTION_TIMEOUT:
            return SinkError(
                f"cannot write to {self._place}: the brokers allow no transactions as long as "
                "transaction.timeout.ms; give a smaller one, or leave it out"
            )
        if error.code() == KafkaError._MSG_TIMED_OUT and self._trouble is not None:
            error = self._trouble
        reason = self._reason(error, topic)
        return SinkFailed(
            f"cannot write to {self._place}: {reason}; run it again once that is mended: what is "
            "committed stays",
            away=error.retriable() or (error.code() < 0 and not is_lasting(error)),
        )

    def _lasts_too_long(self) -> bool:
        """Return whether brokers may have ended the transaction by themselves, as if it were old.

        A machine that sleeps stops the clock of its processes, not that of the wall.
        """
        steady, wall = self._began
        lasts = max(time.monotonic() - steady, time.time() - wall)
        return lasts * 1000 >= self._longest

    def _reason(self, error: KafkaError, topic: str) -> str:
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            user = self._properties.get("sasl.username")
            which = f"the topic {topic}" if topic else f"one of the topics {self._topics}"
            return (
                f"{f'user {user}' if user else 'this client'} may not write {which}; have the "
                "right WRITE granted on it (kafka-acls --add)"
            )
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return (
                f"the topic {topic} takes smaller records than fixfeed knows of; name the smallest "
                "max.message.bytes of the topics, as in message.max.bytes=100000, or have the "
                "right DESCRIBE_CONFIGS granted on them"
            )
        if error.code() == KafkaError.INVALID_RECORD:
            return (
                f"the topic {topic} refuses a record: it may be compacted, where a message without "
                "a value in the column of its key is refused (key=session has one), or refuse the "
                "present time (message.timestamp.before.max.ms and message.timestamp.after.max.ms)"
            )
        if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return (
                "this client may not use transactions; have the rights WRITE and DESCRIBE granted "
                f"on the transactional id {self._transactional_id}"
            )
        # What brokers answer is above zero; below it is why they do not.
        return error.str() if error.code() > 0 else reason_of(error, self._properties)
