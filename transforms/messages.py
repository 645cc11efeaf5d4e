"""One element per message, for pipelines that go on message by message in Python."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import orjson

from fixfeed.transforms.batch import Batch

__all__ = ["ToFailures", "ToMessages", "failures_of", "messages_of"]


class ToMessages(beam.PTransform):
    """Turn batches into messages: `PCollection[Batch]` to `PCollection[dict[str, Any]]`.

        messages = pipeline | ReadFromFiles.matching(["logs/*.log"]) | ParseFix() | ToMessages()
        messages | beam.Filter(lambda message: message.get("symbol") == "AAPL")

    A message is a dict of its columns that are not null, by name (for FIX see
    `transforms.fix.schema`), in the order of the schema: `str`, `int`, `bool`, `Decimal`,
    `datetime` in UTC, `raw` as `bytes`. `source` comes first: the key of its source, which together
    with `position` identifies it. `fields` is a dict of the fields without an exact column (`str`,
    or a list where one repeats), `enriched` one of what lookups added. A message with rows in
    another table of its protocol (`Table.children`) has a list of them, dicts as well, under the
    name of the table. Failures and counts are left out; see `ToFailures`.

    One element per message costs some hundred times as much as one per batch.
    """

    def expand(self, batches: beam.PCollection[Batch]):
        """Take each batch apart."""
        return batches | "ToMessages" >> beam.FlatMap(messages_of).with_output_types(dict[str, Any])


class ToFailures(beam.PTransform):
    """Turn batches into failures: `PCollection[Batch]` to `PCollection[dict[str, Any]]`.

    A failure is a dict of `source` (the key of its source), `position` (`int`), `reason`, `detail`
    (left out where there is none) and `raw`, the bytes that are not a message.
    """

    def expand(self, batches: beam.PCollection[Batch]):
        """Take each batch apart."""
        return batches | "ToFailures" >> beam.FlatMap(failures_of).with_output_types(dict[str, Any])


def messages_of(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield the messages of `batch` in the order of their position, in the form of `ToMessages`."""
    children: dict[int, dict[str, list[dict[str, Any]]]] = {}
    for name, rows in batch.children.items():
        for row in rows.to_pylist():
            of_message = children.setdefault(row.pop("position"), {})
            of_message.setdefault(name, []).append(_present(row))
    for row in batch.messages.to_pylist():
        message = {"source": batch.source} | _present(row) | children.get(row["position"], {})
        for name in ("fields", "enriched"):
            if name in message:
                message[name] = orjson.loads(message[name])
        yield message


def failures_of(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield the failures of `batch` in the order of their position, in the form of `ToFailures`."""
    for row in batch.failures.to_pylist():
        yield {"source": batch.source} | _present(row)


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
