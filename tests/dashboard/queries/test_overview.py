"""Counts by time, against the messages counted one by one."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from fixfeed.dashboard.queries import orders, overview
from fixfeed.dashboard.queries.conditions import step_of
from fixfeed.dashboard.view import View, known_kinds
from tests.dashboard.queries.plans import plans_of

RETAIL = "FIX.4.4:RETAIL->BROKER"


@pytest.fixture
def messages(day):
    return day.rows(
        "select session, msg_type, defects, coalesce(sending_time, captured_at) as time"
        " from messages"
    )


@pytest.fixture
def view(day):
    return overview.last_day(day, View())


def inside(view, messages):
    return [
        row
        for row in messages
        if row["time"] is not None
        and (view.begin is None or view.begin <= row["time"] < view.end)
        and (not view.sessions or row["session"] in view.sessions)
        and (not view.types or row["msg_type"] in view.types)
    ]


def test_the_last_day_is_that_of_the_newest_message(view, messages):
    newest = max(row["time"] for row in messages if row["time"])
    assert view.begin.date() == newest.date()
    assert (view.end - view.begin, view.begin.hour) == (timedelta(days=1), 0)


def test_counts_are_those_of_the_messages(day, view, messages):
    hour = replace(
        view, begin=view.begin + timedelta(hours=10), end=view.begin + timedelta(hours=11)
    )
    for one in (view, hour, replace(view, sessions=(RETAIL,), types=("D", "F"))):
        found = inside(one, messages)
        assert found
        assert overview.counts(day, one) == {
            "messages": len(found),
            "defective": sum(row["defects"] is not None for row in found),
            "rejects": sum(row["msg_type"] in ("3", "9", "j") for row in found),
        }


@pytest.mark.parametrize("step", ["minute", "ten minutes", "hour", "day"])
def test_messages_by_time_and_type(day, view, messages, step):
    length = {"minute": 60, "ten minutes": 600, "hour": 3600, "day": 86400}[step]
    counted = Counter(
        (row["time"].timestamp() // length * length, row["msg_type"])
        for row in inside(view, messages)
    )
    rows = overview.minutes(day, view, step)
    found = {(row["time"].timestamp(), row["msg_type"]): row["messages"] for row in rows}
    assert found == counted


def test_steps_of_a_chart_become_longer_with_its_time(view):
    def of(**length):
        return step_of(replace(view, end=view.begin + timedelta(**length)))

    lengths = [of(hours=3), of(days=2), of(days=3), of(days=365), step_of(View())]
    assert lengths == ["minute", "ten minutes", "hour", "day", "day"]


def test_sessions_types_and_symbols(day, view, messages):
    found = inside(view, messages)
    by_session = overview.by_session(day, view)
    assert {row["session"]: row["messages"] for row in by_session} == Counter(
        row["session"] for row in found
    )
    assert known_kinds(day) == sorted({row["msg_type"] for row in messages})
    own_orders = day.rows(
        "select symbol from orders where symbol is not null and drop_copy is not true"
    )
    symbols = overview.symbols(day, view, limit=100)
    assert {row["symbol"]: row["orders"] for row in symbols} == Counter(
        row["symbol"] for row in own_orders
    )


def refusals(day):
    """Return the orders with the Text of each message that refuses something, read one by one."""
    rows = day.rows(
        "select o.order_key, m.* from orders o join order_messages s on s.order_key = o.order_key"
        " join messages m on m.message_id = s.message_id"
        " where o.drop_copy is not true and s.copied is not true"
    )
    return {
        (row["order_key"], row["text"] or "")
        for row in rows
        if row["msg_type"] in ("9", "j")
        or (row["msg_type"] == "8" and (row["exec_type"] or row["ord_status"]) == "8")
    }


def test_orders_are_counted_by_the_text_of_what_refused_them_as_their_list_has_them(day, view):
    expected = refusals(day)
    refused = day.rows("select order_key from orders where rejects > 0 and drop_copy is not true")
    assert {key for key, _ in expected} == {row["order_key"] for row in refused}
    # Other texts came later, or this would be no test.
    last = day.rows("select order_key, text from orders")
    assert expected - {(row["order_key"], row["text"] or "") for row in last}

    rows = overview.rejects(day, view, 100)
    assert {row["text"]: row["orders"] for row in rows} == Counter(text for _, text in expected)
    for row in rows:
        listed = orders.page(day, view, refused=row["text"], limit=1000, seconds=60).rows
        assert {(one["order_key"], row["text"]) for one in listed} == {
            one for one in expected if one[1] == row["text"]
        }


def test_refusals_are_read_from_the_messages_of_their_orders(day, view):
    with plans_of(day) as plans:
        overview.rejects(day, view)
        orders.page(day, view, refused="Unknown symbol")
    keys = {
        "sqlite": ("SEARCH s USING PRIMARY KEY", "SEARCH m USING INTEGER PRIMARY KEY"),
        "postgresql": ("order_messages_pkey", "messages_pkey"),
    }
    read = [plan for plan in plans if " m " in plan]
    assert len(read) >= 2
    for plan in read:
        assert "orders_first_message_at" in plan
        for key in keys[day.dialect]:
            assert key in plan


def test_counts_are_read_from_the_index_by_minute(day, view):
    # Of an hour: where a day is all there is, PostgreSQL may take the other index as well.
    hour = replace(view, end=view.begin.replace(hour=10), begin=view.begin.replace(hour=9))
    with plans_of(day) as plans:
        overview.counts(day, hour)
        overview.minutes(day, hour)
        overview.newest_minute(day, View())
        overview.by_session(day, hour)
    assert len(plans) == 4
    for plan in plans:
        assert "minute_counts_minute" in plan


def test_orders_of_a_time_are_read_from_their_index(day, view):
    with plans_of(day) as plans:
        overview.symbols(day, view)
        overview.rejects(day, view)
    assert ["orders_first_message_at" in plan for plan in plans] == [True, True]


def test_messages_without_a_time_are_counted_apart(day, messages):
    without = [row for row in messages if row["time"] is None]
    assert overview.timeless(day, View()) == len(without)
    own = {row["session"] for row in without} - {None}
    for session in own:
        expected = sum(row["session"] == session for row in without)
        assert overview.timeless(day, View(sessions=(session,))) == expected
