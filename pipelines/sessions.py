"""Shows what sessions did, day by day: `fixfeed sessions URI`.

Each row is a session in one direction on a day in UTC: what its sender sent. Below are the sequence
numbers that are missing, and those that came late. docs/sessions.md explains the tables behind.
"""

import argparse
import os
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import orjson
from rich.table import Table

from fixfeed.io.ledger.ledger import SchemaError, SinkError
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.asking import tell_behind
from fixfeed.pipelines.session_names import no_session
from fixfeed.pipelines.sinks import DATABASES, sink_among
from fixfeed.pipelines.terminal import Terminal, visible
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.words import WordParser, read_words

__all__ = ["main"]

_TABLES = ("session_days", "sequences")
_LATE = {"resent": "resent", "gap_fill": "filled by SequenceReset"}
_WIDE = 200
_NUMBERINGS = 3
"""Of the numbers of a day that began anew, so many are shown."""

_WITHOUT_TIME = """select session, msg_seq_num from messages
where coalesce(sending_time, captured_at) is null and msg_seq_num is not null limit 10000"""

Row = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the sessions in a database; return the exit code. It ends when nobody reads."""
    parser = WordParser(
        prog="fixfeed sessions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", help="sqlite:///fixfeed.db or postgresql://user@host/db")
    parser.add_argument("--session", default="", help="only those whose name contains this")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = read_words(parser, arguments)
    try:
        days = _days(options.uri)
    except (SinkError, UnknownPlace) as error:
        print(f"fixfeed sessions: {error}", file=sys.stderr)
        return 2
    found = [day for day in days if options.session in (day.row["session"] or "")]
    if days and not found:
        known = {day.row["session"] for day in days} - {None}
        print(f"fixfeed sessions: {no_session(options.session, known)}", file=sys.stderr)
        return 1
    days = found
    try:
        if options.json:
            for day in days:
                print(orjson.dumps(_object(day), default=float).decode())
        else:
            _show(days, Terminal(width=_WIDE))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, but Python would flush once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class _Day(NamedTuple):
    """A row of session_days, and its rows of sequences in order.

    `without_time` are the MsgSeqNums of messages of its session that have no time, and
    so no day, in order, each once.
    """

    row: Row
    stretches: list[Row]
    without_time: Sequence[int]


def _days(uri: str) -> list[_Day]:
    """Return the days in a database. Raises `SinkError` or `UnknownPlace`."""
    sink = sink_among(uri, DATABASES, "tables of sessions: only databases have")
    with closing(open_store(uri, read_only=True)) as store:
        if not store.tables().issuperset(_TABLES):
            raise SchemaError(
                f"{store.place} has no tables of sessions; if an older fixfeed made it, bring it "
                f"to this version with: fixfeed migrate {store.place}"
            )
        tell_behind(store, "sessions", sink.name)
        rows = _rows(store, "session_days", "session, day")
        of_days: dict[str, list[Row]] = {row["session_day"]: [] for row in rows}
        for row in _rows(store, "sequences", "appl_id, numbers_since, first_number"):
            of_days[row["session_day"]].append(row)
        without_time: dict[str | None, set[int]] = {}
        for session, number in store.query(_WITHOUT_TIME):
            without_time.setdefault(session, set()).add(number)
    numbers = {session: sorted(own) for session, own in without_time.items()}
    return [_Day(row, of_days[row["session_day"]], numbers.get(row["session"], ())) for row in rows]


def _rows(store: Store, table: str, order: str) -> list[Row]:
    schema = next(one.tables[table] for one in store.table.derived if table in one.tables).schema
    names = ", ".join(schema.names)
    return store.select(f"select {names} from {table} order by {order}", schema).to_pylist()


def _object(day: _Day) -> dict[str, Any]:
    """Return a day for JSON, with its sequences in it."""
    reasons = {
        name: orjson.loads(day.row[name] or "{}") for name in ("logout_reasons", "reject_reasons")
    }
    return {**day.row, **reasons, "sequences": day.stretches}


def _show(days: Sequence[_Day], console: Terminal) -> None:
    table = Table()
    table.add_column("session", overflow="fold")
    for name in ("day", "from", "to"):
        table.add_column(name, no_wrap=True)
    for name in ("messages", "numbers", "missing", "duplicates", "resets", "silences", "rejects"):
        table.add_column(name, justify="right")
    for day in days:
        row = day.row
        # Numbers of messages that name no session are of several, and count nothing.
        missing = sum(one["missing"] for one in day.stretches if row["session"])
        table.add_row(
            visible(row["session"] or "(none)"),
            str(row["day"]),
            f"{row['first_time']:%H:%M:%S}",
            f"{row['last_time']:%H:%M:%S}",
            f"{row['messages']:,}",
            _numbers(day.stretches),
            f"{missing:,}" if missing else "",
            _unless_0(sum(one["duplicates"] for one in day.stretches)),
            *(_unless_0(row[name]) for name in ("resets", "silences", "rejects")),
        )
    console.print(table)
    for text in _gaps(days):
        console.print(visible(text), soft_wrap=True)


def _unless_0(count: int) -> str:
    return f"{count:,}" if count else ""


def _numbers(stretches: Sequence[Row]) -> str:
    """Return the first and last number of each numbering."""
    found: dict[Any, tuple[int, int]] = {}
    for one in stretches:
        key = one["appl_id"], one["numbers_since"]
        first, last = found.get(key, (one["first_number"], one["last_number"]))
        found[key] = min(first, one["first_number"]), max(last, one["last_number"])
    spans = [_span(*span) for span in found.values()]
    more = f", {len(spans) - _NUMBERINGS} more" if len(spans) > _NUMBERINGS else ""
    return ", ".join(spans[:_NUMBERINGS]) + more


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _gaps(days: Sequence[_Day]) -> Iterator[str]:
    """Yield a sentence for each stretch of numbers that never came, or came late."""
    last: dict[Any, int] = {}
    for day in days:
        for one in day.stretches if day.row["session"] else ():
            feed = f" of {one['appl_id']}" if one["appl_id"] else ""
            where = f"{one['session']}{feed}, {one['day']}"
            first = one["first_number"]
            key = one["session"], one["appl_id"]
            missing = one["missing"]
            if one["began"] == "continued" and key in last:
                missing = max(0, first - last[key] - 1)
            if missing:
                span = _span(first - missing, first - 1)
                night = " (since the day before)" if one["began"] == "continued" else ""
                text = f"{where}: {span} missing before {one['first_time']:%H:%M:%S}{night}"
                yield text + _stored(day, first - missing, first - 1, one["appl_id"])
            if one["began"] in _LATE:
                span = _span(first, one["last_number"])
                yield f"{where}: {span} {_LATE[one['began']]} at {one['first_time']:%H:%M:%S}"
            before = last.get(key, 0) if one["began"] in _LATE else 0  # of the day before, perhaps
            last[key] = max(before, one["last_number"])


def _stored(day: _Day, first: int, last: int, appl_id: str | None) -> str:
    """Return how many of missing numbers are stored in messages without a time, `` if none is."""
    numbers = day.without_time if appl_id is None else ()
    found = bisect_right(numbers, last) - bisect_left(numbers, first)
    if not found:
        return ""
    return f"; {'' if first == last else f'{found:,} of them '}stored, without a time"


if __name__ == "__main__":
    sys.exit(main())
