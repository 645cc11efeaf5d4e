"""Write batches to a file of JSON lines, one message a line, every message once.

batches = blocks | ParseFix(fix_json=True)
batches | WriteToJsonLines("out.jsonl")

The protocol makes a line of each message (`transforms.protocol.Table.lines`; for FIX
`transforms.fix.envelope`). Failures go to out.failures.jsonl.
"""

import apache_beam as beam

from fixfeed.io.commit import CommitFn, Limits, Run
from fixfeed.io.jsonl.writer import JsonlWriter
from fixfeed.io.redaction import redact
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol

__all__ = ["WriteToJsonLines"]

_LIMITS = Limits(bytes=16 << 20, rows=50_000)


class WriteToJsonLines(beam.PTransform):
    """Append each batch (`PCollection[Batch]`) to a file of JSON lines, every message once.

    Batches are gathered up to 16 MiB, for 5 seconds, or to the end of the bundle. A commit appends
    their lines, waits until they are on disk, and then stores their stretches and the new length of
    the file in a SQLite database beside it, `PATH.progress.db`. When a bundle runs twice, or a
    source is cut into blocks differently, messages in a stretch that is done are left out one by
    one. The database does not know the last lines of a killed writer. The next writer cuts them off
    first, so a reader may see lines, or half a line, that come again. Several processes may write
    to one file, one at a time; batches of a source come in any order. If the last message of a
    source is cut off, it is in the failures, and stays there when the source has grown and the
    message is in the lines too.

    A bundle fails with `SinkError` if the files cannot be written or are not as they were left, and
    with `ValueError` if the batches lack the input of lines (in FIX, the column `fix_json`).

    Args:
      place: The path of a local file. It is made if it is missing; its folder must exist.
      run: Details of the run besides its batches, if there are any. With `replace`, a batch with a
        part stored under other rules fails with `SinkError`, since lines cannot be replaced.
      protocol: That of the batches, FIX if none is named.
    """

    def __init__(self, place: str, run: Run | None = None, *, protocol: Protocol | None = None):
        """Store the parameters; nothing is opened before the pipeline runs."""
        super().__init__()
        self._place = place
        # Made here: workers may run in another folder.
        writer = JsonlWriter(place, protocol=protocol)
        self._fn = CommitFn(lambda: writer, run or Run(), _LIMITS)

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)

    def display_data(self):
        """Show where the batches go."""
        return {"place": redact(self._place)}
