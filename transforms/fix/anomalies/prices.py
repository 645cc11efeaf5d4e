"""Prices of fills against the fill before: of one security, in one session pair, on one day.

All executions count, also those that were busted or corrected later: a price that was wrong is out
of the ordinary whatever became of it. Legs of multi-leg orders are left out.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Replaced, Stored
from fixfeed.transforms.fix.anomalies.anomaly import Found, anomaly
from fixfeed.transforms.fix.anomalies.rules import Rule
from fixfeed.transforms.fix.anomalies.schema import TRADE_PRICES
from fixfeed.transforms.fix.schema import TIME

__all__ = ["prices_off", "trade_prices"]

_SAME = ("security", "traded", "session", "exec_id", "last_px", "order_key", "number")
"""What makes a fill another one for those around it."""

_IN_ORDER = ("security", "traded", "exec_id", "last_px", "order_key", "number")


def trade_prices(executions: pa.Table, orders: pa.Table) -> pa.Table:
    """Return the prices of executions, `TRADE_PRICES`, given the orders that they are of."""
    whole = pc.not_equal(executions["multi_leg_reporting_type"], "2").fill_null(True)
    priced = pc.and_(executions["last_px"].is_valid(), executions["sending_time"].is_valid())
    found = executions.filter(
        pc.and_(pc.and_(whole, priced), executions["symbol"].is_valid())
    ).combine_chunks()
    time = found["sending_time"].combine_chunks()
    day = pc.floor_temporal(time, unit="day").cast(pa.timestamp("us")).cast(pa.date32())
    parts = [
        found["session_pair"],
        day.cast(pa.string()),
        found["symbol"],
        found["security_id"].fill_null(""),
        found["currency"].fill_null(""),
    ]
    keys = found["order_key"].to_pylist()
    seen: dict[int, int] = {}
    numbers = []
    for key in keys:
        seen[key] = number = seen.get(key, 0) + 1
        numbers.append(number)
    at = pc.index_in(found["order_key"], value_set=orders["order_key"].combine_chunks())
    columns = {
        "order_key": found["order_key"],
        "number": pa.array(numbers, pa.int64()),
        "security": pc.binary_join_element_wise(*parts, " "),
        "traded": time.cast(pa.int64()),
        "session": orders["session"].take(at),
        "symbol": found["symbol"],
        "exec_id": found["exec_id"],
        "last_px": found["last_px"],
    }
    return pa.table(columns, schema=TRADE_PRICES)


def prices_off(rules: Iterable[Rule], orders: Replaced, prices: pa.Table, stored: Stored) -> Found:
    """Return the prices that are off, of all fills whose price or whose fill before has changed.

    `orders` are those that an update has replaced, `prices` the ones of their executions.
    """
    before = stored.rows("trade_prices", "order_key", orders.units)
    spans = _spans(before, prices)
    if not spans.num_rows:
        return Found(pa.array([], pa.string()), [])
    there = stored.around("trade_prices", "security", "traded", spans)
    known = pa.concat_tables(
        [there.filter(pc.invert(pc.is_in(there["order_key"], value_set=orders.units))), prices],
        promote_options="default",
    )
    ends = _ends(spans, there)
    rules = [rule for rule in rules if rule.kind == "price_off"]
    rows: list[dict[str, Any]] = []
    order = [(name, "ascending") for name in _IN_ORDER]
    within = known.filter(pc.is_in(known["security"], value_set=spans["security"].combine_chunks()))
    within = within.sort_by(order)
    for place in _off(within, min((rule.number("percent") for rule in rules), default=math.inf)):
        one, other = within.slice(place - 1, 2).to_pylist()
        first, last = ends[other["security"]]
        if first <= other["traded"] <= last:
            rows += _compared(rules, one, other)
    looked_at = {
        _scope(security, traded)
        for security, traded in zip(
            *(there[name].to_pylist() for name in ("security", "traded")), strict=True
        )
        if ends[security][0] <= traded <= ends[security][1]
    }
    return Found(pa.array(sorted(looked_at), pa.string()), rows)


def _off(prices: pa.Table, percent: float) -> list[int]:
    """Return the places of prices that are off the one right before, of the same security."""
    if prices.num_rows < 2:
        return []
    price = prices["last_px"].cast(pa.float64()).to_numpy()
    security = prices["security"].combine_chunks().dictionary_encode().indices.to_numpy()
    off = np.abs(np.diff(price)) * 100 > percent * np.abs(price[:-1])
    return (np.flatnonzero(off & (security[1:] == security[:-1])) + 1).tolist()


def _spans(before: pa.Table, now: pa.Table) -> pa.Table:
    """Return the securities whose fills are others now, each with the first and last time of them.

    In SQLite prices are the nearest doubles, so doubles are compared.
    """
    both = pa.concat_tables([before, now], promote_options="default").select(_SAME)
    place = both.schema.get_field_index("last_px")
    both = both.set_column(place, "last_px", both["last_px"].cast(pa.float64()))
    counted = both.group_by(list(_SAME)).aggregate([([], "count_all")])
    changed = counted.filter(pc.equal(counted["count_all"], 1))
    spans = changed.group_by("security").aggregate([("traded", "min"), ("traded", "max")])
    return spans.select(["security", "traded_min", "traded_max"])


def _ends(spans: pa.Table, there: pa.Table) -> dict[str, tuple[int, int]]:
    """Return where fills are compared again: from where one changed to the next after the last."""
    columns = (one.to_pylist() for one in spans.columns)
    ends = {security: (first, last) for security, first, last in zip(*columns, strict=True)}
    found = (there[name].to_pylist() for name in ("security", "traded"))
    for security, traded in zip(*found, strict=True):
        first, last = ends[security]
        ends[security] = first, max(last, traded)
    return ends


def _compared(
    rules: Iterable[Rule], one: dict[str, Any], other: dict[str, Any]
) -> Iterable[dict[str, Any]]:
    """Yield what is out of the ordinary in a fill's price, given that of the fill before."""
    before, price = float(one["last_px"]), float(other["last_px"])
    if not before:
        return
    percent = (price - before) / abs(before) * 100
    for rule in rules:
        most = rule.number("percent")
        if abs(price - before) * 100 > most * abs(before) and rule.holds_for(other["session"]):
            yield anomaly(
                rule,
                scope=_scope(other["security"], other["traded"]),
                happened_at=pa.scalar(other["traded"], pa.int64()).cast(TIME).as_py(),
                session=other["session"],
                order_key=other["order_key"],
                symbol=other["symbol"],
                seen=f"{_shown(price)}, {percent:+.1f} %",
                expected=f"{_shown(before)}, as in the fill before, within {_shown(most)} %",
            )


def _scope(security: str, traded: int) -> str:
    return f"trade {security} {traded}"


def _shown(number: float) -> str:
    return f"{number:.10f}".rstrip("0").rstrip(".")
