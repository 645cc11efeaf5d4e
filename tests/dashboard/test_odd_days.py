"""What counterparties may send breaks no page and shows nobody more than the token allows."""

import dataclasses
import datetime
import subprocess
import sys
from contextlib import closing

import pytest

from fixfeed.dashboard.api.tokens import Reader, new_token
from fixfeed.dashboard.charts.axes import in_bars
from fixfeed.dashboard.moments import LAST, before
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import messages, overview, sessions
from fixfeed.dashboard.scope import read_scope
from fixfeed.dashboard.view import View
from tests.dashboard.test_api import client, pages
from tests.transforms.fix.messages import encode

LAST_TIME = b"99991231-23:59:59.999999"


def sent(sender, target, number, kind, *fields, time=b"20250102-09:00:00"):
    head = [(35, kind), (49, sender), (56, target), (34, b"%d" % number), (52, time)]
    return encode([*head, *fields]) + b"\n"


FILL = [(17, b"E1"), (150, b"F"), (39, b"1"), (32, b"5"), (31, b"10"), (14, b"5")]
LOG = [
    sent(b"C1", b"BK", 1, b"D", (11, b"one"), (1, b"SECRET"), (55, b"SYM"), (38, b"9")),
    sent(b"BK", b"C1", 1, b"8", (37, b"O1"), (11, b"one"), *FILL),
    sent(b"BK", b"DC", 1, b"8", (37, b"O1"), *FILL),
    sent(b"BK", b"DC", 2, b"8", (37, b"O1"), (17, b"E2"), *FILL[1:]),
    sent(b"BROKER", b"X", 1, b"0"),
    sent(b"[B]ROKER", b"X", 1, b"0"),
    sent(b"*", b"X", 1, b"0"),
    sent(b"TI", b"ME", 1, b"0", time=LAST_TIME),
    sent(b"TI", b"ME", 2, b"0", time=b"00010101-00:00:00"),
]


@pytest.fixture
def odd(database, tmp_path):
    """The database with LOG, opened to be read."""
    (tmp_path / "odd.log").write_bytes(b"".join(LOG))
    words = ["--input", "odd.log", "--output", database, "--drop-copy", "BK->DC", "--quiet"]
    subprocess.run([sys.executable, "-m", "fixfeed", *words], cwd=tmp_path, check=True)
    with closing(open_database(database)) as read:
        yield read


def seen(database, *patterns):
    """Who asks with a token for sessions of these patterns."""
    token, digest = new_token()
    readers = {digest: Reader("any", read_scope(list(patterns)))}
    api = client(database, readers=readers, per_minute=100_000)
    api.headers["Authorization"] = f"Bearer {token}"
    return api


def test_days_at_the_end_of_time_are_shown(odd):
    api = client(odd, per_minute=100_000)
    paths = ("/minutes", "/minutes?step=day", "/messages", "/sessions", "/silences", "/latency")
    for path in (*paths, "/latency/symbols", "/latency/slowest"):
        assert api.get(path).status_code == 200, path
    assert len(pages(api, "/messages", "messages")) == len(LOG)
    view = View(begin=datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC), end=LAST)
    assert overview.counts(odd, view)["messages"] == 1
    own = dataclasses.replace(view, sessions=("FIX.4.4:TI->ME",))
    assert len(sessions.presences(odd, own)) == 1
    for text in ("", "TargetCompID=ME", '"99991231"'):
        for types in ((), ("0",)):
            asked = dataclasses.replace(view, text=text, types=types)
            (row,) = messages.page(odd, asked).rows
            assert row["sending_time"].year == 9999
            all_days = dataclasses.replace(asked, begin=None, end=None)
            assert messages.page(odd, all_days).rows[0]["message_id"] == row["message_id"]
    first = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
    assert before(first, datetime.timedelta(days=1)) == first


def test_bars_of_the_first_and_the_last_day_are_in_time():
    first = datetime.datetime(1, 1, 1, 0, 30, tzinfo=datetime.UTC)
    for step in ("hour", "day"):
        rows = [{"time": first}, {"time": LAST.replace(microsecond=0)}]
        bars = in_bars(rows, step, 2)
        assert [len(own) for own in bars.values()] == [1, 1]
        assert min(bars) == first.replace(minute=0)


