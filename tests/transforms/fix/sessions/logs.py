"""Messages of sessions as rows, and logs of them as tables."""

import datetime
import json

import pyarrow as pa

from fixfeed.transforms.fix.schema import MESSAGES
from fixfeed.transforms.fix.sessions.schema import COLUMNS

__all__ = ["MORNING", "message", "of_both_sides", "table"]

SCHEMA = pa.schema([MESSAGES.field(name) for name in COLUMNS])
MORNING = datetime.datetime(2025, 1, 2, 9, tzinfo=datetime.UTC)


def message(number, at=0.0, kind="8", *, session="FIX.4.4:A->B", dup=False, text=None, **fields):
    """A message that was sent `at` seconds after 09:00; None: it has no SendingTime."""
    sent = None if at is None else MORNING + datetime.timedelta(seconds=at)
    return {
        "session": session,
        "msg_type": kind,
        "msg_seq_num": number,
        "poss_dup_flag": dup or None,
        "sending_time": sent,
        "captured_at": sent,
        "fields": json.dumps(fields, separators=(",", ":")),
        "text": text,
    }


def table(*rows):
    """A table of messages in this order."""
    return pa.Table.from_pylist([row for row in rows if row], SCHEMA)


def of_both_sides(rows):
    """The rows in the log of the sender, and a little later in that of the receiver."""
    later = datetime.timedelta(milliseconds=3)
    others = [
        row | {"captured_at": row["captured_at"] and row["captured_at"] + later} for row in rows
    ]
    return [*rows, *others]
