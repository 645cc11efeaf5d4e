"""Write batches to a file of JSON lines, one message a line, every message once.

batches = blocks | ParseFix(fix_json=True)
batches | WriteToJsonLines("out.jsonl")

A line is what the protocol makes of a message (`transforms.protocol.Table.lines`; in FIX
`transforms.fix.envelope`); failures go to out.failures.jsonl.
"""

from collections.abc import Mapping

import apache_beam as beam

from fixfeed.io.gathering import GatherBatchesFn, OnCommit
from fixfeed.io.jsonl.writer import JsonlWriter
from fixfeed.io.redaction import redact
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol

__all__ = ["WriteToJsonLines"]

_BYTES = 16 << 20
_ROWS = 50_000


class WriteToJsonLines(beam.PTransform):
    """Append each batch (`PCollection[Batch]`) to a file of JSON lines, every message once.

    Batches are gathered, up to 16 MiB or to the end of the bundle. A commit appends their lines,
    waits until they are on the disk, and then stores their stretches and the new length of the file
    in a SQLite database beside it, `PATH.progress.db`. When a bundle runs twice, or a source is cut
    into blocks differently, what lies in a stretch that is done is left out, message by message. Of
    a killed writer the database does not know the last lines; whoever writes next cuts them off
    first, so a reader may see lines, or half a line, that come again. Several processes may write
    to one file, one at a time; batches of a source come in any order. The last message of a source,
    cut off in its middle, stands in the failures, and stays there when the source has grown and the
    message stands in the lines.

    A bundle fails with `SinkError` when the files cannot be written, or are not as they were left,
    and with `ValueError` when the batches lack what lines are made of (in FIX, the column
    `fix_json`).

    Args:
      place: The path of a local file. It is made if it is not there; its folder must be.
      sources: The source ids of sources, by key, where planning has registered them. Others are
        registered by their key, which is also their name, when they are first seen.
      rules: Digest of the rules that the messages were read with; stored with the progress.
      replace: Refuse what was stored under other rules with `SinkError`, since lines cannot be
        replaced, instead of leaving it out.
      on_commit: Called after each commit, for each batch, with the number of messages stored.
      protocol: That of the batches, FIX if none is named.
    """

    def __init__(
        self,
        place: str,
        *,
        sources: Mapping[str, int] | None = None,
        rules: str = "",
        replace: bool = False,
        on_commit: OnCommit | None = None,
        protocol: Protocol | None = None,
    ):
        """Store the parameters; nothing is opened before the pipeline runs."""
        super().__init__()
        self._place = place
        writer = JsonlWriter(
            place, sources=sources, rules=rules, replace=replace, protocol=protocol
        )
        self._fn = _WriteBatchesFn(writer, on_commit)

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)

    def display_data(self):
        """Show where the batches go."""
        return {"place": redact(self._place)}


class _WriteBatchesFn(GatherBatchesFn):
    def __init__(self, writer: JsonlWriter, on_commit: OnCommit | None):
        super().__init__(on_commit, most_bytes=_BYTES, most_rows=_ROWS)
        self._writer = writer

    def setup(self):
        super().setup()
        self._prepared = False

    def teardown(self):
        self._writer.close()

    def commit(self, batches: list[Batch]) -> None:
        if not self._prepared:
            self._writer.prepare()
            self._prepared = True
        self._tell(batches, self._writer.write(batches))
