"""Pages of messages have what a plain reading of all messages has, in its order."""

import datetime
import itertools
import random

import pytest

from fixfeed.dashboard.queries import messages
from fixfeed.dashboard.queries.cursor import CursorError
from fixfeed.dashboard.queries.known_minutes import known_minutes
from fixfeed.dashboard.scope import read_scope
from fixfeed.dashboard.search.search import SearchError
from fixfeed.dashboard.view import View
from fixfeed.io.ledger.keys import keys
from fixfeed.transforms.fix.rules.language import parse_rule
from tests.dashboard.stored_day import HOSTILE

SEARCHES = [
    "Symbol=AAPL",
    "Symbol = 'AAPL' or ClOrdID = C1",
    "-MsgType=0 -MsgType=8",
    "not (Side = 1 or OrderQty > 100)",
    "PartyID exists",
    "PartyID=A",
    "-PartyID=A",
    "PartyID != A",
    "PartyID in A, B.C, D+, _",
    "-PartyID in A, B.C, D+, _",
    "NoPartyIDs > 1",
    "OrderQty >= 100 OrderQty < 500.5",
    "OrderQty = 100",
    "-OrderQty = 100",
    "OrderQty != 100",
    "Price > -1.5 -Price < 10",
    "Price in 10.25, 12.5",
    "Price not in 10.25, 12.5",
    "Price missing",
    "price exists",
    "SendingTime >= 2025-01-02T09:00 SendingTime < 2025-01-10",
    "-SendingTime <= 2025-01-05T09:10:11.123456",
    "SendingTime missing",
    "TransactTime exists",
    "TradeDate > 2024-12-31",
    "PossDupFlag = Y",
    "-PossDupFlag = Y",
    "MsgSeqNum in 1, 2, 3.0, 99999999999999999999",
    "session like FIX.4.4:A->*",
    "session = 'FIX.4.4:A->B'",
    "ClOrdID like C?* -ClOrdID like '*[1*'",
    "Text like '*\\**'",
    "Text < b",
    "Text > Z Text <= z",
    "defects exists",
    "defects like *group* or masked exists",
    "raw like *35=D*",
    '"caf"',
    '"35=D" -"55="',
    '"no such text"',
    "Tag5001 exists",
    "Tag5001 = 1",
    "5001 > 0 or 9999 < A",
    "MDEntryPx > 5 MDEntryType in 0, 1",
    "direction missing captured_at exists",
    "begin_string = FIX.4.4",
]  # fmt: skip


def truth(batches):
    """Return all messages as (time, message_id, row), newest first, from what was parsed."""
    found = []
    for source, batch in batches.items():
        ids = keys(source, batch.messages["position"].to_numpy())
        for number, row in zip(ids.tolist(), batch.messages.to_pylist(), strict=True):
            found.append((row["sending_time"] or row["captured_at"], number, row))
    first = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)
    return sorted(found, key=lambda one: (one[0] or first, one[1]), reverse=True)


def meant(batches, text):
    """Return the ids of the messages that a rule keeps when they are stored."""
    rule = parse_rule(text)
    found = set()
    for source, batch in batches.items():
        mask = rule.mask(batch.messages)
        positions = batch.messages["position"].filter(mask)
        found.update(keys(source, positions.to_numpy()).tolist())
    return found


def walked(database, view, limit=70):
    """Return the ids of all pages, from the newest to the oldest."""
    cursor, found = None, []
    for _ in itertools.count():
        page = messages.page(database, view, cursor=cursor, limit=limit)
        assert page.older or page.searched_to is None
        assert len(page.rows) <= limit
        found += [row["message_id"] for row in page.rows]
        cursor = page.older
        if cursor is None:
            return found


def test_pages_have_all_messages_once_in_the_order_of_time(read, batches):
    expected = [number for _, number, _ in truth(batches)]
    assert walked(read, View()) == expected
    assert messages.count(read, View()) == len(expected)


@pytest.mark.parametrize("text", SEARCHES)
def test_a_search_finds_what_the_rule_keeps(text, read, batches):
    expected = meant(batches, text)
    found = walked(read, View(text))
    assert len(found) == len(set(found))
    assert set(found) == expected


