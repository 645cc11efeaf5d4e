"""Whether everything that came in is accounted for, and what was wrong with it."""

from typing import Any, NamedTuple

import pyarrow as pa

from fixfeed.dashboard.database import SECONDS, Database
from fixfeed.dashboard.queries.conditions import Where
from fixfeed.dashboard.queries.cursor import Cursor, Place, read_cursor, text_of_cursor
from fixfeed.dashboard.queries.messages import Page
from fixfeed.dashboard.view import View
from fixfeed.io.ledger.keys import POSITION_BITS

__all__ = [
    "Account",
    "accounts",
    "defects",
    "failed",
    "failures",
    "failures_by_reason",
    "not_derived",
    "runs",
    "sources",
]

Row = dict[str, Any]

_DEFECTIVE = 50_000
"""So many of the newest messages with defects are counted by kind and source."""


class Account(NamedTuple):
    """Numbers that have to be the same: `what` they count, and each with the word for it.

    `told` is what one of them is made of.
    """

    what: str
    numbers: dict[str, int]
    told: str = ""

    @property
    def agrees(self) -> bool:
        """Whether they are the same."""
        return len(set(self.numbers.values())) <= 1


def accounts(database: Database, *, seconds: float = SECONDS) -> list[Account]:
    """Return what has to add up over the whole database, and over its last runs.

    Messages: what the progress of sources says was stored, the rows there are, and the sum of the
    counts by minute. Failures: likewise, as far as progress knows them. Each run that has ended:
    what it read, and what became of that.

    All messages are counted, for `seconds` at the most: then it is a `Trouble`.
    """
    found = database.rows(
        "select (select count(*) from messages) as messages,"
        " (select coalesce(sum(messages), 0) from minute_counts) as counted,"
        " (select coalesce(sum(stored), 0) from progress) as stored",
        seconds=seconds,
        types=dict.fromkeys(("messages", "counted", "stored"), pa.int64()),
    )[0]
    result = [
        Account(
            "messages stored",
            {
                "by the progress of sources": found["stored"],
                "rows of messages": found["messages"],
                "by minute_counts": found["counted"],
            },
        )
    ]
    for run in runs(database):
        counts = run["counts"]
        if not counts or "read" not in counts:
            continue
        became = {name: counts.get(name, 0) for name in ("stored", "repeated", "filtered")}
        became["failed"] = sum(counts.get("failed", {}).values())
        result.append(
            Account(
                f"run {run['run_id']}",
                {"came in": counts["read"], "accounted for": sum(became.values())},
                ", ".join(f"{name} {value:,}" for name, value in became.items() if value),
            )
        )
    return result


def sources(database: Database, limit: int = 1_000) -> list[Row]:
    """Return the rows of the view `sources`, the last seen first, with `stretches`, `open`, `end`.

    `stretches` are those of its progress, `end` is how far the last one reaches, and `open` how
    many bytes before that are in none of them.
    """
    return database.rows(
        'select s.*, coalesce(p.stretches, 0) as stretches, coalesce(p."end", 0) as "end",'
        ' coalesce(p."end" - p.done, 0) as open from sources s left join ('
        'select source_id, count(*) as stretches, max("end") as "end",'
        ' sum("end" - start) as done from progress group by source_id'
        f") p on p.source_id = s.source_id order by s.last_seen desc, s.name limit {limit}",
        types=dict.fromkeys(("stretches", "open", "end"), pa.int64()),
    )


def failed(database: Database) -> int:
    """Return how many failures there are."""
    (row,) = database.rows("select count(*) as failures from failures")
    return int(row["failures"])


def failures_by_reason(database: Database) -> list[Row]:
    """Return `reason`, `failures`, and the `detail` that most of them have: `with_detail` of them.

    Of several that as many have, it is the first in order.
    """
    return database.rows(
        "select reason, sum(failures) as failures, min(case when place = 1 then detail end)"
        " as detail, max(failures) as with_detail from (select reason, detail,"
        " count(*) as failures, row_number() over (partition by reason"
        " order by count(*) desc, detail) as place from failures group by 1, 2) details"
        " group by reason order by 2 desc, reason",
        types=dict.fromkeys(("failures", "with_detail"), pa.int64()),
    )


def failures(
    database: Database,
    *,
    reason: str | None = None,
    source_id: int | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """Return a page of failures in the order of sources and positions, from the first on.

    Each has its `source` and `position` there, and `raw`, the bytes; the page's `older` is the
    cursor of the next one. Raises `Trouble` and `CursorError`.
    """
    where = Where()
    if cursor:
        where.add("f.failure_id > ?", read_cursor(cursor).place.message_id)
    if reason is not None:
        where.add("f.reason = ?", reason)
    if source_id is not None:
        where.add("f.failure_id >= ?", source_id << POSITION_BITS)
        where.add("f.failure_id < ?", (source_id + 1) << POSITION_BITS)
    rows = database.rows(
        "select f.failure_id, f.reason, f.detail, f.raw, f.source_id, s.name as source,"
        f" f.failure_id - f.source_id * {1 << POSITION_BITS} as position"
        " from failures f left join source_identities s on s.source_id = f.source_id"
        f" {where} order by f.failure_id limit {limit + 1}",
        *where.values,
    )
    if len(rows) <= limit:
        return Page(rows, None, None)
    last = Place(None, rows[limit - 1]["failure_id"])
    return Page(rows[:limit], text_of_cursor(Cursor(True, last)), None)


def defects(database: Database, view: View) -> list[Row]:
    """Return how many messages have which defect: `kind`, `source_id`, `source`, `messages`.

    Those of a view's times and sessions; the newest 50,000 messages with defects at most. A message
    with two kinds counts for both.
    """
    time = "coalesce(sending_time, captured_at)"
    where = Where("defects is not null").time(database, time, view)
    where.sessions(database, view)
    rows = database.rows(
        "select d.source_id, d.defects, count(*) as messages from (select source_id, defects"
        f" from messages {where} order by {time} desc limit {_DEFECTIVE}) d group by 1, 2",
        *where.values,
    )
    names = {
        row["source_id"]: row["name"]
        for row in database.rows("select source_id, name from source_identities")
    }
    counted: dict[tuple[str, int], int] = {}
    for row in rows:
        for kind in row["defects"].split(","):
            key = kind, row["source_id"]
            counted[key] = counted.get(key, 0) + row["messages"]
    return [
        {"kind": kind, "source_id": source, "source": names.get(source, ""), "messages": messages}
        for (kind, source), messages in sorted(counted.items())
    ]


def runs(database: Database, limit: int = 50) -> list[Row]:
    """Return the last runs, the newest first, with their `configuration` and `counts`."""
    return database.rows(f"select * from runs order by run_id desc limit {limit}")


def not_derived(database: Database) -> int:
    """Return about how many messages are not in orders, sessions and latencies yet."""
    rows = database.rows("select coalesce(sum(messages), 0) as messages from derive_stretches")
    return int(rows[0]["messages"])