def test_the_last_day_is_that_of_the_newest_message_that_is_not_ahead_of_now(odd):
    view = overview.last_day(odd, View())
    assert (view.begin, overview.counts(odd, view)["messages"]) == (
        datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC),
        len(LOG) - 2,
    )
    later, count = overview.ahead(odd, View())
    assert count == 1
    (row,) = messages.page(odd, later).rows
    assert row["sending_time"].year == 9999
    # That of a session is the one of its own newest message, whatever others have sent since.
    old = client(odd).get("/minutes", params={"session": "FIX.4.4:TI->ME"}).json()["minutes"]
    assert {row["time"][:10] for row in old} == {"0001-01-01"}
    # Where there is nothing else, it is that day.
    own = View(scope=read_scope(["TI->ME"]))
    assert overview.last_day(odd, own).begin.year == 1
    days = {}
    for pattern in ("*", "BROKER->*", "TI->*", "NOBODY->*"):
        rows = seen(odd, pattern).get("/minutes").json()["minutes"]
        days[pattern] = {row["time"][:10] for row in rows}
    assert days == {
        "*": {"2025-01-02"}, "BROKER->*": {"2025-01-02"}, "TI->*": {"0001-01-01"},
        "NOBODY->*": set(),
    }  # fmt: skip


def test_around_a_message_a_comp_id_with_a_star_is_itself(odd):
    (row,) = odd.rows("select message_id from messages where sender_comp_id = '*'")
    for both in (False, True):
        (found,) = messages.around(odd, row["message_id"], both=both)
        assert found["session"] == "FIX.4.4:*->X"


def test_a_bracket_in_a_pattern_is_itself(odd):
    for name in ("BROKER", "[B]ROKER"):
        found = pages(seen(odd, f"{name}->*"), "/messages", "messages")
        assert [row["session"] for row in found] == [f"FIX.4.4:{name}->X"]
        asked = pages(client(odd), "/messages", "messages", session=f"FIX.4.4:{name}->?")
        assert [row["session"] for row in asked] == [f"FIX.4.4:{name}->X"]


def test_the_name_of_a_session_means_that_one_though_it_may_be_a_pattern(odd):
    def asked(session):
        return {
            row["session"] for row in pages(client(odd), "/messages", "messages", session=session)
        }

    assert asked("FIX.4.4:*->X") == {"FIX.4.4:*->X"}
    assert asked("*:*->X") == {f"FIX.4.4:{one}->X" for one in ("*", "BROKER", "[B]ROKER")}


def test_who_sees_drop_copies_alone_is_told_nothing_of_their_orders(odd):
    copies, client_side = seen(odd, "BK<->DC"), seen(odd, "C1<->BK")
    for path, name in (("/orders", "orders"), ("/executions", "executions")):
        assert pages(copies, path, name) == []
    assert len(pages(copies, "/messages", "messages")) == 2
    (order,) = pages(client_side, "/orders", "orders")
    assert order["account"] == "SECRET"
    executions = pages(client_side, "/executions", "executions")
    assert [row["exec_id"] for row in executions] == ["E1"]
    everything = pages(client(odd), "/executions", "executions")
    assert sorted(row["exec_id"] for row in everything) == ["E1", "E2"]


def test_answers_from_derived_tables_say_whether_all_messages_are_in_them(database, tmp_path):
    (tmp_path / "odd.log").write_bytes(b"".join(LOG))
    words = [sys.executable, "-m", "fixfeed", "--input", "odd.log", "--output", database]
    subprocess.run([*words, "--quiet", "--no-derive"], cwd=tmp_path, check=True)
    paths = ["/orders", "/executions", "/sessions", "/gaps", "/silences", "/anomalies"]
    paths += ["/latency", "/latency/symbols", "/latency/slowest"]
    with closing(open_database(database)) as read:
        assert {path: client(read).get(path).json()["complete"] for path in paths} == dict.fromkeys(
            paths, False
        )
    subprocess.run([sys.executable, "-m", "fixfeed", "derive", database], check=True)
    with closing(open_database(database)) as read:
        key = client(read).get("/orders").json()["orders"][0]["order_key"]
        paths.append(f"/orders/{key}")
        assert {path: client(read).get(path).json()["complete"] for path in paths} == dict.fromkeys(
            paths, True
        )
