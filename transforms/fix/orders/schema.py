"""The tables of orders: their columns. `docs/orders.md` says what they mean."""

import pyarrow as pa

from fixfeed.transforms.derived import DerivedTable
from fixfeed.transforms.fix.schema import DATE, DECIMAL, TIME

__all__ = ["TABLES"]


def _schema(*columns: tuple[str, pa.DataType], required: tuple[str, ...]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, name not in required) for name, kind in columns])


_TEXT, _NUMBER, _FLAG = pa.string(), pa.int64(), pa.bool_()

_ORDERS = _schema(
    ("order_key", _NUMBER),
    ("session_pair", _TEXT),
    ("session", _TEXT),
    ("first_cl_ord_id", _TEXT),
    ("last_cl_ord_id", _TEXT),
    ("order_id", _TEXT),
    ("list_id", _TEXT),
    ("account", _TEXT),
    ("symbol", _TEXT),
    ("security_id", _TEXT),
    ("side", _TEXT),
    ("ord_type", _TEXT),
    ("time_in_force", _TEXT),
    ("currency", _TEXT),
    ("order_qty", DECIMAL),
    ("price", DECIMAL),
    ("stop_px", DECIMAL),
    ("cum_qty", DECIMAL),
    ("leaves_qty", DECIMAL),
    ("avg_px", DECIMAL),
    ("reported_cum_qty", DECIMAL),
    ("reported_leaves_qty", DECIMAL),
    ("reported_avg_px", DECIMAL),
    ("ord_status", _TEXT),
    ("exec_type", _TEXT),
    ("reject_reason", _TEXT),
    ("text", _TEXT),
    ("sent_at", TIME),
    ("acknowledged_at", TIME),
    ("first_fill_at", TIME),
    ("last_fill_at", TIME),
    ("ended_at", TIME),
    ("first_message_at", TIME),
    ("last_message_at", TIME),
    ("messages", _NUMBER),
    ("copies", _NUMBER),
    ("fills", _NUMBER),
    ("replaces", _NUMBER),
    ("cancels", _NUMBER),
    ("rejects", _NUMBER),
    ("has_beginning", _FLAG),
    ("drop_copy", _FLAG),
    ("problems", _TEXT),
    required=("order_key", "session_pair"),
)

_ORDER_IDS = _schema(
    ("id", _TEXT),
    ("kind", _TEXT),
    ("session_pair", _TEXT),
    ("order_key", _NUMBER),
    ("chain", _NUMBER),
    ("first_day", DATE),
    ("last_day", DATE),
    required=("id", "kind", "session_pair", "order_key"),
)

_ORDER_MESSAGES = _schema(
    ("order_key", _NUMBER),
    ("message_id", _NUMBER),
    ("step", _NUMBER),
    ("copied", _FLAG),
    required=("order_key", "message_id", "step", "copied"),
)

_EXECUTIONS = _schema(
    ("order_key", _NUMBER),
    ("message_id", _NUMBER),
    ("session_pair", _TEXT),
    ("exec_id", _TEXT),
    ("exec_ref_id", _TEXT),
    ("kind", _TEXT),
    ("stands", _FLAG),
    ("corrected_by", _TEXT),
    ("busted_by", _TEXT),
    ("cl_ord_id", _TEXT),
    ("order_id", _TEXT),
    ("symbol", _TEXT),
    ("security_id", _TEXT),
    ("side", _TEXT),
    ("account", _TEXT),
    ("currency", _TEXT),
    ("last_mkt", _TEXT),
    ("last_qty", DECIMAL),
    ("last_px", DECIMAL),
    ("order_qty", DECIMAL),
    ("cum_qty", DECIMAL),
    ("leaves_qty", DECIMAL),
    ("avg_px", DECIMAL),
    ("ord_status", _TEXT),
    ("exec_type", _TEXT),
    ("multi_leg_reporting_type", _TEXT),
    ("sending_time", TIME),
    ("transact_time", TIME),
    ("copies", _NUMBER),
    ("drop_copy", _FLAG),
    required=("order_key", "message_id", "session_pair", "kind", "stands"),
)

TABLES = {
    "orders": DerivedTable(
        schema=_ORDERS,
        unit="order_key",
        key=("order_key",),
        indexes=(("symbol", "first_message_at"), ("first_message_at",)),
    ),
    "order_ids": DerivedTable(
        schema=_ORDER_IDS, unit="order_key", indexes=(("id",), ("order_key",), ("chain",))
    ),
    "order_messages": DerivedTable(
        schema=_ORDER_MESSAGES,
        unit="order_key",
        key=("order_key", "message_id"),
        indexes=(("message_id",),),
    ),
    "executions": DerivedTable(
        schema=_EXECUTIONS, unit="order_key", indexes=(("order_key",), ("exec_id",))
    ),
}
"""The derived tables, by name."""
