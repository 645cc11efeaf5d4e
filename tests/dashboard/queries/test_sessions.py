"""Sessions as pages show them: days, gaps, minutes."""

import datetime
from collections import Counter
from contextlib import closing

import pytest

from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import overview, sessions
from fixfeed.dashboard.queries.sessions import Gap, gaps_in
from fixfeed.dashboard.scope import read_scope
from fixfeed.dashboard.view import View
from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.derived import derive
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.dashboard.queries.plans import plans_of

RETAIL = "FIX.4.4:RETAIL->BROKER"
DAY = datetime.date(2025, 1, 2)
MINUTE = datetime.timedelta(minutes=1)


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
        # What came again of the day before, and what goes on with its numbers.
        stretch(23, 24, "resent", on=datetime.date(2025, 1, 4)),
        stretch(31, 33, "continued", on=datetime.date(2025, 1, 4)),
        # Of several sessions that cannot be told.
        stretch(40, 50, "gap", missing=9) | {"session": None},
    ]
    assert list(gaps_in(rows)) == [
        Gap("S", DAY, 11, 12, "resent", time),
        Gap("S", DAY, 13, 15, "gap fill", time),
        Gap("S", DAY, 16, 17, "never came", time),
        Gap("S", datetime.date(2025, 1, 3), 21, 24, "never came", time),
        Gap("S", datetime.date(2025, 1, 4), 23, 24, "resent", time),
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
    (sums,) = day.rows(
        "select sum(missing) as missing from sequences"
        " where began <> 'continued' and session is not null"
    )
    assert gaps
    assert never == sums["missing"]


def test_numbers_of_gaps_that_messages_without_a_time_have_are_counted(day, view):
    stored = Counter()
    untimed = "coalesce(sending_time, captured_at) is null"
    rows = day.rows(f"select session, msg_seq_num from messages where {untimed}")
    with plans_of(day) as plans:
        gaps = sessions.gaps(day, view)
    for gap in gaps:
        own = {row["msg_seq_num"] for row in rows if row["session"] == gap.session}
        wanted = own & set(range(gap.first, gap.last + 1)) if gap.what == sessions.NEVER else ()
        assert gap.without_time == len(wanted)
        stored[bool(wanted)] += 1
    assert min(stored[True], stored[False]) > 0
    assert "messages_time" in plans[-1]


def test_a_session_is_there_from_minute_to_minute_until_one_has_nothing(day, view):
    minutes = day.rows(
        "select session, minute, messages from session_minutes where session is not null"
        " order by session, minute"
    )
    wanted = []
    for row in minutes:
        last = wanted[-1] if wanted else None
        if last and row["session"] == last["session"] and row["minute"] == last["last"] + MINUTE:
            last["last"], last["messages"] = row["minute"], last["messages"] + row["messages"]
        else:
            wanted.append({"session": row["session"], "first": row["minute"],
                           "last": row["minute"], "messages": row["messages"]})  # fmt: skip
    assert sessions.presences(day, view) == wanted
    noon = datetime.datetime(2025, 1, 2, 12, tzinfo=datetime.UTC)
    later = sessions.presences(day, View(sessions=(RETAIL,), begin=noon))
    assert min(row["first"] for row in later) >= noon
    assert {row["session"] for row in later} == {RETAIL}


def test_events_are_the_minutes_that_have_some(day, view):
    names = ", ".join(sessions.EVENTS)
    wanted = day.rows(
        f"select session, minute, {names} from session_minutes where session is not null"
    )
    wanted = [row for row in wanted if any(row[name] for name in sessions.EVENTS)]
    found = sessions.events(day, view)
    assert wanted
    assert sorted(map(str, found)) == sorted(map(str, wanted))
    assert [row["minute"] for row in found] == sorted(row["minute"] for row in found)


def test_a_session_is_logged_out_if_nothing_came_after_its_logout(day, view):
    last = {}
    for row in day.rows(
        "select session, msg_type, coalesce(sending_time, captured_at) as time from messages"
        " where coalesce(sending_time, captured_at) is not null and session is not null"
        " order by time, message_id"
    ):
        last[row["session"]] = row["msg_type"]
    ended = {session for session, msg_type in last.items() if msg_type == "5"}
    assert sessions.logged_out(day, view) == ended != set()


def test_a_session_that_went_on_after_its_logout_is_not_logged_out(tmp_path):
    def log(sender, *types):
        return "".join(
            f"8=FIX.4.4|9=1|35={kind}|49={sender}|56=Z|34={number}|52={time}|10=000|\n"
            for number, (kind, time) in enumerate(types, 1)
        )

    today, late, tomorrow = "20250102-09:00:00", "20250102-09:00:30", "20250103-09:00:00"
    uri = stored(
        tmp_path,
        log("A", ("A", today), ("5", late)),
        log("B", ("A", today), ("5", late), ("0", "20250102-09:00:31")),
        log("C", ("A", today), ("5", late), ("A", tomorrow)),
        log("D", ("A", today), ("0", late)),
    )
    with closing(open_database(uri)) as database:
        day = overview.last_day(database, View(sessions=("FIX.4.4:A->Z",)))
        found = [sessions.logged_out(database, view) for view in (View(), day)]
    assert found == [{"FIX.4.4:A->Z"}, {"FIX.4.4:A->Z"}]
    with closing(open_database(uri)) as database:
        both = View(begin=day.begin, end=day.end)
        assert sessions.logged_out(database, both) == {"FIX.4.4:A->Z", "FIX.4.4:C->Z"}


def test_a_reader_sees_its_sessions_alone(day, view):
    own = View(scope=read_scope(["RETAIL->*"]))
    assert {row["session"] for row in sessions.days(day, own)} == {RETAIL}
    assert {gap.session for gap in sessions.gaps(day, own)} <= {RETAIL}


def test_the_last_minutes_of_sessions_are_read_from_their_index(day, view):
    with plans_of(day) as plans:
        sessions.logged_out(day, view)
    (plan,) = plans
    assert "session_minutes_session_day" in plan
    assert "SCAN m " not in plan


def test_minutes_of_a_session_are_read_from_their_index(day, view):
    with plans_of(day) as plans:
        for query in (sessions.presences, sessions.events):
            query(day, View(sessions=(RETAIL,), begin=view.begin, end=view.end))
    assert len(plans) == 2
    for plan in plans:
        assert "session_minutes_session_day" in plan
        assert "SCAN m\n" not in f"{plan}\n"


def stored(folder, *logs):
    """Store logs in a database; return its URI."""
    uri = f"sqlite:///{folder}/sessions.db"
    with closing(open_store(uri)) as opened:
        opened.prepare()
        for name, log in enumerate(logs):
            source = Source(f"file:{name}", "file", str(name))
            number = opened.register([source], rules="r")[source.key].source_id
            batch = parse_block(Block(source.key, 0, log.encode(), b"|"))
            opened.write([(number, batch)], rules="r", replace=False)
        derive(opened)
    return uri


def silent(rows):
    return [
        (row["session"][8:], row["heart_bt_int"], row["seconds"], row["minutes"]) for row in rows
    ]


def test_regular_heartbeats_are_silences_of_heart_bt_int(tmp_path):
    times = [0, *range(30, 300, 30), 340, 345, 1000, 1030, 1060]
    types = ["A", *"0" * 9, "0", "5", "A", "0", "0"]
    log = "".join(
        f"8=FIX.4.4|9=1|35={kind}|49=A|56=B|34={number}|108=30|"
        f"52=20250102-{9 + at // 3600:02}:{at % 3600 // 60:02}:{at % 60:02}|10=000|\n"
        for number, (at, kind) in enumerate(zip(times, types, strict=True), 1)
    )
    other = log.replace("49=A", "49=C").replace("35=A", "35=0")
    uri = stored(tmp_path, log, other)
    with closing(open_database(uri)) as database:
        found = sessions.silences(database, View())
        begin = datetime.datetime(2025, 1, 2, 9, 4, tzinfo=datetime.UTC)
        later = sessions.silences(database, View(sessions=("FIX.4.4:A->B",), begin=begin))
    # 9:00 to 9:04 and 9:17, and 9:05:40 after 70 seconds; from Logout to Logon nobody waits.
    own = [("A->B", 30, 30, 6), ("A->B", 30, 70, 1)]
    assert silent(found) == [*own, ("C->B", None, 30, 6), ("C->B", None, 70, 1)]
    assert silent(later) == [("A->B", 30, 30, 2), ("A->B", 30, 70, 1)]


def test_silences_are_those_of_the_minutes(day, view):
    wanted, last = Counter(), {}
    for row in day.rows(
        "select m.*, d.heart_bt_int as agreed from session_minutes m join session_days d"
        " on d.session_day = m.session_day where m.session is not null order by minute"
    ):
        within = float(-1 if row["longest_silence"] is None else row["longest_silence"])
        before = last.get(row["session"])
        if before and not before["logged_out"] and not row["logged_on"]:
            within = max(within, (row["first_time"] - before["last_time"]).total_seconds())
        last[row["session"]] = row
        if within >= 0:
            wanted[row["session"], row["agreed"], round(within)] += 1
    found = sessions.silences(day, view)
    assert {(row["session"], row["heart_bt_int"]) for row in found} == {one[:2] for one in wanted}
    assert sum(row["minutes"] for row in found) == sum(wanted.values())
    same = sum(
        min(row["minutes"], wanted[row["session"], row["heart_bt_int"], row["seconds"]])
        for row in found
    )
    assert same > 0.99 * sum(wanted.values())  # halves of seconds are rounded either way


def test_silences_of_a_day_are_read_from_the_minutes_of_its_sessions(day, view):
    with plans_of(day) as plans:
        sessions.silences(day, view)
    (plan,) = plans
    assert "session_minutes_session_day" in plan
    assert "SCAN m\n" not in f"{plan}\n"
