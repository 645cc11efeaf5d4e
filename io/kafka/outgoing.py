"""Messages and failures as records of topics.

The value of a message is its JSON line without the line end, or the message as it came, with its
identity in the headers `source` and `position`. The value of a failure is always a JSON line.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.io.kafka.destination import Destination
from fixfeed.io.kafka.producer import Headers, Records
from fixfeed.io.kafka.routes import TOPIC
from fixfeed.transforms.batch import FAILURES, TOO_LARGE, Batch
from fixfeed.transforms.failures import failure_envelopes
from fixfeed.transforms.protocol import Table

__all__ = ["as_records", "failures_of", "messages_of", "set_aside", "too_large"]

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


def too_large(records: Batch, name: str, sizes: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the size of each record that is larger than its topic takes, 0 for all others.

    `sizes` are the bytes of a record that each topic takes.
    """
    rows = records.messages
    lengths = [pc.fill_null(pc.binary_length(rows[one]), 0).to_numpy() for one in ("key", "value")]
    taken = lengths[0].astype(np.int64) + lengths[1] + len(name.encode()) + _AROUND
    topics = rows["topic"]
    limits = np.array([sizes.get(one, 0) for one in topics.dictionary.to_pylist()], np.int64)
    return np.where(taken > limits[topics.indices.to_numpy()], taken, 0)


def set_aside(batch: Batch, records: Batch, sizes: NDArray[np.int64]) -> Batch:
    """Return a batch with some of its messages among the failures: those with a size.

    `records` is the batch as records.
    """
    large = pa.array(sizes > 0)
    gone = batch.messages.filter(large)
    topics = records.messages["topic"].filter(large).to_pylist()
    found = zip(gone["position"].to_pylist(), sizes[sizes > 0].tolist(), topics, strict=True)
    failures = pa.RecordBatch.from_pydict(
        {
            "position": gone["position"],
            "reason": pa.repeat(TOO_LARGE, gone.num_rows),
            "detail": pa.array(
                [
                    f"the record has {size:,} bytes, more than {topic} takes"
                    for _, size, topic in found
                ]
            ),
            "raw": gone["raw"],
        },
        schema=FAILURES,
    )
    both = pa.concat_batches([batch.failures, failures]).sort_by("position")
    left = batch.only(pc.invert(large))
    return dataclasses.replace(left, filtered=batch.filtered, failures=both)


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
