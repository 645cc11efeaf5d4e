"""Add to messages what they lack: names, the time of ingestion, data from a user's tables."""

import dataclasses
import datetime
import itertools
from collections.abc import Sequence

import apache_beam as beam
import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from fixfeed.transforms.batch import TIME, Batch
from fixfeed.transforms.fix.rules.hidden import hidden_from_lookup
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Masking
from fixfeed.transforms.lookup import Lookup, LookupFileError
from fixfeed.transforms.names import names_of
from fixfeed.transforms.protocol import Protocol, default_protocol

__all__ = ["Enrich", "Lookup", "LookupFileError", "enrich_batch"]


class Enrich(beam.PTransform):
    """Add to each message: `PCollection[Batch]` to `PCollection[Batch]`, one for one.

        symbols = Lookup.read("symbols.csv", on="symbol")
        batches | Enrich(names=True, lookups=[symbols])

    Sets `ingested_at` to the time of processing, one for all messages of a batch; a bundle that is
    run again has another. With `names`, columns like `msg_type_name` come after the schema, with
    what the value is called in its message (in its version of FIX, in a counterparty's
    dictionary), null where it has no name. With `lookups`, `enriched` becomes a
    JSON object of what their rows add to the message, null where none adds anything, and `joined`
    of the batch counts the messages that each of them knows. Failures stay untouched.
    Bounded or not, windows and timestamps pass through.

    `masking` is that of messages of FIX, as lookups see what is stored. `protocol` is that of the
    messages, FIX if none is named.

    Raises:
      LookupFileError: Two lookups would add under one name, or one is joined on a column whose
        values are masked, hashed or dropped, and would find nothing.
    """

    def __init__(
        self,
        *,
        names: bool = False,
        lookups: Sequence[Lookup] = (),
        masking: Masking = DEFAULT,
        protocol: Protocol | None = None,
    ):
        """Check that the lookups go together."""
        super().__init__()
        for one, other in itertools.combinations(lookups, 2):
            for name in sorted(one.columns & other.columns):
                raise LookupFileError(
                    f"lookup {other.path}: found {name}, which {one.path} has as well, "
                    "expected different names; rename one of them"
                )
        for lookup in lookups:
            why = hidden_from_lookup(lookup.path, lookup.on, masking)
            if why:
                raise LookupFileError(why)
        self._names = names
        self._protocol = protocol
        self._lookups = list(lookups)

    def expand(self, batches: beam.PCollection[Batch]):
        """Enrich each batch."""
        return batches | "Enrich" >> beam.Map(self._enrich).with_output_types(Batch)

    def _enrich(self, batch: Batch) -> Batch:
        now = datetime.datetime.now(datetime.UTC)
        return enrich_batch(
            batch,
            ingested_at=now,
            names=self._names,
            lookups=self._lookups,
            protocol=self._protocol,
        )


def enrich_batch(
    batch: Batch,
    *,
    ingested_at: datetime.datetime,
    names: bool = False,
    lookups: Sequence[Lookup] = (),
    protocol: Protocol | None = None,
) -> Batch:
    """Return `batch` with what `Enrich` adds; the names of `lookups` must differ."""
    messages = batch.messages
    moments = pa.repeat(pa.scalar(ingested_at, TIME), messages.num_rows)
    messages = _with(messages, "ingested_at", moments)
    if names:
        table = (protocol or default_protocol()).table
        for column, spelt_out in names_of(messages, table).items():
            messages = _with(messages, column, spelt_out)
    joined = dict(batch.joined)
    if lookups:
        enriched, counts = _join(messages, lookups)
        messages = _with(messages, "enriched", enriched)
        joined |= counts
    return dataclasses.replace(batch, messages=messages, joined=joined)


def _with(messages: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    at = messages.schema.get_field_index(name)
    if at < 0:
        return messages.append_column(name, values)
    return messages.set_column(at, messages.schema.field(at), values)


def _join(messages: pa.RecordBatch, lookups: Sequence[Lookup]) -> tuple[pa.Array, dict[str, int]]:
    """Return the JSON texts of what the lookups, and `enriched` before them, add to each row.

    Also return, by the name of each lookup, how many rows it adds something to. A text is made once
    for each combination of rows that the lookups give together. A lookup is only asked for the
    values that the batch has, so its size costs nothing here.
    """
    before = messages.column("enriched").dictionary_encode()
    which = _numbers(before)
    made: list[str | None] = [None, *before.dictionary.to_pylist()]
    joined = {}
    for lookup in lookups:
        coded = messages.column(lookup.on).dictionary_encode()
        found = [lookup.rows.get(value) for value in coded.dictionary.to_pylist()]
        rows = [None, *(text for text in found if text is not None)]
        known = np.array([False, *(text is not None for text in found)])
        row = np.where(known, known.cumsum(), 0)[_numbers(coded)]
        joined[lookup.name] = int(np.count_nonzero(row))
        distinct, which = np.unique(which * len(rows) + row, return_inverse=True)
        combinations = [divmod(pair, len(rows)) for pair in distinct.tolist()]
        made = [_united(made[one], rows[other]) for one, other in combinations]
    return pa.array(made, pa.string()).take(pa.array(which)), joined


def _numbers(coded: pa.DictionaryArray) -> NDArray[np.int64]:
    """Return the numbers of the values in the dictionary from 1 on, 0 for null."""
    indices = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return indices.astype(np.int64) + 1


def _united(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return other if one is None else one
    return orjson.dumps({**orjson.loads(one), **orjson.loads(other)}).decode()
