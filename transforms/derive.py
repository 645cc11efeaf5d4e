"""Turn batches of FIX into tables of what the messages mean, one session pair at a time."""

import os
from collections.abc import Iterable, Iterator, Sequence

import apache_beam as beam
import pyarrow as pa

import fixfeed.transforms.coders  # noqa: F401  (Beam carries batches by the coder that it registers)
from fixfeed.transforms.at_once import derived_tables, needed
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.fix.anomalies.rules import Rule, chosen_rules
from fixfeed.transforms.fix.protocol import Fix
from fixfeed.transforms.fix.session_pair import session_pair

__all__ = ["Derive"]

_PAIR = ("sender_comp_id", "target_comp_id")
_Tables = dict[str, pa.Table]


class Derive(beam.PTransform):
    """Derive tables: `PCollection[Batch]` to `PCollection[tuple[str, dict[str, pa.Table]]]`.

        batches = pipeline | ReadFromFiles.matching(["logs/*.log"]) | ParseFix()
        derived = batches | Derive("orders", "executions")
        fills = derived | beam.FlatMap(lambda pair: pair[1]["executions"].to_pylist())

    An element is a session pair, both CompIDs in the order of the alphabet (`BROKER<->BUYSIDE`),
    with the tables that a database has of its messages (docs/orders.md, sessions.md, latencies.md
    and anomalies.md), by name. Together they are those of all messages, as nothing is derived from
    messages of two pairs. They depend on the set of messages alone, so batches may be cut and come
    in any way, and several times; of copies they know from `copies` alone.

    Where a database has `message_id`, tables have `source`, the key of the source, and `position`.

    Messages are grouped by pair in each window. Those of one pair, of the columns that matter, have
    to find room in the memory of a worker.

    Args:
      tables: The names of the tables that are wanted; all if there are none.
      rules: The path of a YAML file of rules of anomalies, laid over those of fixfeed.

    Raises:
      ValueError: There is no such table, or the rules cannot be understood.
    """

    def __init__(
        self,
        *tables: str,
        rules: str | os.PathLike[str] | Sequence[Rule] | None = None,
    ):
        """Store and check the parameters."""
        super().__init__()
        self._of = needed(Fix(anomalies=chosen_rules(rules)).table.derived, tables)
        self._names = tables or tuple(name for one in self._of for name in one.tables)
        names = [name for one in self._of for name in (*one.columns, *one.where)]
        self._columns = list(dict.fromkeys(names))

    def expand(self, batches: beam.PCollection[Batch]):
        """Group messages by session pair, and derive the tables of each."""
        return (
            batches
            | "SplitByPair" >> beam.FlatMap(self._split).with_output_types(tuple[str, pa.Table])
            | "GroupByPair" >> beam.GroupByKey()
            | "Derive" >> beam.MapTuple(self._derive).with_output_types(tuple[str, _Tables])
        )

    def _split(self, batch: Batch) -> Iterator[tuple[str, pa.Table]]:
        messages = batch.messages
        ends = zip(*(messages[name].to_pylist() for name in _PAIR), strict=True)
        pairs: dict[str, list[int]] = {}
        for row, both in enumerate(ends):
            pairs.setdefault(session_pair(*both), []).append(row)
        kept = pa.table(messages.select(["position", *self._columns]))
        kept = kept.add_column(0, "source", pa.repeat(batch.source, kept.num_rows))
        for pair, rows in pairs.items():
            yield pair, kept.take(pa.array(rows, pa.int64()))

    def _derive(self, pair: str, parts: Iterable[pa.Table]) -> tuple[str, _Tables]:
        messages = pa.concat_tables(parts, promote_options="default").unify_dictionaries()
        messages = messages.sort_by([("source", "ascending"), ("position", "ascending")])
        ids = pa.array(range(messages.num_rows), pa.int64())
        columns = {name: _plain(messages[name]) for name in self._columns}
        made = derived_tables(self._of, pa.table({"message_id": ids, **columns}))
        places = messages.select(["source", "position"])
        return pair, {name: _placed(made[name], places) for name in self._names}


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _placed(table: pa.Table, places: pa.Table) -> pa.Table:
    """Return a table with where its messages come from in the place of message_id."""
    if "message_id" not in table.column_names:
        return table
    at = table.schema.get_field_index("message_id")
    of = places.take(table["message_id"])
    table = table.set_column(at, "source", of["source"])
    return table.add_column(at + 1, "position", of["position"])
