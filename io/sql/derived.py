"""Keeps a database's derived tables (`transforms.derived`) up to date with its messages.

A transaction that stores messages marks their stretch of message_id in `derive_stretches`, one row
a stretch. One that deletes messages keeps the columns that matter in `derive_removed`. `derive`
takes some of both at a time, finds out what that changes, and then changes the tables and deletes
what it took, in one transaction: a kill leaves it done or to be done. What is stored or removed
meanwhile is marked, and derived later. So the tables are those of all messages once both are empty.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from fixfeed.io.sql.changes import Found, find
from fixfeed.io.sql.to_derive import is_due, waiting

if TYPE_CHECKING:
    from fixfeed.io.sql.database import Database

__all__ = ["Done", "derive", "derive_part"]

_MESSAGES = 100_000  # at once: two or three seconds, after which a run that is to stop does


def derive(
    database: "Database", *, stop: Callable[[], bool] = lambda: False, at_once: int = _MESSAGES
) -> int:
    """Bring the derived tables up to date; return how many messages were looked at for it.

    It does so in parts of about `at_once` messages, each all or nothing, and ends early after one
    of them if `stop` says so. Others may store messages, in SQLite while no part is written.
    """
    looked_at = 0
    last: Done | None = None
    while not stop() and database.table.derived and is_due(database):
        if waiting(database) > at_once and not (last and last.overtaken):
            last = _derive_ahead(database, stop, at_once, last)
        else:
            last = derive_part(database, at_once, last)
        looked_at += last.messages if last else 0
    return looked_at


class Done(NamedTuple):
    """A part that is done: of how many messages, and how many were read again for it.

    `overtaken` is whether nothing was done, as others derived tables meanwhile.
    """

    messages: int
    read_again: int
    overtaken: bool = False


def derive_part(database: "Database", at_once: int, last: Done | None = None) -> Done | None:
    """Do one part of that, given the one before; return what was done, None if nothing is left.

    Where ids come again and again, each part reads again what the parts before it had. So a part
    has as many messages as the last one read again, if that is more: all is read two or three times
    then, however often its ids come.

    In SQLite nobody can store messages while a part is written. What it changes is found out before
    that; only if others have derived tables meanwhile, that is done again with the database locked.
    """
    if not (database.table.derived and is_due(database)):
        return None
    at_once = max(at_once, last.read_again) if last else at_once
    if last and last.overtaken:
        with database.deriving():
            found = find(database, at_once)
            found.write(database)
        return Done(found.part.messages, found.read_again)
    with database.alone():
        database.begin_reading()
        try:
            derivings = database.derivings()
            found = find(database, at_once)
        finally:
            database.rollback()
        if _write(database, found, derivings) is None:
            return Done(0, found.read_again, overtaken=True)
    return Done(found.part.messages, found.read_again)


def _write(database: "Database", found: Found, derivings: int) -> int | None:
    """Write what a part changes; see `Database.count_deriving`."""
    with database.transaction():
        own = database.count_deriving(derivings)
        if own is not None:
            found.write(database)
    return own


def _derive_ahead(
    database: "Database", stop: Callable[[], bool], at_once: int, last: Done | None
) -> Done:
    """Do part after part, until `stop` or the last one; return what they are together.

    What a part changes is found out while the one before is written, with a connection of its own.
    """
    messages, read_again = 0, last.read_again if last else 0
    with (
        database.alone(),
        closing(database.another()) as reader,
        ThreadPoolExecutor(1, "writing derived tables") as thread,
    ):
        before: Found | None = None
        writing: Future[int | None] = Future()
        reader.begin_reading()
        writing.set_result(reader.derivings())

        def written() -> int | None:
            done = writing.result()
            reader.rollback()
            reader.shorten_journal()
            reader.begin_reading()
            return done

        while True:
            found = find(reader, max(at_once, read_again), before, written)
            derivings = written()
            if derivings is None:
                return Done(messages, read_again, overtaken=True)
            if before:
                messages += before.part.messages
            if stop() or found.part.is_empty:
                return Done(messages, read_again)
            writing = thread.submit(_write, database, found, derivings)
            before, read_again = found, found.read_again
            if found.part.rest:  # what is left comes next, under marks that were used before
                if written() is None:
                    return Done(messages, read_again, overtaken=True)
                messages += found.part.messages
                before = None