INDEXED = ["Symbol=AAPL Side=1", "ClOrdID in A, C1, 1", "OrigClOrdID=1 or Side=1", "11=1 55=1"]


def test_an_indexed_value_is_found_in_a_column_in_a_group_and_where_a_tag_is_repeated(read):
    assert known_minutes(read, View("ClOrdID=LIST-1").search) is not None
    rows = messages.page(read, View("ClOrdID=LIST-1")).rows
    found = [(row["msg_type"], row["cl_ord_id"], row["time"].minute) for row in rows]
    assert found == [("D", "OTHER", 10), ("E", None, 5), ("D", "LIST-1", 0)]


@pytest.mark.parametrize("text", [*INDEXED, *(f"ClOrdID='{one}'" for one in ("A", 'x"y', "12.5"))])
def test_a_value_that_is_indexed_is_found_in_groups_too(text, read, batches, monkeypatch):
    expected = meant(batches, text)
    assert set(walked(read, View(text))) == expected
    known = known_minutes(read, View(text).search)
    assert (known is None) == (" or " in text)
    if known is not None:
        with monkeypatch.context() as patched:
            # Without the checks that a run says were made, it is looked for everywhere.
            patched.setattr(
                "fixfeed.dashboard.queries.known_minutes._read_plainly", lambda _: False
            )
            assert known_minutes(read, View(text).search) is None
            assert set(walked(read, View(text))) == expected


def test_searches_made_of_others_find_what_the_rule_keeps(read, batches):
    rng = random.Random(3)
    for _ in range(40):
        parts = [f"({one})" for one in rng.sample(SEARCHES, 3)]
        text = rng.choice([" ", " and ", " or ", " -", " or not "]).join(parts)
        assert set(walked(read, View(text))) == meant(batches, text), text


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_found_as_they_are_and_do_nothing(value, read, batches):
    quoted = "'" + value.replace("'", "''") + "'"
    for text in (f"ClOrdID = {quoted}", f"PartyID = {quoted}", f"Tag5001 = {quoted}", quoted):
        expected = meant(batches, text)
        assert expected
        assert set(walked(read, View(text))) == expected
    session = f"FIX.4.4:{value}->BROKER"
    found = {row["session"] for row in messages.page(read, View(sessions=(session,))).rows}
    assert found == {session}
    assert messages.page(read, View(sessions=(value,), types=(value,))).rows == []


def test_a_filter_of_sessions_types_and_times_finds_what_a_plain_reading_has(read, batches):
    rng = random.Random(9)
    rows = truth(batches)
    sessions = sorted({row["session"] for *_, row in rows if row["session"]})
    types = sorted({row["msg_type"] for *_, row in rows if row["msg_type"]})
    times = sorted(time for time, *_ in rows if time)
    for _ in range(60):
        view = View(
            text=rng.choice(["", "", "Side=1", "-Symbol exists"]),
            sessions=tuple(rng.sample(sessions, rng.choice([0, 1, 1, 3]))),
            types=tuple(rng.sample(types, rng.choice([0, 0, 1, 3]))),
            begin=rng.choice([None, *rng.sample(times, 2)]),
            end=rng.choice([None, *rng.sample(times, 2)]),
        )
        rule = meant(batches, view.text) if view.text else None
        expected = [
            number
            for time, number, row in rows
            if (not view.sessions or row["session"] in view.sessions)
            and (not view.types or row["msg_type"] in view.types)
            and (view.begin is None or (time is not None and time >= view.begin))
            and (view.end is None or (time is not None and time < view.end))
            and (rule is None or number in rule)
        ]
        assert walked(read, view, limit=30) == expected, view
        counted = messages.count(read, view)
        assert counted == (None if view.text else len(expected))


def test_a_time_of_a_view_may_be_in_any_zone_or_in_utc_without_one():
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30, seconds=20))
    at = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)
    assert View(begin=at.astimezone(zone)) == View(begin=at.replace(tzinfo=None)) == View(begin=at)


