"""Write batches to SQLite or PostgreSQL, with their progress in the same transactions.

batches | WriteToSql("sqlite:///fixfeed.db")
batches | WriteToSql("postgresql://user@host/db")
"""

from functools import partial

import apache_beam as beam

from fixfeed.io.commit import CommitFn, Limits, Run
from fixfeed.io.redaction import redact
from fixfeed.io.sql.open import PATIENCE, open_store
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol

__all__ = ["WriteToSql"]

# About four blocks of a file. COPY and the ledger cost less per message (measured), and a kill
# still undoes little.
_LIMITS = Limits(bytes=10 << 20, rows=50_000)


class WriteToSql(beam.PTransform):
    """Store batches (`PCollection[Batch]`) with their stretches of the sources.

    Batches are gathered up to 10 MiB, for 5 seconds, or to the end of the bundle, and stored
    together with their stretches in one transaction. When a bundle runs twice, or a source is cut
    into blocks differently, messages in a stretch that is done are skipped one by one: every
    message is stored exactly once. The schema is made if the database is empty. While one commit is
    written, the next batches are being parsed, so an error surfaces when the next commit or the
    bundle ends; the bundle then fails.

    Args:
      uri: The database; see `sql.open.open_store`.
      run: Details of the run besides its batches, if there are any.
      protocol: That of the batches, FIX if none is named.
      patience: How many seconds another process that locks an SQLite file is waited for.
    """

    def __init__(
        self,
        uri: str,
        run: Run | None = None,
        *,
        protocol: Protocol | None = None,
        patience: float = PATIENCE,
    ):
        """Store the parameters; nothing is opened before the pipeline runs."""
        super().__init__()
        self._uri = uri
        run = run or Run()
        make = partial(
            open_store,
            uri,
            protocol=protocol,
            patience=patience,
            counted_for=run.counted_for,
        )
        self._fn = CommitFn(make, run, _LIMITS, while_parsing=True)

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)

    def display_data(self):
        """Show where the batches go, without the password."""
        return {"uri": redact(self._uri)}
