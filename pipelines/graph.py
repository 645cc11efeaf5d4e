"""The graph of a job, for batch and stream: source, parser, steps, and all sinks."""

from collections.abc import Sequence

import apache_beam as beam

__all__ = ["build"]


def build(
    root: beam.Pipeline,
    *,
    source: beam.PTransform,
    parse: beam.PTransform,
    steps: Sequence[tuple[str, beam.PTransform]],
    sinks: Sequence[tuple[str, beam.PTransform]],
) -> None:
    """Build the whole graph from finished parts: source, parser, steps, and all sinks."""
    batches = root | "Read" >> source | "Parse" >> parse
    for label, step in steps:
        batches = batches | label >> step
    for label, sink in sinks:
        _ = batches | label >> sink
