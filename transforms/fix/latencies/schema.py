"""The tables of latencies; their names and columns are a contract."""

import pyarrow as pa

from fixfeed.transforms.batch import DECIMAL, TIME

__all__ = ["CLOCKS", "COLUMNS", "KINDS", "LATENCIES", "MSG_TYPES", "REQUEST_TIMES"]

COLUMNS = (
    *("session", "direction", "msg_type", "cl_ord_id", "poss_dup_flag", "sending_time"),
    *("captured_at", "exec_type", "exec_trans_type", "ord_status"),
)
"""The columns of messages that these tables are made from."""

MSG_TYPES = ("D", "F", "G", "8", "9")
"""The types of messages that matter: orders, requests to cancel and replace, and their answers."""

KINDS = {
    "acknowledged": "from a new order to its first report that is not pending",
    "filled": "from a new order to its first fill",
    "answered": "from a request to cancel or replace to its first report, not pending, or reject",
}
"""What is measured."""

CLOCKS = {
    "sent": "SendingTime of the request, and of the answer: the clocks of two machines",
    "captured by sender": "the log of who sent the request: it went out, the answer came in",
    "captured by receiver": "the log of who received it: it came in, the answer went out",
    "captured": "a log that does not say which way messages went",
}
"""Whose clock measures: a latency by one says nothing about one by another."""

REQUEST_TIMES = pa.schema(
    [
        pa.field("request", pa.string(), nullable=False),
        pa.field("clock", pa.string(), nullable=False),
        pa.field("session", pa.string(), nullable=False),
        pa.field("session_minute", pa.string()),
        pa.field("ordered_at", TIME),
        pa.field("changed_at", TIME),
        pa.field("acknowledged_at", TIME),
        pa.field("filled_at", TIME),
        pa.field("answered_at", TIME),
    ]
)
"""The times of a ClOrdID of a session on a day, by a clock: the first of each.

`request` is day, session and ClOrdID; `session` the one that it was sent in. `ordered_at` is when a
new order was sent or seen, `changed_at` a request to cancel or replace one. `session_minute` is the
minute of the first of them, null if there is none.
"""

LATENCIES = pa.schema(
    [
        pa.field("session_minute", pa.string(), nullable=False),
        pa.field("session", pa.string(), nullable=False),
        pa.field("minute", TIME, nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("clock", pa.string(), nullable=False),
        pa.field("bucket", pa.int64(), nullable=False),
        pa.field("up_to", DECIMAL, nullable=False),
        pa.field("requests", pa.int64(), nullable=False),
    ]
)
"""How many requests of a session in a minute waited about so long, by kind and clock.

`bucket` is logarithmic, eight to a doubling: `up_to` is its upper end in seconds, 2 ** (bucket / 8)
microseconds, so a percentile is right to nine parts in a hundred. A latency below 0 (the clocks of
two machines) has bucket -1 and `up_to` 0. Counts of any minutes and sessions add up.
"""
