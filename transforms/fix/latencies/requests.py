"""The times of requests and their answers.

An answer has the ClOrdID of its request, in the opposite direction of the session, on the same day
(UTC). Repeats (PossDupFlag) are left out. Of several messages the first counts, by each clock: so
the times are minima, and those of two sets of messages are the minima of both.
"""

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.batch import TIME
from fixfeed.transforms.fix.latencies.schema import CLOCKS, COLUMNS, REQUEST_TIMES

__all__ = ["TIMES", "merged_times", "request_times"]

TIMES = ("ordered_at", "changed_at", "acknowledged_at", "filled_at", "answered_at")
"""The columns of times of `REQUEST_TIMES`."""

_NAIVE = pa.timestamp("us")
_PENDING = ("A", "6", "E")
_FILLS = ("F", "1", "2")
_BY_REQUEST = ("out", "in", "")
_BY_ANSWER = ("in", "out", "")
"""The directions that requests and answers have in the logs of the clocks after `sent`."""


def request_times(messages: pa.Table) -> pa.Table:
    """Return the times of the requests in messages, which have at least `schema.COLUMNS`."""
    given = pa.RecordBatch.from_arrays(
        [messages[name].combine_chunks() for name in COLUMNS], list(COLUMNS)
    )
    time = pc.coalesce(given["sending_time"], given["captured_at"])
    has_all = pc.and_(
        pc.and_(given["session"].is_valid(), given["cl_ord_id"].is_valid()), time.is_valid()
    )
    given = given.filter(pc.and_(has_all, pc.invert(given["poss_dup_flag"].fill_null(False))))
    if not given.num_rows:
        return REQUEST_TIMES.empty_table()
    is_answer = _is_in(given["msg_type"], ("8", "9"))
    session = pc.if_else(is_answer, _reversed(given["session"]), given["session"])
    day = pc.coalesce(given["sending_time"], given["captured_at"]).cast(pa.int64())
    day = pc.floor_temporal(day.cast(_NAIVE), unit="day").cast(pa.date32()).cast(pa.string())
    request = pc.binary_join_element_wise(day, session, given["cl_ord_id"], " ")
    which = _which(given)
    direction = given["direction"].fill_null("")
    parts = []
    for number, clock in enumerate(CLOCKS):
        at = given["sending_time" if clock == "sent" else "captured_at"].cast(pa.int64())
        if clock != "sent":
            own = pc.if_else(is_answer, _BY_ANSWER[number - 1], _BY_REQUEST[number - 1])
            at = pc.if_else(pc.equal(direction, own), at, None)
        columns = {name: pc.if_else(which[name], at, None) for name in TIMES}
        rows = pa.table({"request": request, "session": session, **columns}).filter(at.is_valid())
        parts.append(rows.append_column("clock", pa.repeat(clock, rows.num_rows)))
    return _first(pa.concat_tables(parts))


def merged_times(*tables: pa.Table) -> pa.Table:
    """Return the times of the messages behind all of these tables."""
    plain = []
    for table in tables:
        columns = {name: table[name] for name in ("request", "session", "clock")}
        columns |= {name: table[name].cast(pa.int64()) for name in TIMES}
        plain.append(pa.table(columns))
    return _first(pa.concat_tables(plain))


def _first(rows: pa.Table) -> pa.Table:
    """Return the first times by request and clock, in their order."""
    found = rows.group_by(["request", "session", "clock"]).aggregate(
        [(one, "min") for one in TIMES]
    )
    found = found.sort_by([("request", "ascending"), ("clock", "ascending")])
    began = pc.coalesce(
        pc.min_element_wise(found["ordered_at_min"], found["changed_at_min"], skip_nulls=True)
    )
    minute = pc.floor_temporal(began.cast(_NAIVE), unit="minute").cast(pa.string())
    minute = pc.utf8_slice_codeunits(minute, 0, 16)
    columns = {
        "request": found["request"],
        "clock": found["clock"],
        "session": found["session"],
        "session_minute": pc.binary_join_element_wise(found["session"], minute, " "),
        **{name: found[f"{name}_min"].cast(TIME) for name in TIMES},
    }
    return pa.Table.from_arrays(list(columns.values()), schema=REQUEST_TIMES)


def _which(given: pa.RecordBatch) -> dict[str, pa.BooleanArray]:
    """Return which messages each time may come from."""
    kind = given["msg_type"]
    told = pc.or_(_is_in(given["exec_type"], _PENDING), _is_in(given["ord_status"], _PENDING))
    status = pc.or_(_is_in(given["exec_trans_type"], ("3",)), _is_in(given["exec_type"], ("I",)))
    report = _is_in(kind, ("8",))
    answer = pc.and_(report, pc.invert(pc.or_(told, status)))
    new = pc.invert(_is_in(given["exec_trans_type"], ("1", "2", "3")))
    return {
        "ordered_at": _is_in(kind, ("D",)),
        "changed_at": _is_in(kind, ("F", "G")),
        "acknowledged_at": answer,
        "filled_at": pc.and_(pc.and_(report, new), _is_in(given["exec_type"], _FILLS)),
        "answered_at": pc.or_(answer, _is_in(kind, ("9",))),
    }


def _is_in(column: pa.Array, values: tuple[str, ...]) -> pa.BooleanArray:
    return pc.is_in(column, value_set=pa.array(values, pa.string())).fill_null(False)


def _reversed(sessions: pa.StringArray) -> pa.StringArray:
    """Return sessions in the opposite direction: `FIX.4.4:B->A` for `FIX.4.4:A->B`."""
    coded = sessions.dictionary_encode()
    texts = []
    for text in coded.dictionary.to_pylist():
        version, _, pair = text.partition(":")
        sender, _, target = pair.partition("->")
        texts.append(f"{version}:{target}->{sender}")
    return pa.array(texts, pa.string()).take(coded.indices)
