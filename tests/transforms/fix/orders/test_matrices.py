"""Orders go through the states of FIX's Order State Change Matrices, step by step."""

import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from fixfeed.transforms.fix.orders.derived import derive
from tests.transforms.fix.messages import encode
from tests.transforms.fix.orders.stored import messages

TEXT = (Path(__file__).parent / "matrices.txt").read_text()


class Line(NamedTuple):
    message: bytes
    expected: dict | None
    aside: bool


def matrices():
    """Yield the name of each matrix, and its lines."""
    name, lines = None, []
    for line in TEXT.splitlines():
        if re.match(r"[A-Z]\.\d", line):
            if name:
                yield name, lines
            name, lines = line, []
        elif not line.startswith("#"):
            lines.append(line)
    yield name, lines


def parsed(lines, version):
    """Return the lines of a matrix as messages of a version of FIX."""
    day, found, in_42 = 3, [], version == "FIX.4.2"
    for number, line in enumerate(lines, 1):
        if line == "day":
            day += 1
            continue
        aside = line.startswith("*")
        kind, ids, *rest = line.lstrip("*").split()
        cl_ord_id, _, original = ids.partition(",")
        ends = (b"ANN", b"BRK") if kind in "DFGH" else (b"BRK", b"ANN")
        fields = [(35, kind), (34, number), (49, ends[0]), (56, ends[1])]
        fields += [(52, f"202503{day:02}-09:00:{number:02}"), (11, cl_ord_id)]
        fields += [(41, original)] if original else []
        expected = None
        if kind in "DFG":
            fields += [(38, rest[0])]
        elif kind == "H":
            fields += [(37, "O")]
        elif kind == "9":
            fields += [(37, "O"), (39, rest[0]), (102, 3)]
            expected = {"ord_status": rest[0]}
        else:
            fields += [(37, "O"), *report(rest, number, in_42=in_42)]
            names = ("ord_status", "order_qty", "cum_qty", "leaves_qty")
            expected = dict(zip(names, (rest[1], *map(Decimal, rest[2:5])), strict=True))
            if in_42 and rest[:2] == ["5", "0"]:
                expected["ord_status"] = "5"
            if rest[7:] and rest[3] != "0":
                expected["avg_px"] = Decimal(rest[7])
        values = [(tag, v if isinstance(v, bytes) else str(v).encode()) for tag, v in fields]
        found.append(Line(encode(values, version) + b"\n", expected, aside))
    return found


def report(rest, number, *, in_42):
    exec_type, status, ordered, cum, leaves, last, *more = rest
    last_px, _, ids = more or ("10", "10", f"E{number}")
    exec_id, _, reference = ids.rstrip(")").partition("(")
    fields = [(17, exec_id)] + ([(19, reference)] if reference else [])
    if in_42:
        fields += [(20, {"H": 1, "G": 2, "I": 3}.get(exec_type, 0))]
        status = "5" if (exec_type, status) == ("5", "0") else status
        if exec_type == "I":
            exec_type = status
        elif exec_type in "FGH7":
            exec_type = "2" if cum == ordered else "1"
    fields += [(150, exec_type), (39, status), (38, ordered), (14, cum), (151, leaves)]
    return [*fields, (32, last), (31, last_px)]


