"""What a file of JSON lines remembers of its sources, in a SQLite database beside it.

    out.jsonl                the lines
    out.failures.jsonl       the failures, if there are any
    out.jsonl.progress.db    sources, their stretches that are done, and how long the files are

A transaction of the database is the lock of the files: they are changed inside one only.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fixfeed.io.fsync import not_writable
from fixfeed.io.jsonl.files import Recorded, append, failures_path, settle
from fixfeed.io.ledger import version_1
from fixfeed.io.ledger.identity import (
    Match,
    StoredSource,
    digests_of,
    identify,
    place_of,
    stored_source,
)
from fixfeed.io.ledger.ledger import (
    Known,
    Progress,
    SchemaError,
    SinkError,
    SinkFailed,
    Stretch,
    known,
    merged,
    settled,
)
from fixfeed.io.ledger.source import Source
from fixfeed.io.ledger.witness import far_apart, note
from fixfeed.io.redaction import redact
from fixfeed.io.sql.tables import EXTEND_PROGRESS, PROGRESS, SET_WITNESSES, STORED_SOURCES

__all__ = ["JsonlLedger"]

_VERSION = 2
_PATIENCE = 120  # seconds
# Primary result codes of trouble with the disk, the file or other processes; others are ours.
_TROUBLES = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
_SCHEMA = (
    "create table files (name text primary key, length integer not null, tail text not null)",
    """create table source_identities (
  source_id integer primary key,
  kind text not null,
  name text not null,
  place text not null,
  file_id text not null,
  fingerprint text not null,
  digests text not null,
  stored_end text not null default ''
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
  witnesses text not null,
  primary key (source_id, "end")
)""",
    # The unfinished end of a source that stands in the failures already.
    'create table unfinished (source_id integer primary key, start integer, "end" integer)',
    f"pragma user_version = {_VERSION}",
)


class JsonlLedger:
    """The ledger of a file of JSON lines (`Ledger`). Not for several threads.

    Raises `SinkFailed` where the files or the database cannot be read or written, and `SinkError`
    where they are not what fixfeed has left.
    """

    def __init__(self, place: str):
        """Name the file; nothing is opened or made."""
        self.place = redact(f"jsonl:{place}")
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
        self._check_folder()
        with self.transaction():
            version = self._version()
            if not version:
                self._make()
            elif version < _VERSION:
                self._migrate()
            for name, path in self._files.items():
                settle(path, self._recorded(name))

    def check(self) -> bool:
        """Tell whether lines were written already; change nothing. Raises as `prepare`.

        What is remembered is from then on a copy in memory, of this version.
        """
        self._check_folder()
        for path in (self._database.parent, self._database, *self._files.values()):
            if path.exists() and not_writable(path):
                raise SinkError(f"cannot write to {self.place}: you may not write to {path}")
        if not self._database.exists():
            return False
        try:
            self._query("begin")
            copy = sqlite3.connect(":memory:", isolation_level=None)
            assert self._connection is not None
            self._connection.backup(copy)
            self.close()
            self._connection = copy
            version = self._version()
            if not version:
                return False
            if version < _VERSION:
                self._migrate()
            for name, path in self._files.items():
                settle(path, self._recorded(name), cut=False)
        except sqlite3.Error as error:
            raise SinkError(f"cannot read {self._database}: {error}") from error
        return True

    def _check_folder(self) -> None:
        folder = self._database.parent
        if not folder.is_dir():
            raise SinkError(f"cannot open {self.place}: there is no folder {redact(str(folder))}")
        foreign = self._foreign()
        if foreign and not self._database.exists():
            raise foreign

    def _version(self) -> int:
        version: int = self._query("pragma user_version")[0][0]
        if version > _VERSION:
            raise SchemaError(
                f"{self._database} has version {version}, this fixfeed knows up to {_VERSION}; "
                "use the newer fixfeed that wrote it"
            )
        return version

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

    def _migrate(self) -> None:
        """Bring the database of version 1 to this one."""
        sources = self._query(
            "select source_id, kind, name, fingerprint, mark_digests from sources"
        )
        progress = self._query("select * from progress")
        self._query("drop table sources")
        self._query("drop table progress")
        for statement in _SCHEMA:
            if "source_identities" in statement or "progress" in statement or "pragma" in statement:
                self._query(statement)
        for source_id, kind, name, fingerprint, digests in sources:
            place, fingerprint = version_1.identity(kind, name, fingerprint)
            self._query(
                "insert into source_identities values (?, ?, ?, ?, '', ?, ?, '')",
                *(source_id, kind, name, place, fingerprint, digests),
            )
        for row in progress:
            self._insert(row[0], (*row[1:], ""))

    def failures(self) -> tuple[Path, int]:
        """Return the file of failures and how long it is recorded to be; make and change nothing.

        Raises `SinkError` if nothing is recorded.
        """
        lines = self._files["lines"]
        if not self._database.exists():
            meant = lines.with_name(lines.name.replace(".failures.", "."))
            there = meant != lines and meant.with_name(f"{meant.name}.progress.db").exists()
            guess = f"; did you mean {redact(f'jsonl:{meant}')}?" if there else ""
            missing = redact(str(self._database))
            raise SinkError(
                f"fixfeed has written nothing to {self.place}: there is no {missing}{guess}"
            )
        try:
            return self._files["failures"], self._recorded("failures").length
        except sqlite3.Error as error:
            raise SinkError(f"cannot read {self._database}: {error}") from error
        finally:
            self.close()

    def close(self) -> None:
        """See `Ledger`."""
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
                    with contextlib.suppress(SinkFailed):
                        self._query("rollback")
                raise
        except OSError as error:
            raise SinkFailed.at(self.place, error) from error

    def _query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            if self._connection is None:
                # A transform's instance is used by one thread at a time, not always by the same.
                self._connection = sqlite3.connect(
                    self._database, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
                )
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _TROUBLES:
                raise SinkFailed.at(self.place, error) from error
            raise

    # Sources.

    def register(
        self, sources: Sequence[Source], *, rules: str, replace: bool = False
    ) -> dict[str, Known]:
        """See `Ledger`. Two processes may register the same source at once."""
        with self.transaction():
            rows, progress, found = self._identified(sources)
            for source in sources:
                match = found.get(source.key)
                if match is None:
                    found[source.key] = Match(self._add(source))
                elif match.is_news(source):
                    self._update(source, match.stored)
            ids = {key: match.stored.source_id for key, match in found.items()}
            return known(ids, {row[0]: row[-1] for row in rows}, progress, rules=rules)

    def look_up(self, sources: Sequence[Source], *, rules: str) -> dict[str, Known]:
        """See `Ledger`."""
        rows, progress, found = self._identified(sources)
        ids = {key: match.stored.source_id for key, match in found.items()}
        return known(ids, {row[0]: row[-1] for row in rows}, progress, rules=rules)

    def _identified(
        self, sources: Sequence[Source]
    ) -> tuple[list[tuple[Any, ...]], dict[int, list[Progress]], dict[str, Match]]:
        """Return the rows of stored sources, their progress by id, and which the sources are."""
        rows = self._query(STORED_SOURCES)
        progress = {row[0]: self._progress(row[0]) for row in rows}
        found = identify(sources, [stored_source(row, progress[row[0]]) for row in rows])
        return rows, progress, found

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

    def finish(self, ends: Mapping[int, str]) -> dict[int, tuple[Stretch, ...]]:
        """See `Ledger`."""
        done = {}
        with self.transaction():
            for source_id, stored_end in ends.items():
                rows = settled(self._progress(source_id))
                done[source_id] = merged((row[1], row[2]) for row in rows)
                self._query("delete from progress where source_id = ?", source_id)
                for row in rows:
                    self._insert(source_id, row)
                if stored_end:
                    self._query(
                        "update source_identities set stored_end = ? where source_id = ?",
                        stored_end,
                        source_id,
                    )
        return done

    def names(self) -> dict[int, str]:
        """Return what each source was called when it was first seen."""
        return dict(self._query("select source_id, name from source_identities"))

    def _add(self, source: Source) -> StoredSource:
        place, file_id, fingerprint = place_of(source)
        digests = digests_of(source)
        added: list[tuple[int]] = self._query(
            "insert into source_identities (kind, name, place, file_id, fingerprint, digests)"
            " values (?, ?, ?, ?, ?, ?) returning source_id",
            *(source.kind, source.name, place, file_id, fingerprint, digests),
        )
        return StoredSource(added[0][0], source.kind, place, file_id, fingerprint, digests)

    def _update(self, source: Source, stored: StoredSource) -> None:
        """Store where a source is now and what it begins with."""
        self._query(
            "update source_identities set place = ?, file_id = ?, fingerprint = ?, digests = ?"
            " where source_id = ?",
            *place_of(source),
            digests_of(source),
            stored.source_id,
        )
        if witness := stored.missing_witness(source):
            self._query(
                SET_WITNESSES,
                note(stored.extent, witness),
                stored.source_id,
                stored.extent,
            )

    def _progress(self, source_id: int) -> list[Progress]:
        return self._query(
            f"select {PROGRESS} from progress where source_id = ?",
            source_id,
        )

    # What a commit is made of; all inside a transaction.

    def done(self, source_id: int, start: int, end: int) -> list[Progress]:
        """Return the rows of progress that have a part in [start, end)."""
        return [row for row in self._progress(source_id) if row[2] > start and row[1] < end]

    def extend(self, source_id: int, row: Progress) -> None:
        """Count a stretch as done, joined to the one that ends where it begins."""
        rules, start, end, *counts, notes = row
        extended = self._query(
            EXTEND_PROGRESS,
            end,
            *counts,
            int(far_apart(start, end)),
            notes,
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
        self._query("insert into progress values (?, ?, ?, ?, ?, ?, ?, ?, ?)", source_id, *row)
