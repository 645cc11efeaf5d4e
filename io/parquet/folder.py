"""A folder of Parquet files: what all of it has in common, and how it is opened."""

from collections.abc import Iterable, Sequence
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from fixfeed.io.ledger.ledger import SchemaError, SinkError
from fixfeed.io.parquet.bucket import Bucket
from fixfeed.io.parquet.codes import keep_codes
from fixfeed.io.parquet.commits import Commits
from fixfeed.io.parquet.files import children_schemas
from fixfeed.io.parquet.local_folder import LocalFolder
from fixfeed.io.parquet.objects import EXTRAS
from fixfeed.io.parquet.schema import check_columns, check_types, remember, remembered, united
from fixfeed.io.parquet.storage import Storage
from fixfeed.io.redaction import redact, redact_text
from fixfeed.transforms.codes import Code
from fixfeed.transforms.protocol import Protocol, Table, default_protocol

__all__ = ["ParquetFolder"]


class ParquetFolder(Commits):
    """A folder of Parquet files with its ledger. Not for several threads.

    Raises `SinkError` for a place that is neither a local folder nor one of a bucket.
    """

    def __init__(
        self,
        place: str,
        *,
        partition_by: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        protocol: Protocol | None = None,
    ):
        """Store the folder's name; nothing is opened or made.

        `protocol` is that of the messages in it, FIX if none is named. `partition_by` are the names
        that sort files into folders, `columns` those of the messages to come; `prepare` refuses a
        folder where these differ.
        """
        super().__init__(_storage(place))
        self._partition_by = partition_by
        self._columns = columns
        self._protocol = protocol

    @property
    def table(self) -> Table:
        """How messages become rows."""
        return (self._protocol or default_protocol()).table

    def prepare(self) -> None:
        """Make the folder ready; complete or undo the work of killed writers.

        Raises `SchemaError` if fixfeed did not write its messages, or a newer version did, and
        `SinkError` if it cannot be written, or has other partitions or columns than given.
        """
        try:
            self.check()
            self.storage.prepare()
            with self.changing():
                self.storage.sweep()
            self.keep_codes(self.table.codes())
        except OSError as error:
            raise SinkError(
                f"cannot write to {self.place}: {redact_text(str(error))}; check that it is a "
                "folder that you may write to and that there is space left"
            ) from error

    def keep_codes(self, codes: Iterable[Code]) -> None:
        """Add codes to those of the lake (`parquet.codes`)."""
        new = list(codes)
        if new:
            with self.locked():
                keep_codes(self.storage, new)

    def check(self) -> bool:
        """Return whether the folder is a lake already; change nothing. Raises as `prepare`."""
        self.storage.check()
        if not self.storage.begun():
            if self.storage.has("messages"):
                raise SchemaError(
                    f"{self.place} has a folder 'messages' that fixfeed did not make; "
                    "name another folder"
                )
            return False
        state = self.load()
        if self._partition_by is not None:
            self._same_partitions(state.get("partition_by"), self._partition_by)
        lake = remembered(self.storage) if self._columns is not None else None
        if lake is not None and self._columns is not None:
            check_columns(self.place, lake, self._columns, self.table)
        self._check_children()
        return True

    def close(self) -> None:
        """Sign off as a writer; nothing else is open."""
        self.storage.close()

    def agree_on_partitions(self, names: Sequence[str]) -> None:
        """Store the names that sort files into folders; raise `SinkError` if there are others.

        Two kinds of folders side by side cannot be read together.
        """
        with self.changing() as state:
            self._same_partitions(state.setdefault("partition_by", list(names)), names)

    def _same_partitions(self, found: Sequence[str] | None, names: Sequence[str]) -> None:
        if found is not None and list(found) != list(names):
            flags = " ".join(f"--partition-by {name}" for name in found)
            raise SinkError(
                f"{self.place} is partitioned by {', '.join(found) or 'nothing'}, not by "
                f"{', '.join(names) or 'nothing'}; partition by the same"
                f"{f' ({flags})' if flags else ''} or name another folder"
            )

    def agree_on_columns(self, given: Sequence[pa.Schema]) -> pa.Schema:
        """Return the schema of the messages; if there was none, it becomes all columns of `given`.

        Raises `SinkError` if a schema of `given` does not fit the lake; see `check_columns`.
        """
        with self.locked():
            lake = remembered(self.storage)
            if lake is None:
                lake = united(given)
            # One may lack columns of another: a commit can hold both.
            check_columns(self.place, lake, united(given).names, self.table)
            for schema in given:
                check_types(self.place, lake, schema)
            self._check_children()
            remember(self.storage, lake)
            for name, schema in children_schemas(self.table).items():
                remember(self.storage, schema, name)
        return lake

    def _check_children(self) -> None:
        for name, schema in children_schemas(self.table).items():
            lake = remembered(self.storage, name)
            if lake is not None and lake != schema:
                raise SinkError(
                    f"{self.place} has {name} with other columns, {', '.join(lake.names)}, and all "
                    "files of a lake have the same: name another folder"
                )

    def enlist(self) -> None:
        """Become a writer, whose files nobody removes while it lives."""
        self.storage.enlist()


def _storage(place: str) -> Storage:
    scheme, separator, _ = place.partition("://")
    if not separator:
        return LocalFolder(redact(place), place)
    if scheme in EXTRAS:
        return Bucket(place)
    parts = urlsplit(place)
    if scheme != "file" or parts.netloc not in ("", "localhost"):
        raise SinkError(
            f"{redact(place)!r} is neither a local folder nor in a bucket: write parquet:lake/, "
            "parquet:/data/lake, parquet:s3://bucket/lake/ or parquet:gs://bucket/lake/"
        )
    return LocalFolder(redact(place), unquote(parts.path))
