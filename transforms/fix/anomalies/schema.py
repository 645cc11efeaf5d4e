"""The tables of anomalies: their columns. `docs/anomalies.md` says what they mean."""

import pyarrow as pa

from fixfeed.transforms.derived import DerivedTable
from fixfeed.transforms.fix.schema import DECIMAL, TIME

__all__ = ["ANOMALIES", "TABLES", "TRADE_PRICES"]


def _schema(*columns: tuple[str, pa.DataType], required: tuple[str, ...]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, name not in required) for name, kind in columns])


ANOMALIES = _schema(
    ("scope", pa.string()),
    ("happened_at", TIME),
    ("kind", pa.string()),
    ("severity", pa.string()),
    ("session", pa.string()),
    ("order_key", pa.int64()),
    ("symbol", pa.string()),
    ("seen", pa.string()),
    ("expected", pa.string()),
    ("rule", pa.string()),
    required=("scope", "kind", "severity", "seen", "expected", "rule"),
)
"""Something out of the ordinary: what was seen, what was expected, and the rule that says so.

`scope` is what was looked at together: an order, a session on a day or in a minute, the trades of
a security at a time. `happened_at` is null where messages have no time.
"""

TRADE_PRICES = _schema(
    ("order_key", pa.int64()),
    ("number", pa.int64()),
    ("security", pa.string()),
    ("traded", pa.int64()),
    ("session", pa.string()),
    ("symbol", pa.string()),
    ("exec_id", pa.string()),
    ("last_px", DECIMAL),
    required=("order_key", "number", "security", "traded", "last_px"),
)
"""The prices of fills, so that each finds the one before: it is there for that alone.

`security` is session pair, day, Symbol, SecurityID and Currency in one text, `traded` SendingTime
in microseconds since 1970.
"""

TABLES = {
    "anomalies": DerivedTable(
        schema=ANOMALIES, unit="scope", indexes=(("scope",), ("happened_at",), ("order_key",))
    ),
    "trade_prices": DerivedTable(
        schema=TRADE_PRICES,
        unit="order_key",
        key=("security", "traded", "order_key", "number"),
        indexes=(("order_key",),),
    ),
}
"""The derived tables, by name."""
