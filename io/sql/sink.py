"""Write batches to SQLite or PostgreSQL, with their progress in the same transactions.

batches | WriteToSql("sqlite:///fixfeed.db")
batches | WriteToSql("postgresql://user@host/db")
"""

from collections.abc import Callable, Mapping
from functools import partial

import apache_beam as beam

from fixfeed.io.gathering import OnCommit, WriteBehindFn
from fixfeed.io.ledger.ledger import register_batches
from fixfeed.io.redaction import redact
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.store import Store
from fixfeed.transforms.batch import Batch
from fixfeed.transforms.protocol import Protocol

__all__ = ["WriteToSql"]

# About four blocks of a file: COPY and the ledger cost less a message (measured), and what a kill
# undoes stays small.
_BYTES = 10 << 20
_ROWS = 50_000


class WriteToSql(beam.PTransform):
    """Store batches (`PCollection[Batch]`) with their stretches of the sources.

    Batches are gathered, up to 10 MiB or to the end of the bundle, and stored together with their
    stretches in one transaction. When a bundle runs twice, or a source is cut into blocks
    differently, what lies in a stretch that is done is skipped, message by message: every message
    is stored exactly once. The schema is made if the database is empty. While one commit is written
    the next batches are being parsed, so an error surfaces when the next commit or the bundle ends;
    the bundle then fails.

    Args:
      uri: The database; see `sql.open.open_store`.
      sources: The source ids of sources, by key, where planning has registered them. Others are
        registered by their key when they are first seen.
      rules: Digest of the rules that the messages were read with; stored with the progress.
      replace: Store anew what was stored under other rules.
      on_commit: Called after each commit, for each batch, with the number of messages stored.
      protocol: That of the batches, FIX if none is named.
    """

    def __init__(
        self,
        uri: str,
        *,
        sources: Mapping[str, int] | None = None,
        rules: str = "",
        replace: bool = False,
        on_commit: OnCommit | None = None,
        protocol: Protocol | None = None,
    ):
        """Store the parameters; nothing is opened before the pipeline runs."""
        super().__init__()
        self._uri = uri
        self._fn = _WriteBatchesFn(
            partial(open_store, uri, protocol=protocol),
            dict(sources or {}),
            rules,
            replace,
            on_commit,
        )

    def expand(self, batches: beam.PCollection[Batch]):
        """Write the batches; nothing comes out."""
        return batches | "Write" >> beam.ParDo(self._fn).with_output_types(Batch)

    def display_data(self):
        """Show where the batches go, without the password."""
        return {"uri": redact(self._uri)}


class _WriteBatchesFn(WriteBehindFn):
    def __init__(
        self,
        opened: Callable[[], Store],
        sources: dict[str, int],
        rules: str,
        replace: bool,
        on_commit: OnCommit | None,
    ):
        super().__init__(on_commit, most_bytes=_BYTES, most_rows=_ROWS)
        self._opened = opened
        self._sources = sources
        self._rules = rules
        self._replace = replace
        self._store: Store | None = None

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def write(self, batches: list[Batch]) -> None:
        if self._store is None:
            store = self._opened()
            store.prepare()
            self._store = store
        self._sources = register_batches(
            self._store, batches, self._sources, rules=self._rules, replace=self._replace
        )
        numbered = [(self._sources[batch.source], batch) for batch in batches]
        stored = self._store.write(numbered, rules=self._rules, replace=self._replace)
        self._tell(batches, stored)