def test_newer_pages_are_those_that_were_left(read):
    for view in (View(), View("Side=1"), View(types=("8",)), View("-Symbol exists")):
        # Time enough for a machine that does other things.
        asked = {"limit": 25, "seconds": 60.0}
        pages = [messages.page(read, view, **asked)]
        while pages[-1].older:
            pages.append(messages.page(read, view, cursor=pages[-1].older, **asked))
        assert len(pages) > 2
        back = pages[-1]
        for page in reversed(pages[:-1]):
            assert back.newer
            back = messages.page(read, view, cursor=back.newer, **asked)
            assert back.rows == page.rows
        assert back.newer is None


def test_a_search_whose_time_is_up_says_how_far_it_has_got_and_goes_on_there(
    read, batches, monkeypatch
):
    monkeypatch.setattr("fixfeed.dashboard.queries.walk._PIECE", 20)
    monkeypatch.setattr("fixfeed.dashboard.queries.walk._CANDIDATES", 10)
    expected = meant(batches, "PartyID exists")
    cursor, found, stops = None, [], []
    while True:
        view = View("PartyID exists")
        page = messages.page(read, view, cursor=cursor, limit=1000, seconds=0)
        found += [row["message_id"] for row in page.rows]
        cursor = page.older
        if cursor is None:
            break
        stops.append(page.searched_to)
    assert len(stops) > 10
    known = [time for time in stops if time]
    assert known == sorted(known, reverse=True)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_message_has_all_its_columns_as_they_were_parsed(read, batches):
    for _, number, row in truth(batches)[::7]:
        found = messages.message(read, number)
        assert found["position"] == row["position"]
        assert found["source"].endswith(".log")
        if read.dialect == "sqlite":
            assert found["raw"] == row["raw"]
            assert found["text"] == row["text"]
        for name in ("session", "sending_time", "captured_at", "trade_date", "poss_dup_flag"):
            assert found[name] == row[name]
        for name in ("order_qty", "price"):
            near = None if row[name] is None else pytest.approx(float(row[name]))
            assert (found[name] and float(found[name])) == near or row[name] == 0
    assert messages.message(read, 1) is None
    assert messages.message(read, -(2**63)) is None


def test_around_a_message_is_what_its_session_sent_before_and_after_it(read, batches):
    rows = [one for one in reversed(truth(batches)) if one[2]["session"] == "FIX.4.4:A->EXCH"]
    timed = [one for one in rows if one[0]]
    middle = len(timed) // 2
    found = messages.around(read, timed[middle][1], each=5)
    expected = [number for _, number, _ in timed[middle - 5 : middle + 6]]
    assert [row["message_id"] for row in found] == expected


def test_a_reader_finds_only_the_sessions_of_its_scope(read, batches):
    scope = read_scope(["BROKER1->*"])
    rows = truth(batches)
    expected = [number for _, number, row in rows if "BROKER1->" in (row["session"] or "")]
    assert expected
    assert walked(read, View(scope=scope)) == expected
    assert messages.count(read, View(scope=scope)) == len(expected)
    assert walked(read, View(scope=scope, sessions=("FIX.4.4:A->EXCH",))) == []
    assert walked(read, View(scope=scope, sessions=("*",))) == expected
    assert walked(read, View("-Symbol=X or Symbol=X", scope=scope)) == expected
    for _, number, _row in rows:
        seen = number in expected
        assert (messages.message(read, number, scope=scope) is not None) == seen
        assert bool(messages.around(read, number, scope=scope, each=1)) == seen
    assert walked(read, View(scope=read_scope(["NOBODY->*"]))) == []
    assert messages.count(read, View(scope=read_scope(["NOBODY->*"]))) == 0


def test_a_comp_id_with_an_arrow_in_it_opens_nothing(read):
    # EVIL->BROKER sends to BROKER: that is not what EVIL has sent.
    found = messages.page(read, View(scope=read_scope(["EVIL->*"]))).rows
    assert found == []


@pytest.mark.parametrize("text", ["Symbl = A", '"', "Side >", "x" * 3000, "OrderQty = x", "\ud800"])
def test_a_search_that_cannot_be_read_is_an_error_before_anything_is_asked(text, read):
    with pytest.raises(SearchError):
        messages.page(read, View(text))


@pytest.mark.parametrize("text", ["abcd", "WzFd", "é", "W251bGwsMSwyXQ", "x" * 500])
def test_a_cursor_that_is_none_is_an_error(text, read):
    with pytest.raises(CursorError):
        messages.page(read, View(), cursor=text)
