"""The view `fills` and the table `executions` have the same fills, but for what is told here."""

import contextlib

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.derived import derive
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.views.conftest import log

ORDER = "11=C1|37=O1"


def at(second, day=3):
    return f"202503{day:02}-09:30:{second:02}"


def report(seq, exec_id, kind, quantity=None, ref=None, *, more=ORDER, head="", time=None):
    """Return a report with ExecType, or of FIX 4.0 with `20=...|39=...`."""
    old = kind.startswith("20=")
    fields = [head, f"34={seq}", f"52={time or at(seq)}", more, kind if old else f"150={kind}|39=1"]
    fields += [f"{tag}={value}" for tag, value in ((17, exec_id), (19, ref)) if value]
    fields += [f"32={quantity}", "31=10"] if quantity is not None else ["31=11"]
    return f"{'FIX.4.0' if old else 'FIX.4.4'}|35=8|{'|'.join(filter(None, fields))}|"


def again(*fields, second=1):
    """Return a report sent again with PossDupFlag."""
    head = f"43=Y|122={at(second)}"
    return report(*fields, head=head, time=at(50))


FILL = report(1, "E1", "F", 10)
BUST = report(2, "B", "H", 0, "E1")
CORRECTED = report(2, "E2", "G", 20, "E1")
TODAY = {"time": at(1, 4)}
OTHER = {"more": "11=C2|37=O2"}
RESENT = {"head": "97=Y", "time": at(40)}
OLD = report(1, "E1", "20=0|39=1", 10)

OLD_OF_TEN = report(1, "E1", "20=0|39=1", 10, more=f"{ORDER}|14=10")
STATUSES = "0123456789ABCDE"

