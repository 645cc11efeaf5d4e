"""Anomalies as derived tables (`transforms.derived`): from orders, sessions and latencies.

Whatever an update of these tables has replaced is looked at again, by all rules.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.derived import Changes, Derived, Replaced, Stored
from fixfeed.transforms.fix.anomalies.anomaly import Found, anomaly, scopes
from fixfeed.transforms.fix.anomalies.prices import prices_off, trade_prices
from fixfeed.transforms.fix.anomalies.rules import (
    Rule,
    default_rules,
    rules_of_text,
    text_of_rules,
)
from fixfeed.transforms.fix.anomalies.schema import ANOMALIES, TABLES
from fixfeed.transforms.fix.anomalies.sessions import bursts, days
from fixfeed.transforms.fix.latencies.buckets import buckets_of

__all__ = ["Anomalies"]


class Anomalies(Derived):
    """The tables of anomalies; see `docs/anomalies.md`. They follow those of all others."""

    tables = TABLES
    columns = ()

    def __init__(self, rules: Sequence[Rule] | None = None):
        """`rules` say what is out of the ordinary; the default ones if it is None."""
        self.rules = default_rules() if rules is None else tuple(rules)
        self.settings = text_of_rules(self.rules)
        self.chosen = rules is not None

    def with_settings(self, settings: str) -> "Anomalies":
        """See `Derived`."""
        return Anomalies(rules_of_text(settings))

    def update(self, changed: pa.Table, removed: pa.Table, stored: Stored) -> Changes:
        """See `Derived`."""
        orders = stored.replaced("orders")
        prices = trade_prices(stored.replaced("executions").rows, orders.rows)
        found = (
            days(self.rules, stored),
            bursts(self.rules, stored),
            _overfilled(self.rules, orders),
            prices_off(self.rules, orders, prices, stored),
            _slow(self.rules, stored.replaced("latencies")),
        )
        looked_at = pa.concat_arrays([one.scopes for one in found])
        rows = pa.Table.from_pylist([row for one in found for row in one.rows], ANOMALIES)
        return Changes(
            {"anomalies": looked_at, "trade_prices": orders.units},
            {"anomalies": rows, "trade_prices": prices},
        )


def _overfilled(rules: Iterable[Rule], orders: Replaced) -> Found:
    """Return the orders that were filled beyond their quantity."""
    told = pc.match_substring(orders.rows["problems"], "overfilled").fill_null(False)
    rows = [
        anomaly(
            rule,
            scope=f"order {row['order_key']}",
            happened_at=row["last_fill_at"] or row["last_message_at"],
            session=row["session"],
            order_key=row["order_key"],
            symbol=row["symbol"],
            seen=f"{_most(row['cum_qty'], row['reported_cum_qty'] or 0)} filled",
            expected=f"at most {_plain(row['order_qty'])}",
        )
        for row in orders.rows.filter(told).to_pylist()
        for rule in rules
        if rule.kind == "overfilled" and rule.holds_for(row["session"])
    ]
    return Found(scopes("order", orders.units), rows)


def _most(filled: Decimal | None, reported: Decimal | int) -> str:
    return _plain(filled if filled is None else max(filled, reported))


def _plain(number: Any) -> str:
    """Return a quantity as people write it; null is one of more digits than a column has."""
    return "more than a column holds" if number is None else f"{number.normalize():f}"


def _slow(rules: Iterable[Rule], latencies: Replaced) -> Found:
    """Return the minutes in which requests waited for longer than they may."""
    rows = []
    for rule in rules:
        if rule.kind != "latency":
            continue
        slow = pc.and_(
            pc.greater_equal(latencies.rows["bucket"], _first_bucket_above(rule.number("seconds"))),
            pc.and_(
                pc.equal(latencies.rows["kind"], rule.settings["measured"]),
                pc.equal(latencies.rows["clock"], rule.settings["clock"]),
            ),
        )
        minutes = (
            latencies.rows.filter(slow)
            .group_by(["session_minute", "session", "minute"])
            .aggregate([("requests", "sum"), ("up_to", "max")])
        )
        rows += [
            anomaly(
                rule,
                scope=f"latency {row['session_minute']}",
                happened_at=row["minute"],
                session=row["session"],
                seen=f"{row['requests_sum']:,} waited longer, up to {row['up_to_max']:.6f} s",
                expected=f"{rule.settings['measured']} within {rule.settings['seconds']} s",
            )
            for row in minutes.to_pylist()
            if rule.holds_for(row["session"])
        ]
    return Found(scopes("latency", latencies.units), rows)


def _first_bucket_above(seconds: float) -> int:
    """Return the first bucket of latencies all of which are longer.

    >>> _first_bucket_above(0.001), _first_bucket_above(0)
    (81, 0)
    """
    micro = seconds * 1e6
    return 0 if micro < 1 else int(buckets_of(np.array([micro]))[0]) + 1
