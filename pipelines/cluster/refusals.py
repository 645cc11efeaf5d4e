"""Sinks that refuse: what no waiting mends is not tried again as long as Flink allows it.

Flink starts a job again after any failure, a stream without end. One that has failed three times in
a row with the same refusal of a sink is ended where one machine would end it: a batch job with
whatever trouble that is not an absence, a stream with what no sink could take.
"""

from collections.abc import Callable
from typing import TypeVar

from fixfeed.io.ledger.ledger import SchemaError, SinkError, SinkFailed, SinkRefused
from fixfeed.pipelines.cluster.flink import FlinkJob

__all__ = ["NameRefusals", "Refusals"]

T = TypeVar("T")

_TIMES = 3
_OF_ALL = tuple(f"{kind.__name__}: " for kind in (SinkError, SchemaError))
_OF_BATCH = (*_OF_ALL, f"{SinkRefused.__name__}: ")


class NameRefusals:
    """Tries nothing again (`io.commit.Again`): Flink does. Can be pickled.

    Of an error of a worker only the text of its traceback arrives, so the name has to tell.
    """

    def until_it_works(self, work: Callable[[], T]) -> T:
        """See `Again`."""
        try:
            return work()
        except SinkFailed as error:
            if error.away or error.lost:
                raise
            raise SinkRefused(str(error)) from None


class Refusals:
    """Counts how often a job has failed with the same refusal."""

    def __init__(self, *, is_stream: bool):
        """`is_stream` is as in the summary of this file."""
        self._known = _OF_ALL if is_stream else _OF_BATCH
        self._first = FlinkJob("", "")

    def last(self, job: FlinkJob) -> bool:
        """Return whether the job, as it is now, has failed too often with the same refusal."""
        if not job.why.startswith(self._known):
            self._first = FlinkJob("", "")
        elif job.why != self._first.why:
            self._first = job
        return bool(self._first.why) and job.restarts - self._first.restarts >= _TIMES - 1