EQUAL = {
    "a bust": [FILL, BUST],
    "a bust by its own ExecID": [FILL, report(2, "E1", "H", 0)],
    "a bust before its fill": [report(1, "B", "H", 0, "E1"), report(2, "E1", "F", 10)],
    "a bust of an unknown": [FILL, report(2, "B", "H", 0, "E9")],
    "a bust of a bust": [FILL, BUST, report(3, "B2", "H", 0, "B")],
    "a correction": [FILL, CORRECTED],
    "a correction of a correction": [FILL, CORRECTED, report(3, "E3", "G", 30, "E2")],
    "corrections in the wrong order": [
        FILL,
        report(2, "E3", "G", 30, "E2"),
        report(3, "E2", "G", 20, "E1"),
    ],
    "two corrections of one": [FILL, CORRECTED, report(3, "E3", "G", 30, "E1")],
    "a correction, and a bust of the first": [FILL, CORRECTED, report(3, "B", "H", 0, "E1")],
    "a correction, and its bust": [FILL, CORRECTED, report(3, "B", "H", 0, "E2")],
    "a bust, and a correction": [FILL, BUST, report(3, "E3", "G", 30, "E1")],
    "a correction to 0": [FILL, report(2, "E2", "G", 0, "E1")],
    "a correction under its own ExecID": [FILL, report(2, "E1", "G", 20), report(3, "E1", "G", 30)],
    "to and fro": [FILL, *(report(n, "E1", "G", q, "E1") for n, q in ((2, 20), (3, 10), (4, 20)))],
    "a correction of an unknown": [CORRECTED],
    "a correction of a correction of an unknown": [CORRECTED, report(3, "E3", "G", 30, "E2")],
    "two corrections of one unknown": [CORRECTED, report(3, "E3", "G", 30, "E1")],
    "an unknown corrected under its own ExecID": [
        report(2, "E1", "G", 20),
        report(3, "E1", "G", 30),
    ],
    "a correction and a bust of one unknown": [CORRECTED, report(3, "B", "H", 0, "E1")],
    "corrections of each other": [report(2, "E2", "G", 20, "E3"), report(3, "E3", "G", 30, "E2")],
    "two busts of one ExecID": [
        FILL,
        report(2, "E2", "F", 20),
        report(3, "B", "H", 0, "E1"),
        report(4, "B", "H", 0, "E2"),
    ],
    "one ExecID on two days": [FILL, report(2, "E1", "F", 10, **TODAY)],
    "one ExecID on two days, busted": [
        FILL,
        report(2, "E1", "F", 15, **TODAY),
        report(3, "B", "H", 0, "E1", time=at(9, 4)),
    ],
    "one ExecID on two days, corrected": [
        FILL,
        report(2, "E1", "F", 15, **TODAY),
        report(3, "E2", "G", 16, "E1", time=at(9, 4)),
    ],
    "one ExecID on two TradeDates": [
        *(report(n, "E1", "F", 10, more=f"{ORDER}|75=2025030{n}") for n in (3, 4))
    ],
    "one ExecID of two orders": [FILL, report(2, "E1", "F", 11, **OTHER)],
    "one ExecID of two orders, busted": [
        FILL,
        report(2, "E1", "F", 11, **OTHER),
        report(3, "B", "H", 0, "E1", **OTHER),
    ],
    "one ExecID with two quantities": [FILL, report(2, "E1", "F", 15)],
    "no ExecID": [report(1, None, "F", 10), report(2, None, "F", 10)],
    "no ExecID, sent again": [report(1, None, "F", 10), again(1, None, "F", 10)],
    "ExecID NONE": [
        report(1, "NONE", "F", 10),
        report(2, "NONE", "F", 10),
        report(3, "none", "H", 0),
    ],
    "a bust of ExecID 0": [report(1, "0", "F", 10), report(2, "B", "H", 0, "0")],
    "a bust without ExecID": [FILL, report(2, None, "H", 0, "E1")],
    "a correction without ExecID": [
        FILL,
        report(2, None, "G", 12, "E1"),
        report(3, None, "G", 13, "E1"),
    ],
    "PossDup": [FILL, again(1, "E1", "F", 10)],
    "PossDup alone": [again(1, "E1", "F", 10)],
    "PossDup after a bust": [FILL, BUST, again(1, "E1", "F", 10)],
    "PossDup of a bust": [FILL, BUST, again(2, "B", "H", 0, "E1", second=2)],
    "PossDup of a correction": [
        FILL,
        CORRECTED,
        report(3, "E3", "G", 30, "E1"),
        again(2, "E2", "G", 20, "E1", second=2),
    ],
    "PossDup on the next day": [FILL, report(1, "E1", "F", 10, head="43=Y", **TODAY)],
    "PossResend": [FILL, report(5, "E1", "F", 10, **RESENT)],
    "PossResend of a correction": [
        FILL,
        CORRECTED,
        report(3, "E3", "G", 30, "E1"),
        report(9, "E2", "G", 20, "E1", **RESENT),
    ],
    "the logs of both sides": [FILL, FILL],
    "a bust of FIX 4.0": [
        OLD,
        report(2, "B", "20=1|39=1", 0, "E1"),
        report(3, "E3", "20=0|39=2", 20),
    ],
    "a correction and a status of FIX 4.0": [
        OLD,
        report(2, "E2", "20=2|39=1", 15, "E1"),
        report(3, "S", "20=3|39=1", 15),
    ],
    "ExecTransType 1 with ExecType F": [FILL, report(2, "B", "F|20=1", 10, "E1")],
    "a guarantee of an execution": [
        report(n, f"E{n}", "20=0|150=1|39=7", 10, more=f"{ORDER}|14={cum}")
        for n, cum in ((1, 0), (2, 10))
    ],
    **{
        f"OrdStatus {one} of FIX 4.0 with {text}": [OLD_OF_TEN, second]
        for one in STATUSES
        for text, second in (
            ("the same CumQty", report(2, "E2", f"20=0|39={one}", 10, more=f"{ORDER}|14=10")),
            ("another CumQty", report(2, "E2", f"20=0|39={one}", 10, more=f"{ORDER}|14=20")),
            ("a CumQty below", report(2, "E2", f"20=0|39={one}", 30, more=f"{ORDER}|14=10")),
        )
    },
    **{
        f"OrdStatus {one} of FIX 4.0": [OLD, report(2, "E2", f"20=0|39={one}", 10)]
        for one in STATUSES
    },
}

