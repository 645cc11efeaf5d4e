"""The ledger of a destination: a compacted topic beside those of its messages, `TOPIC.progress`.

Its records are JSON, one for each fact, and a later one replaces an earlier one of the same key:

    source/ID        what a source is known again by (`ledger.identity.StoredSource`)
    done/ID/START    a stretch that is sent (`ledger.ledger.Progress`)
    unfinished/ID    the unfinished end of a source that is in the failures
    counted/ID/START/RUN  what a run on a cluster has counted of a stretch (`run_counts`)

So the ledger is what its topic says from the beginning to the end.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson

from fixfeed.io.kafka.check_topics import check_topics
from fixfeed.io.kafka.connection import Connection, errors
from fixfeed.io.kafka.destination import Accepts, Destination
from fixfeed.io.kafka.producer import Records
from fixfeed.io.kafka.run_counts import RunCounts
from fixfeed.io.kafka.whole_topic import SILENCE
from fixfeed.io.ledger.counts import Counted
from fixfeed.io.ledger.identity import (
    Match,
    StoredSource,
    digests_of,
    identify,
    place_of,
    stored_source,
)
from fixfeed.io.ledger.ledger import (
    Known,
    Progress,
    SchemaError,
    SinkError,
    SinkFailed,
    Stretch,
    is_held,
    known,
    merged,
    settled,
)
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import Batch

__all__ = ["Fact", "KafkaLedger"]

Fact = tuple[str, Any]
"""The key of a record of the ledger, and its value; None has the topic forget the key."""

_SOURCE, _DONE, _UNFINISHED, _COUNTED = "source", "done", "unfinished", "counted"
_SOON = 1.0  # seconds that brokers may take to answer what is not needed
_LONGEST = 8192
"""A stretch with so many bytes of notes is not extended: its record comes with every commit."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    """What the ledger says of a source; `stored_end` is as in `Known`."""

    kind: str
    name: str
    place: str
    file_id: str
    fingerprint: str
    digests: str
    stored_end: str = ""


class KafkaLedger:
    """The ledger of a destination (`CountingLedger`). Not for several threads.

    Jobs that write to one destination at once may send the same messages, each of them once, unless
    transactions keep them apart: what another one has sent since `prepare` is not seen.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        transactions: bool = False,
        patience: float = math.inf,
    ):
        """Store the parameters; nothing is connected. `transactions` are for the one writer.

        Brokers that do not answer are waited for as long as `patience`, in seconds; then comes a
        `SinkFailed` that is `held`.
        """
        self.destination = destination
        self._connection = Connection(destination, transactions=transactions, patience=patience)
        self._forget()

    def _forget(self) -> None:
        self._sending: Sequence[Fact] = ()
        self._end = 0  # the offset up to which the topic was read
        self._sources: dict[int, _Row] = {}
        self._done: dict[int, dict[int, Progress]] = {}
        self._unfinished: dict[int, Stretch] = {}
        self._counts = RunCounts()

    @property
    def accepts(self) -> Mapping[str, Accepts]:
        """Which records each topic takes, once it is connected."""
        return self._connection.accepts

    def prepare(self) -> None:
        """Connect, check the topics or make them, and read the ledger.

        Raises `SinkError` for trouble that waiting does not mend. Later the same is a `SinkFailed`
        as well, since somebody may see to it.
        """
        with errors(lasting=SinkError):
            self._start()

    def check(self) -> bool:
        """Return whether the topics are there, and read the ledger; make nothing."""
        with errors(lasting=SinkError):
            if not check_topics(self.destination, make=False):
                return False
            self._read_on()
        return True

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `Ledger`. Two processes may register the same source at once."""
        self.catch_up()
        found = identify(sources, self._stored())
        news = []
        for source in sources:
            match = found.get(source.key)
            if match is None:
                source_id, row = self._new(source)
                found[source.key] = Match(self._as_stored(source_id, row))
                news.append((source_id, row))
            elif match.is_news(source):
                source_id = match.stored.source_id
                place, file_id, fingerprint = place_of(source)
                moved = {"place": place, "file_id": file_id, "fingerprint": fingerprint}
                row = dataclasses.replace(
                    self._sources[source_id], **moved, digests=digests_of(source)
                )
                news.append((source_id, row))
        self._write_down([(f"{_SOURCE}/{source_id}", row) for source_id, row in news])
        return self._known(found, rules)

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `Ledger`."""
        self.catch_up()
        return self._known(identify(sources, self._stored()), rules)

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """Raise `SinkError` if something of the sources was sent: it cannot be replaced."""
        for source_id in source_ids:
            if self._done.get(source_id):
                raise self.irreplaceable(source_id)

    def irreplaceable(self, source_id: int) -> SinkError:
        """Return the error for a source of which messages were sent."""
        return SinkError(
            f"{self.destination.place} has messages of {self.name_of(source_id)} already, and "
            "records of a topic cannot be replaced: leave out --reprocess to add what is missing, "
            "or write to a new topic"
        )

    def finish(self, ends: Mapping[int, str]) -> dict[int, tuple[Stretch, ...]]:
        """See `Ledger`; stretches are merged where they are read.

        If no source was read whole, nothing is written, and brokers that are away hold nothing up:
        the stretches are then those that were known before.
        """
        if any(ends.values()):
            self.catch_up()
        else:
            with suppress(SinkFailed):
                self.catch_up(_SOON)
        self._write_down(
            [
                (f"{_SOURCE}/{source_id}", dataclasses.replace(row, stored_end=stored_end))
                for source_id, stored_end in ends.items()
                if stored_end and (row := self._sources[source_id]).stored_end != stored_end
            ]
        )
        return {
            source_id: merged((row[1], row[2]) for row in self.done(source_id))
            for source_id in ends
        }

    @staticmethod
    def of_counts(run: str, source_id: int, start: int, row: Sequence[Any] | None) -> Fact:
        """Return the fact that a run has counted this of a stretch of a source (`run_counts`)."""
        return f"{_COUNTED}/{source_id}/{start}/{run}", row

    def more_counts(
        self, run: str, source_id: int, batches: Iterable[tuple[Batch, int]]
    ) -> list[Fact]:
        """Return what a run has counted once batches of a source are committed.

        Each comes with how many of its messages are new.
        """
        rows = self._counts.with_more(run, source_id, batches)
        return [self.of_counts(run, source_id, start, row) for start, row in rows.items()]

    def keep_counts(self) -> None:
        """See `CountingLedger`; a topic needs nothing for it."""

    def counted(self, run: str) -> dict[int, Counted]:
        """See `CountingLedger`."""
        self.catch_up()
        return self._counts.counted(run)

    def forget_counts(self, run: str) -> None:
        """See `CountingLedger`."""
        self.catch_up()
        self._write_down(
            [
                self.of_counts(run, source_id, start, None)
                for source_id, rows in self._counts.rows(run).items()
                for start in rows
            ]
        )

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()
        self._forget()

    def knows(self, source_ids: Iterable[int]) -> bool:
        """Return whether all these sources are in what was read of the topic."""
        return all(source_id in self._sources for source_id in source_ids)

    def name_of(self, source_id: int) -> str:
        """Return the name that a source had when it was first seen."""
        return self._sources[source_id].name

    @staticmethod
    def of_done(source_id: int, row: Progress) -> Fact:
        """Return the fact that a stretch of a source is done."""
        return f"{_DONE}/{source_id}/{row[1]}", row

    @staticmethod
    def of_unfinished(source_id: int, stretch: Stretch) -> Fact:
        """Return the fact that the unfinished end of a source is in the failures."""
        return f"{_UNFINISHED}/{source_id}", stretch

    def done(self, source_id: int) -> list[Progress]:
        """Return the stretches of a source that are done."""
        return list(self._done.get(source_id, {}).values())

    def extended(self, done: Iterable[Progress], new: Progress) -> Progress:
        """Return the stretch of which a new one becomes part: with its neighbour, or alone."""
        for row in done:
            if row[0] == new[0] and row[2] == new[1] and len(row[-1]) < _LONGEST:
                return settled([row, new])[0]
        return new

    def is_new_end(self, source_id: int, stretch: Stretch) -> bool:
        """Return whether the unfinished end of a source differs from the one before."""
        return self._unfinished.get(source_id) != stretch

    def send(self, records: Iterable[Records], facts: Sequence[Fact]) -> None:
        """Send records, and write down in the ledger what is done with them."""
        keys = [key.encode() for key, _ in facts]
        values = [None if value is None else orjson.dumps(value) for _, value in facts]
        with errors():
            sender = self._connection.sender()
        if self._sending:
            self.go_on()
        self._sending = facts
        self._sent(
            partial(sender.commit, records, [Records(self.destination.progress, keys, values)])
        )

    def is_sending(self, facts: Sequence[Fact]) -> bool:
        """Return whether these very facts were to be written down, and that was held up."""
        return bool(facts) and self._sending is facts

    def go_on(self) -> None:
        """Go on with what was held up, as `send`."""
        self._sent(self._connection.sender().go_on)

    def _sent(self, send: Callable[[], None]) -> None:
        try:
            send()
        except BaseException as error:
            if not is_held(error):
                self._sending = ()
            raise
        facts, self._sending = self._sending, ()
        for key, value in facts:
            self._know(key, value)

    def _write_down(self, facts: Sequence[Fact]) -> None:
        if facts:
            self.send((), facts)

    def _start(self) -> None:
        # Connected first: a job that is ended by that has left what is read then.
        self._connection.sender()
        self._read_on()

    def catch_up(self, silence: float = SILENCE) -> None:
        """Read what the topic has got since it was last read; raise `SinkFailed` if it cannot."""
        with errors():
            self._read_on(silence)

    def _read_on(self, silence: float = SILENCE) -> None:
        for message in self._connection.news(self._end, silence):
            self._end = (message.offset() or 0) + 1
            self._take(message.key(), message.value())

    def _take(self, key: bytes | None, value: bytes | None) -> None:
        """Know a record of the topic; `SchemaError` for one of a newer version."""
        try:
            self._know((key or b"").decode(), None if value is None else orjson.loads(value))
        except (TypeError, ValueError) as error:
            raise SchemaError(
                f"the topic {self.destination.progress} of {self.destination.place} has a record "
                f"{key!r}, which this fixfeed does not know; use the newer fixfeed that wrote it, "
                "or, if it is of another program, write to another topic"
            ) from error

    def _know(self, key: str, value: Any) -> None:
        kind, *ids = key.split("/")
        source_id = int(ids[0]) if ids else 0
        if kind == _SOURCE and len(ids) == 1:
            self._sources[source_id] = value if isinstance(value, _Row) else _Row(**value)
        elif kind == _DONE and len(ids) == 2:
            self._done.setdefault(source_id, {})[int(ids[1])] = tuple(value)
        elif kind == _UNFINISHED and len(ids) == 1:
            self._unfinished[source_id] = tuple(value)
        elif kind == _COUNTED and len(ids) == 3:
            self._counts.know(ids[2], source_id, int(ids[1]), value)
        else:
            raise ValueError(key)

    def _stored(self) -> list[StoredSource]:
        return [self._as_stored(source_id, row) for source_id, row in sorted(self._sources.items())]

    def _as_stored(self, source_id: int, row: _Row) -> StoredSource:
        columns = (source_id, row.kind, row.place, row.file_id, row.fingerprint, row.digests)
        return stored_source(columns, self.done(source_id))

    def _known(self, found: Mapping[str, Match], rules: str) -> dict[str, Known]:
        ids = {key: match.stored.source_id for key, match in found.items()}
        ends = {source_id: self._sources[source_id].stored_end for source_id in ids.values()}
        progress = {source_id: self.done(source_id) for source_id in ids.values()}
        return known(ids, ends, progress, rules=rules)

    def _new(self, source: Source) -> tuple[int, _Row]:
        """Return the id and row of a source that is not stored.

        The id follows from the row, so that two processes give it the same one.
        """
        row = _Row(source.kind, source.name, *place_of(source), digests_of(source))
        about = orjson.dumps(dataclasses.replace(row, name=""))
        while True:
            digest = hashlib.blake2b(about, digest_size=8).digest()
            source_id = int.from_bytes(digest) >> 2
            if source_id not in self._sources:
                return source_id, row
            about += b"+"  # another source began like this one
