"""What measures each commit of a sink: metrics, and spans where they are asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fixfeed.io.commit import Around
from fixfeed.io.tracing import span, start
from fixfeed.pipelines.committed import Attempts
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.sinks import Sink
from fixfeed.transforms.batch import Batch

__all__ = ["Spans", "around", "nothing_around"]


def around(job: Job, sink: Sink, counters: Path, *, parent: str | None = None) -> Around:
    """Return what measures each commit of a sink of a job: as metrics, and as spans if asked for.

    `counters` is the folder of the run's counters.
    """
    attempts = Attempts(sink.name, counters)
    if job.settings.trace is None:
        return attempts
    return Spans(job.short_names[sink.name], attempts, job.settings.trace, parent)


@contextmanager
def nothing_around(_batches: Sequence[Batch]) -> Iterator[None]:
    """Measure nothing, on machines that do not see the counters of the run."""
    yield


class Spans:
    """Makes a span of each attempt of a sink to store batches (`io.commit.Around`).

    It says how many messages, failures and bytes there were, never which.
    """

    def __init__(self, sink: str, inside: Around, collector: str, parent: str | None):
        """`sink` is its short name, and `inside` goes on inside of the span.

        `parent` is the span of the run that commits belong to; a stream has none, as it would have
        no end.
        """
        self._sink = sink
        self._inside = inside
        self._collector = collector
        self._parent = parent

    @contextmanager
    def __call__(self, batches: Sequence[Batch]) -> Iterator[None]:
        """Measure what is done inside."""
        start(self._collector)  # of this process, which may be a worker
        with (
            span(
                "commit",
                parent=self._parent,
                sink=self._sink,
                batches=len(batches),
                messages=sum(one.messages.num_rows for one in batches),
                failures=sum(one.failures.num_rows for one in batches),
                bytes=sum(one.end - one.start for one in batches),
            ),
            self._inside(batches),
        ):
            yield
