"""The columns of a batch: one row per message, one fixed Arrow schema for all sources and sinks.

A column that comes from FIX is named after its field in snake_case. Names and types are the same in
SQL, Parquet and JSON; what a column cannot hold exactly (digits beyond a microsecond, or beyond ten
places) is in `fields` as its text.
"""

from typing import NamedTuple

import pyarrow as pa

from fixfeed.transforms.batch import DATE, DECIMAL, TIME

__all__ = [
    "COLUMNS",
    "DATE",
    "DECIMAL",
    "LONGEST_TEXT",
    "MESSAGES",
    "NAMED",
    "TIME",
    "Column",
    "is_short",
]

LONGEST_TEXT = 250
"""Bytes of a text in a column, `text` apart: PostgreSQL has no index entry of 2,704 bytes and more,
and an entry may hold a session, whose parts are three texts, and a MsgType."""


class Column(NamedTuple):
    """A typed column that comes from one FIX field."""

    name: str
    tag: int
    field: str
    type: pa.DataType


def is_short(column: Column) -> bool:
    """Return whether a column holds texts of up to `LONGEST_TEXT` bytes alone."""
    return column.type == pa.string() and column.name != "text"


COLUMNS = (
    Column("begin_string", 8, "BeginString", pa.string()),
    Column("appl_ver_id", 1128, "ApplVerID", pa.string()),
    Column("msg_type", 35, "MsgType", pa.string()),
    Column("sender_comp_id", 49, "SenderCompID", pa.string()),
    Column("sender_sub_id", 50, "SenderSubID", pa.string()),
    Column("target_comp_id", 56, "TargetCompID", pa.string()),
    Column("target_sub_id", 57, "TargetSubID", pa.string()),
    Column("on_behalf_of_comp_id", 115, "OnBehalfOfCompID", pa.string()),
    Column("msg_seq_num", 34, "MsgSeqNum", pa.int64()),
    Column("poss_dup_flag", 43, "PossDupFlag", pa.bool_()),
    Column("sending_time", 52, "SendingTime", TIME),
    Column("transact_time", 60, "TransactTime", TIME),
    Column("trade_date", 75, "TradeDate", DATE),
    Column("settl_date", 64, "SettlDate", DATE),
    Column("ref_seq_num", 45, "RefSeqNum", pa.int64()),
    Column("cl_ord_id", 11, "ClOrdID", pa.string()),
    Column("orig_cl_ord_id", 41, "OrigClOrdID", pa.string()),
    Column("order_id", 37, "OrderID", pa.string()),
    Column("exec_id", 17, "ExecID", pa.string()),
    Column("exec_ref_id", 19, "ExecRefID", pa.string()),
    Column("exec_trans_type", 20, "ExecTransType", pa.string()),
    Column("exec_type", 150, "ExecType", pa.string()),
    Column("ord_status", 39, "OrdStatus", pa.string()),
    Column("symbol", 55, "Symbol", pa.string()),
    Column("security_id", 48, "SecurityID", pa.string()),
    Column("security_id_source", 22, "SecurityIDSource", pa.string()),
    Column("security_type", 167, "SecurityType", pa.string()),
    Column("security_exchange", 207, "SecurityExchange", pa.string()),
    Column("maturity_month_year", 200, "MaturityMonthYear", pa.string()),
    Column("put_or_call", 201, "PutOrCall", pa.string()),
    Column("strike_price", 202, "StrikePrice", DECIMAL),
    Column("side", 54, "Side", pa.string()),
    Column("ord_type", 40, "OrdType", pa.string()),
    Column("time_in_force", 59, "TimeInForce", pa.string()),
    Column("order_qty", 38, "OrderQty", DECIMAL),
    Column("price", 44, "Price", DECIMAL),
    Column("stop_px", 99, "StopPx", DECIMAL),
    Column("last_qty", 32, "LastQty", DECIMAL),
    Column("last_px", 31, "LastPx", DECIMAL),
    Column("last_mkt", 30, "LastMkt", pa.string()),
    Column("cum_qty", 14, "CumQty", DECIMAL),
    Column("leaves_qty", 151, "LeavesQty", DECIMAL),
    Column("avg_px", 6, "AvgPx", DECIMAL),
    Column("account", 1, "Account", pa.string()),
    Column("currency", 15, "Currency", pa.string()),
    Column("text", 58, "Text", pa.string()),
)
"""The typed columns, in the order of the schema.

`appl_ver_id` is the version that a message of FIXT.1.1 is read by: its ApplVerID, else what the
Logon of its session (1137) or the user says, so it is there although no field may have it.
"""

NAMED = (
    "appl_ver_id",
    "msg_type",
    "security_id_source",
    "security_type",
    "put_or_call",
    "side",
    "ord_status",
    "exec_type",
    "exec_trans_type",
    "ord_type",
    "time_in_force",
)
"""The columns of codes whose names people ask for: in SQL a view has them, else `Enrich`."""

MESSAGES = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("session", pa.string()),
        pa.field("direction", pa.string()),
        pa.field("captured_at", TIME),
        pa.field("ingested_at", TIME),
        *(pa.field(column.name, column.type) for column in COLUMNS),
        pa.field("fields", pa.string(), nullable=False),
        pa.field("defects", pa.string()),
        pa.field("enriched", pa.string()),
        pa.field("masked", pa.string()),
        pa.field("prefix", pa.string()),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)
"""A batch of messages.

`position` is the byte offset (files) or offset (Kafka) of the message in its source; `session` is
`BeginString:SenderCompID->TargetCompID`; `direction` is `in`, `out` or null; `fields` a JSON object
of every field without a column of its own; `defects` the kinds of defects joined by a comma, null
when there are none; `enriched` a JSON object of what the user's lookups added, or null; `masked`
the tags whose values are masked, joined by commas, or null; `prefix` the text before the message on
its line; `raw` its bytes as they came, except for what is masked.
"""
