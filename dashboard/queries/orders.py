"""Orders: a list of them, newest first, and one order whole, found by any of its ids."""

import time
from collections.abc import Sequence
from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.conditions import Where
from fixfeed.dashboard.queries.cursor import Cursor, Place, read_cursor, text_of_cursor
from fixfeed.dashboard.queries.messages import SEARCHED, Page
from fixfeed.dashboard.queries.refusals import REFUSALS
from fixfeed.dashboard.scope import EVERYTHING, Scope
from fixfeed.dashboard.view import View
from fixfeed.io.ledger.keys import POSITION_BITS

__all__ = ["executions", "find", "ids", "listed", "of_message", "order", "page", "steps"]

Row = dict[str, Any]

_LISTED = """order_key, session_pair, session, first_cl_ord_id, last_cl_ord_id, order_id, symbol,
  security_id, side, ord_type, account, currency, order_qty, price, cum_qty, leaves_qty, avg_px,
  ord_status, text, first_message_at, last_message_at, messages, fills, rejects, problems,
  drop_copy, has_beginning"""
_LOOKED_AT = 5_000  # orders at a time
_MOST = 9_223_372_036_854_775_807


def page(
    database: Database,
    view: View,
    *,
    id: str | None = None,
    status: str | Sequence[str] | None = None,
    symbol: str | None = None,
    refused: str | None = None,
    problems: bool = False,
    cursor: str | None = None,
    limit: int = 100,
    seconds: float = SEARCHED,
) -> Page:
    """Return a page of orders that begin in a view, the newest first, those without a time last.

    Of a view its sessions (in both directions), times and scope count. `id` is any id of an order:
    then its times do not count, and all that have it are on one page. `status` are values of
    OrdStatus. `refused` is Text of a message that refuses the order, or something asked of it, ``
    of one without, and leaves out drop copies, as `overview.rejects` does. With `problems` there
    are only orders whose messages do not fit together. It reads along the index by time until the
    page is full or `seconds` have passed. Raises `Trouble` and `CursorError`.
    """
    if id is not None:
        return Page(listed(database, find(database, id), view), None, None)
    wanted = Where(*(["problems is not null"] if problems else [])).pairs(database, view)
    wanted.among(database, "ord_status", [status] if isinstance(status, str) else status)
    if refused is not None:
        says = f"exists (select 1 from {REFUSALS} orders.order_key and coalesce(m.text, '') = ?)"
        wanted.add("rejects > 0").add("drop_copy is not true").add(says, refused)
    after = read_cursor(cursor).place if cursor else None
    if after is not None and after.time is None:
        return _without_time(database, wanted, symbol, after.message_id, limit)
    deadline = time.monotonic() + seconds
    found: list[Row] = []
    while True:
        reach = Where("first_message_at is not null").time(database, "first_message_at", view)
        if symbol is not None:
            reach.add("symbol = ?", symbol)
        if after is not None:
            # Not as a pair, `(a, b) < (?, ?)`: of that SQLite seeks the first alone.
            at = database.time(after.time)  # type: ignore[arg-type]
            reach.add("first_message_at <= ?", at)
            reach.add("(first_message_at < ? or order_key < ?)", at, after.message_id)
        edge = _edge(database, reach) if wanted else None
        if edge is not None:
            at = database.time(edge.time)  # type: ignore[arg-type]
            reach.add("first_message_at >= ?", at)
            reach.add("(first_message_at > ? or order_key >= ?)", at, edge.message_id)
        both = reach.also(wanted)
        found += database.rows(
            f"select {_LISTED} from orders {both} {_NEWEST} limit {limit - len(found) + 1}",
            *both.values,
        )
        if len(found) > limit:
            return Page(found[:limit], _text(_place(found[limit - 1])), None)
        if edge is None:
            break
        after = edge
        if time.monotonic() > deadline:
            return Page(found, _text(after), None, after.time)
    if view.begin or view.end:
        return Page(found, None, None)
    rest = _without_time(database, wanted, symbol, _MOST, limit - len(found))
    return Page([*found, *rest.rows], rest.older, None)


_NEWEST = "order by first_message_at desc, order_key desc"


def _place(row: Row) -> Place:
    return Place(row["first_message_at"], row["order_key"])


def _text(place: Place) -> str:
    return text_of_cursor(Cursor(True, place))


def _edge(database: Database, reach: Where) -> Place | None:
    """Return the last order of a stretch of so many; None if there are fewer."""
    rows = database.rows(
        f"select first_message_at, order_key from orders {reach} {_NEWEST}"
        f" limit 1 offset {_LOOKED_AT - 1}",
        *reach.values,
    )
    return _place(rows[0]) if rows else None


