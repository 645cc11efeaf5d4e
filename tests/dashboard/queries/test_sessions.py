"""Sessions as pages show them: days, gaps, minutes."""

import datetime
from collections import Counter

import pytest

from fixfeed.dashboard.queries import overview, sessions
from fixfeed.dashboard.queries.sessions import Gap, gaps_in
from fixfeed.dashboard.scope import read_scope
from fixfeed.dashboard.view import View
from tests.dashboard.queries.plans import plans_of

RETAIL = "FIX.4.4:RETAIL->BROKER"
DAY = datetime.date(2025, 1, 2)


@pytest.fixture
def view(day):
    return overview.last_day(day, View())


def stretch(first, last, began, missing=0, on=DAY, at=9):
    time = datetime.datetime(2025, 1, 2, at, tzinfo=datetime.UTC)
    return {"session": "S", "appl_id": None, "day": on, "first_number": first, "last_number": last,
            "began": began, "missing": missing, "first_time": time}  # fmt: skip


def test_a_gap_is_what_never_came_and_what_came_late_says_how():
    time = datetime.datetime(2025, 1, 2, 9, tzinfo=datetime.UTC)
    rows = [
        stretch(1, 10, "logon"),
        stretch(11, 12, "resent"),
        stretch(13, 15, "gap_fill"),
        stretch(18, 20, "gap", missing=2),
        stretch(25, 30, "continued", on=datetime.date(2025, 1, 3)),
    ]
    assert list(gaps_in(rows)) == [
        Gap("S", DAY, 11, 12, "resent", time),
        Gap("S", DAY, 13, 15, "gap fill", time),
        Gap("S", DAY, 16, 17, "never came", time),
        Gap("S", datetime.date(2025, 1, 3), 21, 24, "never came", time),
    ]


def test_days_have_what_sequences_say_of_them(day, view):
    found = sessions.days(day, view)
    sequences = day.rows("select * from sequences")
    missing = Counter()
    for row in sequences:
        missing[row["session_day"]] += row["missing"]
    assert len(found) == len(day.rows("select session_day from session_days"))
    assert {row["session_day"]: row["missing"] for row in found} == {
        row["session_day"]: missing[row["session_day"]] for row in found
    }
    (one,) = sessions.days(day, View(sessions=(RETAIL,)))
    own = [row for row in sequences if row["session"] == RETAIL]
    assert (one["first_number"], one["last_number"]) == (
        min(row["first_number"] for row in own),
        max(row["last_number"] for row in own),
    )


def test_missing_numbers_of_gaps_are_those_of_sequences(day, view):
    gaps = sessions.gaps(day, view)
    never = sum(gap.numbers for gap in gaps if gap.what == "never came")
    (sums,) = day.rows("select sum(missing) as missing from sequences where began <> 'continued'")
    assert gaps
    assert never == sums["missing"]


def test_minutes_add_up_to_the_day(day, view):
    one = View(sessions=(RETAIL,), begin=view.begin, end=view.end)
    rows = sessions.minutes(day, one)
    assert sum(row["messages"] for row in rows) == sessions.days(day, one)[0]["messages"]
    assert sessions.minutes(day, view) == []


def test_a_reader_sees_its_sessions_alone(day, view):
    own = View(scope=read_scope(["RETAIL->*"]))
    assert {row["session"] for row in sessions.days(day, own)} == {RETAIL}
    assert {gap.session for gap in sessions.gaps(day, own)} <= {RETAIL}


def test_minutes_of_a_session_are_read_from_their_index(day, view):
    with plans_of(day) as plans:
        sessions.minutes(day, View(sessions=(RETAIL,), begin=view.begin, end=view.end))
    assert "session_minutes_session_day" in plans[-1]
