"""Write batches to standard output as JSON lines, for pipes.

The protocol makes a line of each message (`transforms.protocol.Table.lines`).
"""

import os
import select
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence

import apache_beam as beam

from fixfeed.io.commit import OnCommit
from fixfeed.io.jsonl.files import FAILURES
from fixfeed.io.jsonl.writer import joined
from fixfeed.io.ledger.ledger import Known, SinkError, SinkFailed, Stretch
from fixfeed.io.ledger.source import Source
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.failures import failure_envelopes
from fixfeed.transforms.protocol import Protocol, default_protocol

__all__ = ["OutputClosed", "StandardOutputLedger", "WriteToStandardOutput"]

_STANDARD_OUTPUT = 1
_lock = threading.Lock()


class OutputClosed(SinkError):
    """Nobody reads standard output any more, for example after `head` has its lines."""


class StandardOutputLedger:
    """The ledger of standard output (`Ledger`): it remembers nothing.

    `names` are the names of registered sources, by key, for the transform.
    """

    def __init__(self) -> None:
        """Start without sources."""
        self.names: dict[str, str] = {}

    def prepare(self) -> None:
        """Remove the failures of the run before."""
        if sys.stdout is None:
            raise SinkError("standard output is closed; send it to a file or a pipe")
        try:
            FAILURES.unlink(missing_ok=True)
        except OSError as error:
            raise SinkError(f"cannot remove {FAILURES} of the run before: {error}") from error

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `Ledger`; nothing is done of any source."""
        self.names |= {source.key: source.name for source in sources}
        numbers = {key: number for number, key in enumerate(self.names, 1)}
        return {source.key: Known(numbers[source.key]) for source in sources}

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `Ledger`; nothing is known about any source."""
        return {}

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """See `Ledger`."""

    def finish(self, ends: Mapping[int, str]) -> dict[int, tuple[Stretch, ...]]:
        """See `Ledger`."""
        return dict.fromkeys(ends, ())

    def close(self) -> None:
        """See `Ledger`."""


class WriteToStandardOutput(beam.PTransform):
    """Write each batch (`PCollection[Batch]`) to standard output, one message a line.

    Lines are written whole, a batch at a time. Nothing is remembered: if a bundle runs twice, its
    lines come twice. Failures are appended to `FAILURES` in the current folder.

    A bundle fails with `OutputClosed` if nobody reads standard output any more; with `SinkFailed`
    if it or the file of failures cannot be written, as on a full disk; with `SinkError` if it runs
    in another process than the one that made the transform, since the output of workers goes
    elsewhere; and with `ValueError` if the batches lack the input of lines.

    Args:
      names: The names of sources, by key; other sources are named by their key.
      on_commit: Called after each batch is written, with the number of its messages (`OnCommit`).
      protocol: That of the batches, FIX if none is named.
    """

    def __init__(
        self,
        *,
        names: Mapping[str, str] | None = None,
        on_commit: OnCommit | None = None,
        protocol: Protocol | None = None,
    ):
        """Store the parameters."""
        super().__init__()
        self._fn = _WriteBatchFn(dict(names or {}), on_commit, protocol or default_protocol())

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)


class _WriteBatchFn(beam.DoFn):
    def __init__(self, names: dict[str, str], on_commit: OnCommit | None, protocol: Protocol):
        self._table = protocol.table
        self._names = names
        self._on_commit = on_commit
        self._process = os.getpid()

    def setup(self):
        if os.getpid() != self._process:
            raise SinkError(
                "standard output is that of the process that starts the job, which no worker has: "
                "add --workers 1 and run it on the DirectRunner, or write to a file"
            )

    def process(self, batch: Batch):
        if batch.is_tick:
            return ()
        name = self._names.get(batch.source) or _name_of(batch)
        lines = joined(self._table.lines(batch, name))
        failures = joined(failure_envelopes(batch, name))
        with _lock:
            _write(lines)
            if failures:
                _write_failures(failures)
        if self._on_commit:
            self._on_commit([(batch, batch.messages.num_rows)])
        return ()


def _name_of(batch: Batch) -> str:
    return batch.origin.name if isinstance(batch.origin, Source) else batch.source


def _write_failures(lines: bytes) -> None:
    try:
        with open(FAILURES, "ab") as file:
            file.write(lines)
    except OSError as error:
        raise SinkFailed(
            f"cannot write failures to {FAILURES}: {error.strerror}; check that there is space "
            "left and that you may write there, and run it again"
        ) from error


def _write(lines: bytes) -> None:
    view = memoryview(lines)
    try:
        sys.stdout.flush()
        while view:
            try:
                view = view[os.write(_STANDARD_OUTPUT, view) :]
            except BlockingIOError:  # the process at the other end set the pipe to non-blocking
                select.select([], [_STANDARD_OUTPUT], [])
    except BrokenPipeError as error:
        raise OutputClosed("nobody reads standard output any more") from error
    except OSError as error:
        raise SinkFailed(
            f"cannot write to standard output: {error.strerror}; send it to a place that takes "
            "it, and run it again"
        ) from error