def _without_time(
    database: Database, wanted: Where, symbol: str | None, before: int, limit: int
) -> Page:
    """Return orders none of whose messages has a time."""
    where = Where("first_message_at is null").add("order_key < ?", before).also(wanted)
    if symbol is not None:
        where.add("symbol = ?", symbol)
    rows = database.rows(
        f"select {_LISTED} from orders {where} order by order_key desc limit {limit + 1}",
        *where.values,
    )
    if len(rows) <= limit:
        return Page(rows, None, None)
    last = rows[limit - 1]["order_key"] if limit else before
    return Page(rows[:limit], _text(Place(None, last)), None)


def find(database: Database, id: str) -> list[int]:
    """Return the keys of orders that have an id: of any kind, an ExecID, or the key itself."""
    rows = database.rows(
        "select order_key from order_ids where id = ?"
        " union select order_key from executions where exec_id = ?",
        id,
        id,
    )
    keys = [row["order_key"] for row in rows]
    if id.isascii() and id.isdecimal() and len(id) < 20 and int(id) <= _MOST:
        keys.append(int(id))
    return keys


def listed(database: Database, keys: Sequence[int], view: View = View()) -> list[Row]:  # noqa: B008
    """Return the orders with these keys, the newest first, as a list shows them.

    Of a view its scope and sessions count.
    """
    where = Where().among(database, "order_key", keys).pairs(database, view)
    return database.rows(
        f"select {_LISTED} from orders {where} {_NEWEST}",
        *where.values,
    )


def order(
    database: Database, order_key: int, *, scope: Scope = EVERYTHING
) -> dict[str, Any] | None:
    """Return an order whole: `order`, its `messages`, `ids` and `executions`.

    None if there is none with this key, or the reader may not see it.
    """
    rows = database.rows("select * from orders where order_key = ?", order_key)
    if not rows or not scope.allows_pair(rows[0]["session_pair"]):
        return None
    return {
        "order": rows[0],
        "messages": steps(database, order_key),
        "ids": ids(database, order_key),
        "executions": _executions(database, [order_key]),
    }


def of_message(database: Database, message_id: int) -> list[int]:
    """Return the keys of the orders that a message is of."""
    rows = database.rows(
        "select order_key from order_messages where message_id = ? order by order_key", message_id
    )
    return [row["order_key"] for row in rows]


_STEPS = (
    "source_id", "session", "direction", "captured_at", "begin_string", "appl_ver_id", "msg_type",
    "sender_comp_id", "target_comp_id", "msg_seq_num", "poss_dup_flag", "sending_time",
    "transact_time", "ref_seq_num", "cl_ord_id", "orig_cl_ord_id", "order_id", "exec_id",
    "exec_ref_id", "exec_trans_type", "exec_type", "ord_status", "symbol", "security_id", "side",
    "ord_type", "order_qty", "price", "stop_px", "last_qty", "last_px", "cum_qty", "leaves_qty",
    "avg_px", "text", "fields", "defects", "raw",
)  # fmt: skip


def steps(database: Database, order_key: int, limit: int = 2_000) -> list[Row]:
    """Return the messages of an order in its order, copies after what they are copies of.

    Each has `step` and `copied` of `order_messages`, what a message has, and where it came from:
    `source` and `position`.
    """
    columns = ", ".join(f"m.{name}" for name in _STEPS)
    return database.rows(
        f"select o.step, o.copied, m.message_id, {columns}, s.name as source,"
        f" m.message_id - m.source_id * {1 << POSITION_BITS} as position"
        " from order_messages o join messages m on m.message_id = o.message_id"
        " left join source_identities s on s.source_id = m.source_id"
        f" where o.order_key = ? order by o.step, o.copied, o.message_id limit {limit}",
        order_key,
    )


def executions(
    database: Database, view: View, *, cursor: str | None = None, limit: int = 100
) -> Page:
    """Return the fills and corrections of a page of orders, those that no longer stand too.

    `limit` is how many orders; theirs is the order, and the cursor. Raises as `page`.
    """
    found = page(database, view, cursor=cursor, limit=limit)
    place = {row["order_key"]: number for number, row in enumerate(found.rows)}
    rows = _executions(database, list(place))
    rows.sort(key=lambda row: place[row["order_key"]])
    return Page(rows, found.older, None, found.searched_to)


def _executions(database: Database, order_keys: Sequence[int]) -> list[Row]:
    """Return the executions of orders, in the order of their steps: what came late is in place."""
    where = Where("e.order_key is not null").among(database, "e.order_key", order_keys)
    return database.rows(
        "select e.* from executions e left join order_messages s"
        f" on s.order_key = e.order_key and s.message_id = e.message_id {where}"
        " order by e.order_key, s.step, e.message_id",
        *where.values,
    )


def ids(database: Database, order_key: int) -> list[Row]:
    """Return the ids of an order: `kind` and `id`."""
    return database.rows(
        "select kind, id from order_ids where order_key = ? order by kind, first_day, id", order_key
    )