DIFFERENT = {
    "a correction that leaves out LastQty": (
        [FILL, report(2, "E2", "G", None, "E1")],
        [("E2", None, 11)],
        [("E2", 10, 11)],
    ),
    "a bust with the ids of another order": (
        [FILL, report(2, "B", "H", 0, "E1", **OTHER)],
        [],
        [("E1", 10, 10)],
    ),
    "two OrderIDs of one order": (
        [FILL, report(2, "E1", "F", 10, more="11=C1|37=O2")],
        [("E1", 10, 10), ("E1", 10, 10)],
        [("E1", 10, 10)],
    ),
    "two SubIDs of one order": (
        [report(1, "E1", "F", 10, head="57=tom"), report(2, "E1", "F", 10, head="57=liz")],
        [("E1", 10, 10), ("E1", 10, 10)],
        [("E1", 10, 10)],
    ),
    "no ExecID, with PossResend": (
        [report(1, None, "F", 10), report(3, None, "F", 10, **RESENT)],
        [(None, 10, 10), (None, 10, 10)],
        [(None, 10, 10)],
    ),
    "a copy with another quantity": (
        [FILL, CORRECTED, again(2, "E2", "G", 25, "E1", second=2)],
        [("E2", 25, 10)],
        [("E2", 20, 10)],
    ),
}
"""What the view has, and what the table has."""


def both(uri, logs):
    """Return the fills of the view and of the table, by the number of the log."""
    lines = []
    for number, one in enumerate(logs):
        ends = f"35=8|49=BROKER{number}|56=ME|"
        lines += [message.replace("35=8|", ends, 1) for message in one]
    with contextlib.closing(open_store(uri)) as store:
        store.prepare()
        source = Source("file:1", "file", "1.log")
        known = store.register([source], rules="r")[source.key]
        batch = parse_block(Block(source.key, 0, log(*lines)))
        store.write([(known.source_id, batch)], rules="r", replace=False)
        derive(store)
        columns = "m.sender_comp_id, f.exec_id, f.last_qty, f.last_px"
        on = "from {} f join messages m on m.message_id = f.message_id"
        found = []
        for table in (on.format("fills"), on.format("executions") + " where f.stands"):
            of_log = [[] for _ in logs]
            for sender, *fill in store.query(f"select {columns} {table}"):
                of_log[int(sender.removeprefix("BROKER"))].append(tuple(fill))
            found.append([sorted(one, key=str) for one in of_log])
    return found


def test_the_view_and_the_table_have_the_same_fills(database):
    view, table = both(database, EQUAL.values())
    assert dict(zip(EQUAL, table, strict=True)) == dict(zip(EQUAL, view, strict=True))
    assert sum(map(len, view)) > len(EQUAL) / 2


def test_the_view_and_the_table_differ_where_an_order_is_known_by_more_than_its_order_id(database):
    view, table = both(database, [one for one, _, _ in DIFFERENT.values()])
    assert view == [one for _, one, _ in DIFFERENT.values()]
    assert table == [one for _, _, one in DIFFERENT.values()]


def test_a_fill_that_is_busted_or_corrected_when_it_is_not_there_counts_once(database):
    names = ("two corrections of one unknown", "a correction and a bust of one unknown")
    _, table = both(database, [EQUAL[name] for name in names])
    assert table == [[("E3", 30, 10)], []]


def test_a_guarantee_of_an_execution_is_no_fill(database):
    view, table = both(database, [EQUAL["a guarantee of an execution"]])
    assert view == table == [[("E2", 10, 10)]]


def test_a_report_of_fix_4_0_that_repeats_a_fill_while_a_request_is_pending_is_none(database):
    statuses = [("6", "14=10"), ("7", "14=10"), ("E", "14=10"), ("6", "14=20"), ("6", "14=0")]
    logs = [
        [OLD_OF_TEN, report(2, "E2", f"20=0|39={status}", 10, more=f"{ORDER}|{cum_qty}")]
        for status, cum_qty in statuses
    ]
    view, table = both(database, logs)
    assert [len(one) for one in view] == [len(one) for one in table] == [1, 1, 1, 2, 2]
