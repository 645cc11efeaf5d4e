"""An order as swim lanes: its messages where they were, with the time between."""

import re

from fixfeed.dashboard.markup.order import fills_of, lanes_of
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries.orders import find, order
from tests.dashboard.sample_day import store
from tests.transforms.fix.messages import encode


def _name(_row, _field, _value):
    return ""


def report(number, time, exec_id, quantity, done, *again):
    head = [(35, b"8"), (49, b"B"), (56, b"A"), (34, number), *again, (52, b"20250102-" + time)]
    ids = [(11, b"c"), (37, b"o"), (17, exec_id), (150, b"F"), (39, b"1"), (14, done)]
    return encode([*head, *ids, (32, quantity), (31, b"5"), (55, b"X"), (54, b"1")])


def test_a_fill_that_was_sent_again_is_where_it_was_first_sent(tmp_path):
    new = [(35, b"D"), (49, b"A"), (56, b"B"), (34, b"1"), (52, b"20250102-09:05:01")]
    again = [(43, b"Y"), (122, b"20250102-09:05:02.500")]
    log = [
        encode([*new, (11, b"c"), (55, b"X"), (54, b"1"), (38, b"100")]),
        report(b"2", b"09:05:03", b"E2", b"60", b"100"),
        report(b"1", b"09:05:04", b"E1", b"40", b"40", *again),
    ]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "day.log").write_bytes(b"\n".join(log) + b"\n")
    database = open_database(store(tmp_path / "logs", f"sqlite:///{tmp_path}/fixfeed.db"))
    (key,) = find(database, "c")
    found = order(database, key)
    database.close()
    text = re.sub(r"<[^>]*>", " ", lanes_of(found["order"], found["messages"], _name))
    assert re.findall(r"09:05:\d\d\.\d+|[+-][\d.]+ m?s", text) == [
        *("09:05:01.000", "09:05:02.500", "+1.5 s", "09:05:04.000"),
        *("09:05:03.000", "+500 ms"),
    ]
    assert "sent again 09:05:04.000" in " ".join(text.split())
    assert re.findall(r"E\d", fills_of(found["executions"])) == ["E1", "E2"]
