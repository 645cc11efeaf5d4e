"""Messages and failures as records of topics.

The value of a message is its JSON line without the line end, or the message as it came, with its
identity in the headers `source` and `position`. The value of a failure is always a JSON line.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.io.kafka.destination import Accepts, Destination
from fixfeed.io.kafka.producer import Headers, Records
from fixfeed.io.kafka.routes import TOPIC
from fixfeed.transforms.batch import FAILURES, NO_KEY, TOO_LARGE, Batch
from fixfeed.transforms.failures import failure_envelopes
from fixfeed.transforms.protocol import Table

__all__ = ["Refused", "as_records", "failures_of", "messages_of", "refused", "set_aside"]

_AROUND = 256
"""So many bytes a record may have beside its key, its value and the name of its source."""

_PIECE = 8
"""A byte takes up to six in a JSON text."""


def as_records(batch: Batch, name: str, destination: Destination, table: Table) -> Batch:
    """Return a batch whose messages are position, topic, key and value; `name` is its source's."""
    messages = batch.messages
    count = messages.num_rows
    values = messages["raw"] if destination.raw else table.lines(batch, name).cast(pa.binary())
    if destination.key:
        keys = messages[destination.key].cast(pa.string()).cast(pa.binary())
    else:
        keys = pa.repeat(pa.scalar(name.encode(), pa.binary()), count)
    if TOPIC in messages.schema.names:
        topics = messages[TOPIC]
    else:
        topics = pa.DictionaryArray.from_arrays(
            np.zeros(count, np.int32), pa.array([destination.topic])
        )
    columns = {"position": messages["position"], "topic": topics, "key": keys, "value": values}
    return dataclasses.replace(batch, messages=pa.RecordBatch.from_pydict(columns), children={})


class Refused(NamedTuple):
    """Why a topic never takes a message: the reason and the detail of a failure."""

    reason: str
    detail: str


def refused(records: Batch, name: str, accepts: Mapping[str, Accepts]) -> dict[int, Refused]:
    """Return, by the number of their rows, the records that their topics never take.

    `accepts` says which ones each topic takes.
    """
    rows = records.messages
    lengths = [pc.fill_null(pc.binary_length(rows[one]), 0).to_numpy() for one in ("key", "value")]
    sizes = lengths[0].astype(np.int64) + lengths[1] + len(name.encode()) + _AROUND
    topics, numbers = rows["topic"].dictionary.to_pylist(), rows["topic"].indices.to_numpy()
    taken = [accepts.get(topic, Accepts(0)) for topic in topics]
    too_large = sizes > np.array([one.size for one in taken], np.int64)[numbers]
    wants_key = np.array([not one.keyless for one in taken], bool)[numbers]
    no_key = wants_key & rows["key"].is_null().to_numpy(zero_copy_only=False)
    found = {}
    for row in np.flatnonzero(too_large | no_key).tolist():
        topic = topics[numbers[row]]
        found[row] = (
            Refused(TOO_LARGE, f"the record has {sizes[row]:,} bytes, more than {topic} takes")
            if too_large[row]
            else Refused(NO_KEY, f"{topic} is compacted, and takes no record without a key")
        )
    return found


def set_aside(batch: Batch, refusals: Mapping[int, Refused]) -> Batch:
    """Return a batch with some of its messages among the failures, by the number of their rows."""
    rows = np.fromiter(refusals, np.int64, len(refusals))
    gone = batch.messages.take(pa.array(rows))
    failures = pa.RecordBatch.from_pydict(
        {
            "position": gone["position"],
            "reason": [one.reason for one in refusals.values()],
            "detail": [one.detail for one in refusals.values()],
            "raw": gone["raw"],
        },
        schema=FAILURES,
    )
    both = pa.concat_batches([batch.failures, failures]).sort_by("position")
    kept = np.ones(batch.messages.num_rows, bool)
    kept[rows] = False
    left = batch.only(pa.array(kept))
    return dataclasses.replace(left, filtered_positions=batch.filtered_positions, failures=both)


def messages_of(rows: pa.RecordBatch, name: str, *, headers: bool) -> Iterator[Records]:
    """Yield rows of messages as records, those of a topic together and in order."""
    topics = rows["topic"]
    present = topics.indices.unique().to_pylist()
    for number in present:
        own = rows if len(present) == 1 else rows.filter(pc.equal(topics.indices, number))
        identity: list[Headers] | None = None
        if headers:
            source = name.encode()
            identity = [
                [("source", source), ("position", b"%d" % position)]
                for position in own["position"].to_pylist()
            ]
        yield Records(
            topics.dictionary[number].as_py(),
            own["key"].to_pylist(),
            own["value"].to_pylist(),
            identity,
        )


def failures_of(batch: Batch, rows: pa.RecordBatch, name: str, topic: str, size: int) -> Records:
    """Return rows of failures of a batch as records; the key is the name of their source.

    One that is larger than `size` is cut into several, each with the position of its bytes.
    """
    texts = failure_envelopes(dataclasses.replace(batch, failures=rows), name)
    values = []
    key = name.encode()
    for text, row in zip(texts.to_pylist(), rows.to_pylist(), strict=True):
        value = text.encode()
        if len(value) + len(key) + _AROUND <= size:
            values.append(value)
            continue
        step = max(size // _PIECE, 1)
        pieces = range(0, len(row["raw"]), step)
        cut = [
            {
                "position": row["position"] + at,
                "reason": row["reason"],
                "detail": f"{row['detail']} (part {number} of {len(pieces)})",
                "raw": row["raw"][at : at + step],
            }
            for number, at in enumerate(pieces, 1)
        ]
        parts = pa.RecordBatch.from_pylist(cut, FAILURES)
        made = failure_envelopes(dataclasses.replace(batch, failures=parts), name)
        values += [one.encode() for one in made.to_pylist()]
    return Records(topic, [key] * len(values), values)
