"""What a file of JSON lines remembers of its sources, in a SQLite database beside it.

    out.jsonl                the lines
    out.failures.jsonl       the failures, if there are any
    out.jsonl.progress.db    sources, their stretches that are done, and how long the files are

A transaction of the database is the lock of the files: they are changed inside one only.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fixio.identity import identify
from fixio.jsonl_files import Recorded, append, failures_path, settle
from fixio.ledger import (
    COUNTS,
    Known,
    Mark,
    Progress,
    SchemaError,
    SinkError,
    Source,
    Stretch,
    known,
    settled,
)
from fixio.tables import EXTEND_PROGRESS, KNOWN_SOURCES

__all__ = ["JsonlLedger"]

_VERSION = 1
_PATIENCE = 120  # seconds
_SCHEMA = (
    "create table files (name text primary key, length integer not null, tail text not null)",
    """create table sources (
  source_id integer primary key,
  kind text not null,
  name text not null,
  fingerprint text not null,
  mark_digests text not null default '',
  mark_size integer not null default 0,
  unique (kind, fingerprint)
)""",
    """create table progress (
  source_id integer not null,
  rules text not null,
  start integer not null,
  "end" integer not null,
  stored integer not null,
  filtered integer not null,
  failed integer not null,
  skipped integer not null,
  primary key (source_id, rules, "end")
)""",
    # The unfinished end of a source that stands in the failures already.
    'create table unfinished (source_id integer primary key, start integer, "end" integer)',
    f"pragma user_version = {_VERSION}",
)


class JsonlLedger:
    """The ledger of a file of JSON lines (`fixio.ledger.Ledger`). Not for several threads.

    Raises `SinkError` where the files or the database cannot be read or written, or are not what
    fixfeed has left.
    """

    def __init__(self, place: str):
        """Name the file; nothing is opened or made."""
        self.place = f"jsonl:{place}"
        # Workers may run in another folder.
        lines = Path(place).absolute()
        self._files = {"lines": lines, "failures": failures_path(lines)}
        self._database = lines.with_name(f"{lines.name}.progress.db")
        self._connection: sqlite3.Connection | None = None
        self._restarted: set[int] = set()

    # The database.

    def prepare(self) -> None:
        """Make the database if there is none; cut off what killed writers have left.

        Raises `SinkError` if a file is not as it was left, or was there before the database, and
        `SchemaError` if the database is a newer version's or not of fixfeed's making.
        """
        folder = self._database.parent
        if not folder.is_dir():
            raise SinkError(f"cannot open {self.place}: there is no folder {folder}")
        foreign = self._foreign()
        if foreign and not self._database.exists():
            raise foreign
        with self.transaction():
            version = self._query("pragma user_version")[0][0]
            if version > _VERSION:
                raise SchemaError(
                    f"{self._database} has version {version}, this fixfeed knows up to {_VERSION}; "
                    "use the newer fixfeed that wrote it"
                )
            if not version:
                self._make()
            for name, path in self._files.items():
                settle(path, self._recorded(name))

    def _foreign(self) -> SinkError | None:
        """Return the error that a file has content, if one has."""
        for path in self._files.values():
            if path.exists() and (not path.is_file() or path.stat().st_size):
                return SinkError(
                    f"{path} is there already, and no {self._database.name} that tells what it "
                    "holds; write to another file"
                )
        return None

    def _make(self) -> None:
        foreign = self._foreign()
        if foreign:
            raise foreign
        if self._query("select name from sqlite_master"):
            raise SchemaError(f"{self._database} is not of fixfeed's making; write to another file")
        for statement in _SCHEMA:
            self._query(statement)
        self.append("lines", [])

    def close(self) -> None:
        """See `fixio.ledger.Ledger`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock of the files; commit what is done inside, or, on an exception, nothing.

        Waits up to two minutes for another writer.
        """
        try:
            self._query("begin immediate")
            try:
                yield
                self._query("commit")
            except BaseException:
                if self._connection and self._connection.in_transaction:
                    self._query("rollback")
                raise
        except (sqlite3.Error, OSError) as error:
            raise SinkError(
                f"cannot write to {self.place}: {error}; check that there is space left and that "
                "you may write there, and run it again: what is committed stays"
            ) from error

    def _query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._connection is None:
            # A transform's instance is used by one thread at a time, not always by the same.
            self._connection = sqlite3.connect(
                self._database, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
        return self._connection.execute(statement, values).fetchall()

    # Sources.

    def register(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `fixio.ledger.Ledger`. Two processes may register the same source at once."""
        with self.transaction():
            stored = self._query(KNOWN_SOURCES)
            ids = identify(sources, stored, self._add)
            progress = {source_id: self._progress(source_id) for source_id in ids.values()}
            return known(ids, stored, progress, rules=rules)

    def restart(self, source_ids: Iterable[int], *, rules: str) -> None:
        """Raise `SinkError` if one of the sources has lines: lines cannot be replaced.

        A source that had none when this was first asked may have got some by the same run.
        """
        with self.transaction():
            names = self.names()
            for source_id in source_ids:
                if source_id not in self._restarted and self._progress(source_id):
                    raise self.irreplaceable(names[source_id])
                self._restarted.add(source_id)

    def irreplaceable(self, name: str) -> SinkError:
        """Return the error that lines of a source cannot be replaced."""
        return SinkError(
            f"{self.place} has lines of {name} already, and lines of a file cannot be replaced: "
            "leave out --reprocess to add what is missing, or write to a new file"
        )

    def finish(
        self, marks: Mapping[int, Mark | None], *, rules: str, reprocessed: Iterable[int]
    ) -> None:
        """See `fixio.ledger.Ledger`."""
        again = set(reprocessed)
        with self.transaction():
            for source_id, mark in marks.items():
                rows = settled(self._progress(source_id), rules, replaced=source_id in again)
                self._query("delete from progress where source_id = ?", source_id)
                for row in rows:
                    self._insert(source_id, row)
                if mark:
                    self._query(
                        "update sources set mark_digests = ?, mark_size = ? where source_id = ?",
                        *mark,
                        source_id,
                    )

    def names(self) -> dict[int, str]:
        """Return what each source was called when it was first seen."""
        return dict(self._query("select source_id, name from sources"))

    def _add(self, source: Source, name: str) -> int:
        added: list[tuple[int]] = self._query(
            "insert into sources (kind, name, fingerprint, mark_digests)"
            " values (?, ?, ?, ?) returning source_id",
            source.kind,
            source.name,
            name,
            source.digests,
        )
        return added[0][0]

    def _progress(self, source_id: int) -> list[Progress]:
        return self._query(
            f'select rules, start, "end", {", ".join(COUNTS)} from progress where source_id = ?',
            source_id,
        )

    # What a commit is made of; all inside a transaction.

    def done(self, source_id: int, start: int, end: int) -> list[tuple[str, Stretch]]:
        """Return the rules and stretches that are done of [start, end)."""
        rows = self._query(
            'select rules, start, "end" from progress'
            ' where source_id = ? and "end" > ? and start < ?',
            source_id,
            start,
            end,
        )
        return [(rules, (begin, stop)) for rules, begin, stop in rows]

    def extend(self, source_id: int, row: Progress) -> None:
        """Count a stretch as done, joined to the one that ends where it begins."""
        rules, start, end, *counts = row
        extended = self._query(
            EXTEND_PROGRESS,
            end,
            *counts,
            source_id,
            rules,
            start,
        )
        if not extended:
            self._insert(source_id, row)

    def unfinished(self, source_id: int, start: int, end: int) -> bool:
        """Remember the unfinished end of a source; tell whether it is another than before."""
        row = (source_id, start, end)
        if self._query("select * from unfinished where source_id = ?", source_id) == [row]:
            return False
        self._query("insert or replace into unfinished values (?, ?, ?)", *row)
        return True

    def append(self, name: str, lines: Sequence[bytes]) -> None:
        """Append to the file of `lines` or `failures`, on the disk when it returns."""
        recorded = append(self._files[name], self._recorded(name), lines)
        self._query("insert or replace into files values (?, ?, ?)", name, *recorded)

    def _recorded(self, name: str) -> Recorded:
        found = self._query("select length, tail from files where name = ?", name)
        return Recorded(*found[0]) if found else Recorded()

    def _insert(self, source_id: int, row: Progress) -> None:
        self._query("insert into progress values (?, ?, ?, ?, ?, ?, ?, ?)", source_id, *row)
