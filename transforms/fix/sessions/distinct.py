"""The messages of sessions, each once, in the order in which they were sent.

A message is in the log of its sender and in that of its receiver, and a log may be stored twice. So
messages that have session, SubIDs, number, type, PossDupFlag and SendingTime in common are one;
those without a number have to have all their fields in common. The order is theirs: by time and
number, never that of arrival. So whatever is computed from here is a function of the set of
messages.

Messages without any time are left out.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.fix.schema import TIME
from fixfeed.transforms.fix.sessions.schema import COLUMNS

__all__ = ["MINUTE", "Distinct", "distinct", "facts", "whole_number"]

MINUTE = 60_000_000
"""In microseconds."""

_TELLING = ("A", "4", "5", "3", "j")
"""Types whose fields matter: Logon, SequenceReset, Logout, the rejects."""

_APPL_SEQ_NUM = '"ApplSeqNum"'


class Distinct(NamedTuple):
    """Messages as columns, ordered by session and time.

    `line` numbers the combinations of session and minute that `keys` lists, the minute by its
    beginning. `number` is -1 where there is none; times are in microseconds. `applied` ranks the
    ApplIDs in `appl_ids`. `rows` has the columns `msg_type`, `exec_type`, `ord_status`, and of the
    types whose fields matter, and of messages without a number, `fields` and `text`.
    """

    keys: list[tuple[str | None, int]]
    line: NDArray[np.int64]
    time: NDArray[np.int64]
    number: NDArray[np.int64]
    resent: NDArray[np.bool_]
    applied: NDArray[np.int64]
    appl_ids: list[str | None]
    rows: pa.RecordBatch

    def told(self, place: int) -> Mapping[str, str]:
        """Return the fields of a message that have no column; see `facts`."""
        return facts(self.rows["fields"][place].as_py())


def distinct(messages: pa.Table) -> Distinct:
    """Return the messages of a table that has at least `COLUMNS`, each once and in order."""
    # One array each: a table may have columns without any chunk, which Arrow cannot take from.
    given = pa.RecordBatch.from_arrays(
        [messages[name].combine_chunks() for name in COLUMNS], list(COLUMNS)
    )
    time = pc.coalesce(given["sending_time"].cast(TIME), given["captured_at"].cast(TIME))
    if time.null_count:
        given, time = given.filter(time.is_valid()), time.drop_null()
    time = time.cast(pa.int64()).to_numpy()
    appl_id, number, appl_resent = _applied(given)
    resent = _flags(given["poss_dup_flag"]) | appl_resent
    session, sessions = _ranked(given["session"])
    applied, appl_ids = _ranked(appl_id)
    types, _ = _ranked(given["msg_type"])
    telling = _flags(pc.is_in(given["msg_type"], value_set=pa.array(_TELLING)))
    told = pa.array(telling | (number < 0))
    contents = {name: pc.if_else(told, given[name], None) for name in ("fields", "text")}
    content, text = (_ranked(column)[0] for column in contents.values())
    rows = pa.RecordBatch.from_pydict(
        {name: given[name] for name in ("msg_type", "exec_type", "ord_status")} | contents
    )
    # Those with a number are one whatever their other fields are; the first of them counts.
    others = [_ranked(given[name])[0] for name in ("ord_status", "exec_type")] + [text, content]
    subs = [_ranked(given[name])[0] for name in ("sender_sub_id", "target_sub_id")]
    order = np.lexsort((*others, *subs, resent, types, number, applied, time, session))
    own = np.where(number < 0, content, 0)
    keep = _changes(order, (session, time, applied, number, types, resent, *subs, own))
    order = order[keep]
    session, time = session[order], time[order]
    minute = time // MINUTE
    begins = _changes(np.arange(len(order)), (session, minute))
    first = np.flatnonzero(begins)
    keys = [
        (sessions[one], at * MINUTE)
        for one, at in zip(session[first].tolist(), minute[first].tolist(), strict=True)
    ]
    return Distinct(
        keys,
        np.cumsum(begins) - 1,
        time,
        number[order],
        resent[order],
        applied[order],
        appl_ids,
        rows.take(pa.array(order)),
    )


def _changes(order: NDArray[np.int64], columns: tuple[NDArray, ...]) -> NDArray[np.bool_]:
    """Return where, in this order, a row differs from the one before in a column."""
    found = np.zeros(len(order), bool)
    found[:1] = True
    for column in columns:
        ordered = column[order]
        found[1:] |= ordered[1:] != ordered[:-1]
    return found


def _ranked(column: pa.StringArray) -> tuple[NDArray[np.int64], list[str | None]]:
    """Return the rank of each text among all that occur, and the texts by rank; null is 0."""
    coded = column.dictionary_encode()
    texts = coded.dictionary.to_pylist()
    order = sorted(range(len(texts)), key=texts.__getitem__)
    ranks = np.zeros(len(texts) + 1, np.int64)
    ranks[order] = np.arange(1, len(texts) + 1)
    codes = coded.indices.fill_null(len(texts)).to_numpy()
    return ranks[codes], [None, *(texts[one] for one in order)]


def _applied(
    messages: pa.RecordBatch,
) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Return ApplID, number and whether it is a repeat by ApplResendFlag.

    ApplID is null where the number is MsgSeqNum, or there is none.
    """
    number = np.maximum(messages["msg_seq_num"].fill_null(-1).to_numpy(), -1)
    resent = np.zeros(len(number), bool)
    appl_ids: list[str | None] = [None] * len(number)
    without = pc.indices_nonzero(pc.is_null(messages["msg_seq_num"]))
    may_have = pc.match_substring(messages["fields"].take(without), _APPL_SEQ_NUM)
    for row in without.filter(may_have).to_pylist():
        known = facts(messages["fields"][row].as_py())
        found = whole_number(known.get("ApplSeqNum", ""))
        if found is not None:
            number[row] = found
            appl_ids[row] = known.get("ApplID", "")
            resent[row] = known.get("ApplResendFlag") == "Y"
    return pa.array(appl_ids, pa.string()), number, resent


def facts(fields: str) -> Mapping[str, str]:
    """Return the fields of a message that have text, the first of those that repeat.

    >>> facts('{"NewSeqNo":"7","Tag5001":["a","b"],"NoHops":[{"HopCompID":"X"}]}')
    {'NewSeqNo': '7', 'Tag5001': 'a'}
    """
    found = {}
    for name, value in orjson.loads(fields).items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            found[name] = first
    return found


def whole_number(text: str) -> int | None:
    """Return the number of a field, None if it is none that a column can hold."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _flags(column: pa.BooleanArray) -> NDArray[np.bool_]:
    return column.fill_null(False).to_numpy(zero_copy_only=False).astype(bool)
