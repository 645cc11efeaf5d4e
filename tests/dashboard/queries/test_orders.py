"""Orders as pages list them, against the table read whole."""

import re

import pytest

from fixfeed.dashboard.queries import orders
from fixfeed.dashboard.scope import read_scope
from fixfeed.dashboard.view import View
from tests.dashboard.queries.plans import plans_of

EVERYTHING = View()


@pytest.fixture
def all_orders(day):
    rows = day.rows("select * from orders")
    return sorted(rows, key=lambda row: (row["first_message_at"], row["order_key"]), reverse=True)


def keys(rows):
    return [row["order_key"] for row in rows]


def test_pages_have_all_orders_once_the_newest_first(day, all_orders):
    found, cursor = [], None
    while True:
        page = orders.page(day, EVERYTHING, cursor=cursor, limit=150)
        found += page.rows
        cursor = page.older
        if cursor is None:
            break
    assert keys(found) == keys(all_orders)


@pytest.mark.parametrize("looked_at", [5_000, 7])
def test_a_page_with_filters_has_what_the_filters_choose(day, all_orders, looked_at, monkeypatch):
    monkeypatch.setattr(orders, "_LOOKED_AT", looked_at)
    view = View(sessions=("FIX.4.4:BROKER->RETAIL",))
    found, cursor = [], None
    while True:
        page = orders.page(day, view, status=["8", "4"], symbol="AAPL", cursor=cursor, limit=2)
        found += page.rows
        cursor = page.older
        if cursor is None:
            break
    wanted = [
        row
        for row in all_orders
        if row["session_pair"] == "BROKER<->RETAIL"
        and row["ord_status"] in ("8", "4")
        and row["symbol"] == "AAPL"
    ]
    assert wanted
    assert keys(found) == keys(wanted)


def test_a_page_that_runs_out_of_time_says_how_far_it_has_looked(day, all_orders, monkeypatch):
    monkeypatch.setattr(orders, "_LOOKED_AT", 10)
    page = orders.page(day, EVERYTHING, status="no status", seconds=0)
    assert (page.rows, page.searched_to) == ([], all_orders[9]["first_message_at"])


def test_times_of_a_view_are_those_in_which_orders_begin(day, all_orders):
    first, last = all_orders[60]["first_message_at"], all_orders[10]["first_message_at"]
    page = orders.page(day, View(begin=first, end=last), limit=1_000)
    assert keys(page.rows) == keys(
        row for row in all_orders if first <= row["first_message_at"] < last
    )


def test_an_order_is_found_by_each_of_its_ids(day):
    (one,) = day.rows(
        "select order_key, exec_id from executions where exec_id is not null"
        " order by exec_id, order_key limit 1"
    )
    whole = orders.order(day, one["order_key"])
    known = [row["id"] for row in whole["ids"]]
    for id in [*known, one["exec_id"], str(one["order_key"])]:
        assert one["order_key"] in keys(orders.page(day, EVERYTHING, id=id).rows)
    assert orders.page(day, EVERYTHING, id="no such id").rows == []


def test_an_order_has_its_messages_in_steps_with_their_places(day, all_orders):
    one = max(all_orders, key=lambda row: (row["messages"], row["order_key"]))
    whole = orders.order(day, one["order_key"])
    assert whole["order"] == one
    steps = day.rows(
        "select * from order_messages where order_key = ? order by step, copied, message_id",
        one["order_key"],
    )
    assert [(row["message_id"], row["step"], row["copied"]) for row in whole["messages"]] == [
        (row["message_id"], row["step"], row["copied"]) for row in steps
    ]
    for row in whole["messages"]:
        assert row["source_id"] * 2**40 + row["position"] == row["message_id"]
        assert row["source"].endswith((".log", ".gz", ".zst"))
    fills = [row for row in whole["executions"] if row["stands"]]
    assert sum(row["last_qty"] for row in fills) == one["cum_qty"]
    (first, *_) = whole["messages"]
    assert one["order_key"] in orders.of_message(day, first["message_id"])


def test_a_reader_sees_the_orders_of_sessions_whose_both_directions_it_may_see(day, all_orders):
    scope = read_scope(["RETAIL<->BROKER"])
    page = orders.page(day, View(scope=scope), limit=10_000)
    assert keys(page.rows) == keys(
        row for row in all_orders if row["session_pair"] == "BROKER<->RETAIL"
    )
    other = next(row for row in all_orders if row["session_pair"] != "BROKER<->RETAIL")
    assert orders.order(day, other["order_key"], scope=scope) is None
    assert orders.page(day, View(scope=scope), id=str(other["order_key"])).rows == []
    assert orders.page(day, View(scope=read_scope(["BROKER->*"]))).rows == []


def test_executions_are_those_of_the_orders_of_a_page(day):
    found, cursor = [], None
    while True:
        page = orders.executions(day, EVERYTHING, cursor=cursor, limit=100)
        found += page.rows
        cursor = page.older
        if cursor is None:
            break
    wanted = day.rows("select message_id from executions")
    assert sorted(row["message_id"] for row in found) == sorted(row["message_id"] for row in wanted)


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "orders_first_message_at"),
        ({"status": "8"}, "orders_first_message_at"),
        ({"symbol": "AAPL"}, "orders_symbol_first_message_at"),
        ({"symbol": "AAPL", "status": "8"}, "orders_symbol_first_message_at"),
    ],
)
def test_a_page_is_read_along_an_index(day, asked, index):
    first = orders.page(day, EVERYTHING, limit=3)
    with plans_of(day) as plans:
        orders.page(day, EVERYTHING, cursor=first.older, limit=3, **asked)
    assert plans
    for plan in plans:
        assert index in plan
        assert "SCAN orders\n" not in plan + "\n"
        assert "TEMP B-TREE" not in plan


def test_one_order_is_read_by_keys(day, all_orders):
    with plans_of(day) as plans:
        orders.find(day, "CRET-000001")
        orders.order(day, all_orders[0]["order_key"])
    for plan in plans:
        assert not re.search(r"SCAN (?!json_each)", plan)  # SQLite: a whole table
        assert "Seq Scan on messages" not in plan
        assert "Seq Scan on order" not in plan
