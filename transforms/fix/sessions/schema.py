"""The tables of sessions; their names and columns are a contract."""

import pyarrow as pa

from fixfeed.transforms.batch import DATE, DECIMAL, TIME

__all__ = ["BEGINNINGS", "COLUMNS", "COUNTS", "SEQUENCES", "SESSION_DAYS", "SESSION_MINUTES"]

COLUMNS = (
    *("session", "msg_type", "msg_seq_num", "poss_dup_flag", "sending_time", "captured_at"),
    *("fields", "text", "exec_type", "ord_status", "sender_sub_id", "target_sub_id"),
)
"""The columns of messages that these tables are made from."""

BEGINNINGS = {
    "logon": "a Logon with MsgSeqNum 1 or ResetSeqNumFlag began the numbers anew",
    "reset": "a SequenceReset in Reset mode said which number comes next",
    "fell": "numbers that were used already came again, and nothing says why",
    "continued": "the first of its day; whether it follows the day before, the numbers tell",
    "gap": "the numbers before it were not there when it came",
    "filled": "the numbers before it had come as repeats, or by a GapFill, when it came",
    "resent": "they came as repeats alone (PossDupFlag, ApplResendFlag)",
    "gap_fill": "a SequenceReset in GapFill mode stands for them: there was nothing to resend",
}
"""How a stretch of sequence numbers began (`SEQUENCES`), and what that means."""

COUNTS = (
    *("messages", "app_messages", "poss_dups", "logons", "logouts", "resets", "gap_fills"),
    *("heartbeats", "test_requests", "resend_requests", "rejects"),
)
"""The columns of counts, which add up."""


def _schema(*columns: tuple[str, pa.DataType], required: tuple[str, ...]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, name not in required) for name, kind in columns])


SEQUENCES = _schema(
    ("session_day", pa.string()),
    ("session", pa.string()),
    ("day", DATE),
    ("appl_id", pa.string()),
    ("numbers_since", TIME),
    ("first_number", pa.int64()),
    ("last_number", pa.int64()),
    ("began", pa.string()),
    ("missing", pa.int64()),
    ("messages", pa.int64()),
    ("duplicates", pa.int64()),
    ("first_time", TIME),
    ("last_time", TIME),
    required=("session_day", "day", "first_number", "last_number", "began", "missing"),
)
"""A stretch of sequence numbers without a hole, of a session in one direction, on a day.

`session` is that of the messages (`FIX.4.4:A->B`: what A sent to B), null if they have none. `day`
is that of the messages in UTC; `session_day` is the two together. Numbers are MsgSeqNum (34); in a
feed without it they are ApplSeqNum (1181), and `appl_id` is its ApplID (1180), `` if it has none.
`appl_id` is null for MsgSeqNum.

Numbers that began anew within a day are apart: `numbers_since` is when they did. `began` is one of
`BEGINNINGS`. `missing` counts the numbers right before the stretch that never came that day: the
gap. A gap that was filled is a stretch of its own (`resent`, `gap_fill`).

`messages` are those with its numbers, `duplicates` those of them whose number had come before
(repeats on request among them). `first_time` and `last_time` are those of its numbers: SendingTime,
else the time of capture.
"""

SESSION_DAYS = _schema(
    ("session_day", pa.string()),
    ("session", pa.string()),
    ("day", DATE),
    ("first_time", TIME),
    ("last_time", TIME),
    *((name, pa.int64()) for name in COUNTS),
    ("heart_bt_int", pa.int64()),
    ("longest_silence", DECIMAL),
    ("silent_since", TIME),
    ("silences", pa.int64()),
    ("logout_reasons", pa.string()),
    ("reject_reasons", pa.string()),
    required=("session_day", "day", "first_time", "last_time", *COUNTS, "silences"),
)
"""A session in one direction on a day in UTC: what its sender sent.

`messages` are those of the application, `app_messages`, and of the session level; `poss_dups` are
the repeats among them. `resets` are Logons with ResetSeqNumFlag and SequenceResets in Reset mode,
`gap_fills` those in GapFill mode. `rejects` are Reject (3) and BusinessMessageReject (j).
`logout_reasons` and `reject_reasons` are JSON objects of texts and how often each came, null if
there are none: Text (58) of Logouts, and the reasons of rejects by name.

`heart_bt_int` is HeartBtInt (108) of the day's last Logon. `longest_silence` is the longest time
between two messages, in seconds; what lies between a Logout and a Logon is none. `silent_since` is
when it began, null if it lies within a minute of the clock. `silences` are those of more than twice
the HeartBtInt, and more than a minute.
"""

SESSION_MINUTES = _schema(
    ("session_minute", pa.string()),
    ("session_day", pa.string()),
    ("session", pa.string()),
    ("minute", TIME),
    ("first_time", TIME),
    ("last_time", TIME),
    *((name, pa.int64()) for name in COUNTS),
    ("heart_bt_int", pa.int64()),
    ("longest_silence", DECIMAL),
    ("logged_on", pa.bool_()),
    ("logged_out", pa.bool_()),
    ("logout_reasons", pa.string()),
    ("reject_reasons", pa.string()),
    ("numbers", pa.string()),
    ("refusals", pa.string()),
    ("cancel_requests", pa.string()),
    required=("session_minute", "session_day", "minute", "first_time", "last_time", *COUNTS),
)
"""A session in one direction in a minute: what the other two tables are put together from.

So a message that comes changes the row of its minute, and those that are made from few rows. The
columns are those of days; `logged_on` and `logged_out` say that it began with a Logon and ended
with a Logout. `numbers` are the runs of sequence numbers, as JSON (`sequences.Run`). `refusals` are
messages that refuse one of the peer's (rejects of all kinds, reports of rejected orders), and
`cancel_requests` OrderCancelRequests and mass cancels, each once: how many came in which second of
the minute, as JSON, null if none did.
"""