def state(lines):
    (order,) = derive(messages(b"".join(line.message for line in lines)))["orders"].to_pylist()
    return order


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
@pytest.mark.parametrize(
    ("name", "lines"), list(matrices()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_each_step_leads_to_the_state_that_the_matrix_has(name, lines, version):
    path = []
    for line in parsed(lines, version):
        path.append(line)
        order = state(path)
        if line.expected:
            assert {key: order[key] for key in line.expected} == line.expected, (name, len(path))
        assert order["problems"] is None, (name, len(path))
        if line.aside:
            path.pop()


def one(*rows):
    return messages(b"".join(encode(fields, "FIX.4.4") + b"\n" for fields in rows))


def sent(number, client, *fields):
    ends = (b"ANN", b"BRK") if client else (b"BRK", b"ANN")
    head = [(34, b"%d" % number), (49, ends[0]), (56, ends[1])]
    kind, *rest = fields
    return [(35, kind), *head, (52, b"20250303-09:00:%02d" % number), *rest]


def test_a_cancel_request_for_an_unknown_order_is_no_rejected_order():
    """B.1.f"""
    request = sent(1, True, b"F", (11, b"Y"), (41, b"X"), (38, b"10000"))
    refusal = sent(2, False, b"9", (37, b"NONE"), (11, b"Y"), (41, b"X"), (39, b"8"), (102, b"1"))
    (order,) = derive(one(request, refusal))["orders"].to_pylist()
    names = ("first_cl_ord_id", "order_id", "ord_status", "reject_reason", "has_beginning")
    assert [order[name] for name in names] == ["X", None, None, "1", False]


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_telephoned_order_is_known_by_its_reports_alone(version):
    """E.1.a, D18: there is no new order, and no ClOrdID."""
    steps = [("0", "0", 0, 0, 0), ("F", "1", 2000, 8000, 2000), ("F", "1", 3000, 7000, 1000),
             ("F", "2", 10000, 0, 7000)]  # fmt: skip
    rows, told = [], []
    for number, (exec_type, status, cum, leaves, last) in enumerate(steps, 1):
        figures = (exec_type, status, "10000", str(cum), str(leaves), str(last))
        fields = report(figures, number, in_42=version == "FIX.4.2")
        head = [(35, "8"), (34, number), (49, "BRK"), (56, "ANN")]
        head += [(52, f"20250303-09:00:{number:02}"), (37, "O")]
        values = [(tag, str(value).encode()) for tag, value in (*head, *fields)]
        rows.append(encode(values, version) + b"\n")
        (order,) = derive(messages(b"".join(rows)))["orders"].to_pylist()
        told.append((order["ord_status"], order["cum_qty"], order["order_qty"]))
    assert told == [(status, cum, 10000) for _, status, cum, _, _ in steps]
    assert (order["order_id"], order["first_cl_ord_id"], order["has_beginning"]) == (
        "O", None, False,
    )  # fmt: skip
    assert (order["fills"], order["leaves_qty"], order["problems"]) == (3, 0, None)


def test_an_order_sent_again_is_a_copy_and_a_second_one_under_its_id_is_told():
    """F.1.b"""
    state = [(37, b"O"), (38, b"10000"), (14, b"0"), (151, b"10000"), (39, b"0"), (11, b"X")]
    rows = [
        sent(1, True, b"D", (11, b"X"), (38, b"10000")),
        sent(2, False, b"8", (17, b"1"), (150, b"0"), *state),
        sent(3, True, b"D", (97, b"Y"), (11, b"X"), (38, b"10000")),
        sent(4, False, b"8", (17, b"2"), (150, b"I"), *state),
        sent(5, True, b"D", (11, b"X"), (38, b"20000")),
        sent(6, False, b"8", (17, b"3"), (150, b"8"), (103, b"6"), *state),
        sent(7, True, b"D", (97, b"Y"), (11, b"Y"), (38, b"15000")),
    ]
    found = {row["first_cl_ord_id"]: row for row in derive(one(*rows))["orders"].to_pylist()}
    names = ("order_qty", "ord_status", "messages", "copies", "rejects", "problems")
    assert [found["X"][name] for name in names] == [10000, "0", 5, 1, 1, "duplicate_cl_ord_id"]
    assert [found["Y"][name] for name in names] == [15000, None, 1, 0, 0, None]


def test_corrections_of_corrections_count_once_where_the_first_report_is_not_there():
    def corrected(number, exec_id, reference, quantity):
        state = [(37, b"O"), (11, b"X"), (150, b"G"), (39, b"1"), (38, b"10000")]
        changed = [(17, exec_id), (19, reference), (32, quantity), (31, b"10"), (14, quantity)]
        return sent(number, False, b"8", *state, *changed)

    rows = [corrected(3, b"E3", b"E2", b"300"), corrected(2, b"E2", b"E1", b"200")]
    for order in (rows, rows[::-1]):
        found = derive(one(*order))
        assert [(row["exec_id"], row["stands"]) for row in found["executions"].to_pylist()] == [
            ("E2", False),
            ("E3", True),
        ]
        assert found["orders"]["cum_qty"].to_pylist() == [300]
