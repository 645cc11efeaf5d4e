"""Every page, as Streamlit runs it, without a browser."""

import datetime
import re
import sqlite3
from contextlib import closing
from html import unescape
from urllib.parse import parse_qs

import pyarrow as pa
import pytest

from fixfeed.dashboard.filters import link
from fixfeed.dashboard.markup.text import duration, escaped, markdown
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import messages, overview, sessions
from fixfeed.dashboard.queries.latency_by_symbol import by_symbol
from fixfeed.dashboard.view import View
from tests.dashboard.sample_day import store

RETAIL = "FIX.4.4:RETAIL->BROKER"
PAGES = ("overview", "messages", "orders", "sessions", "latency", "quality")


@pytest.fixture(scope="module")
def database(sample_sqlite):
    reader = open_database(sample_sqlite)
    yield reader
    reader.close()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_an_error(page, opened, sample_sqlite):
    shown = opened(sample_sqlite, page)
    assert [one.value for one in (*shown.error, *shown.warning)] == []
    assert shown.text_input(key="q").value == ""


@pytest.mark.parametrize("page", PAGES)
def test_filters_that_choose_nothing_are_no_error(page, opened, sample_sqlite):
    shown = opened(sample_sqlite, page, session=RETAIL, from_="2031-01-01", to="2031-01-02")
    assert [one.value for one in (*shown.error, *shown.warning)] == []


def test_a_time_that_cannot_be_read_is_told(opened, sample_sqlite):
    (warning,) = opened(sample_sqlite, "messages", from_="yesterday").warning
    assert warning.value.startswith(markdown("'yesterday' is no time: write 09:30"))


def test_filters_that_no_message_can_meet_are_told(opened, sample_sqlite):
    shown = opened(
        sample_sqlite,
        "messages",
        session=["NOPE", "FIX.4.4:RETAIL->BROKR", RETAIL, "*->RETAIL"],
        type=["ZZZ", "OrderCancelRequest", "D"],
        from_="2025-01-02 17:00",
        to="2025-01-02 09:00",
    )
    assert [one.value.replace("\\", "") for one in shown.warning] == [
        "From (2025-01-02 17:00) is not before To (2025-01-02 09:00).",
        "There is no session NOPE here.",
        f"There is no session FIX.4.4:RETAIL->BROKR here; did you mean {RETAIL}?",
        "There is no message of type ZZZ here.",
        "There is no message of type OrderCancelRequest here; OrderCancelRequest is F.",
    ]


def test_the_overview_counts_what_is_stored(opened, html, sample_sqlite, database):
    (all_of,) = database.rows(
        "select count(*) as messages from messages where coalesce(sending_time, captured_at)"
        " is not null"
    )
    text = html(opened(sample_sqlite))
    assert f"<b>{all_of['messages']:,}</b>" in text
    (failed,) = database.rows("select count(*) as messages from failures")
    assert f"<b>{failed['messages']:,}</b>" in text
    assert (
        '<a href="sessions?session=FIX.4.4%3ARETAIL-%3EBROKER&amp;from=2025-01-02+00%3A00' in text
    )


def test_messages_are_those_of_the_filters(opened, sample_sqlite, database, monkeypatch):
    monkeypatch.setattr(messages, "SEARCHED", 60)  # seconds, for a machine that has little time
    shown = opened(sample_sqlite, "messages", q="Symbol=AAPL -Side=1", session=RETAIL, type="D")
    wanted = database.rows(
        "select cl_ord_id from messages where symbol = 'AAPL' and side <> '1' and msg_type = 'D'"
        " and session = ? order by sending_time desc, message_id desc",
        RETAIL,
    )
    (table,) = shown.dataframe
    assert list(table.value["ClOrdID"]) == [row["cl_ord_id"] for row in wanted]
    assert set(table.value["Type"]) == {"NewOrderSingle"}


def test_heartbeats_are_hidden_until_they_are_wanted(opened, sample_sqlite):
    shown = opened(sample_sqlite, "messages")
    (table,) = shown.dataframe
    assert "Heartbeat" not in set(table.value["Type"])
    shown.checkbox(key="admin").check().run()
    (table,) = shown.dataframe
    assert "Heartbeat" in set(table.value["Type"])


def test_older_and_newer_pages_follow_each_other(opened, sample_sqlite):
    shown = opened(sample_sqlite, "messages")
    first = list(shown.dataframe[0].value["Time (UTC)"])
    buttons = {one.label: one for one in shown.button}
    assert (buttons["Newer"].disabled, buttons["Older"].disabled) == (True, False)
    buttons["Older"].click().run()
    second = list(shown.dataframe[0].value["Time (UTC)"])
    assert first[-1] >= second[0]
    assert first != second
    next(one for one in shown.button if one.label == "Newer").click().run()
    assert list(shown.dataframe[0].value["Time (UTC)"]) == first


def test_another_filter_begins_at_its_first_page(opened, sample_sqlite):
    shown = opened(sample_sqlite, "messages")
    next(one for one in shown.button if one.label == "Older").click().run()
    assert "at" in shown.query_params
    shown.text_input(key="q").input("Symbol=AAPL").run()
    assert "at" not in shown.query_params
    assert {*shown.dataframe[0].value["Symbol"]} <= {"AAPL", ""}


def test_a_click_that_ends_what_was_written_into_a_filter_counts_as_well(
    opened, sample_sqlite, monkeypatch
):
    monkeypatch.setattr(messages, "SEARCHED", 60)  # seconds, for a machine that has little time
    shown = opened(sample_sqlite, "messages", q="Symbol=AAPL")
    last = list(shown.dataframe[0].value["Time (UTC)"])[-1]
    shown.text_input(key="q").input("")
    next(one for one in shown.button if one.label == "Older").click().run()
    assert shown.text_input(key="q").value == ""
    times = list(shown.dataframe[0].value["Time (UTC)"])
    assert len(times) == 100
    assert times[0] <= last
    assert len({*shown.dataframe[0].value["Symbol"]}) > 2
    shown = opened(sample_sqlite, "orders", from_="00:01")
    shown.text_input(key="from").input("")
    next(one for one in shown.button if one.label == "Older").click().run()
    assert "at" in shown.query_params


def test_a_search_that_cannot_be_read_is_told(opened, sample_sqlite):
    shown = opened(sample_sqlite, "messages", q="Symbool = AAPL")
    (error,), (place,) = shown.error, shown.code
    assert error.value == "cannot read the search at character 1\\:"
    assert place.value.splitlines()[:2] == ["    Symbool = AAPL", "    ^"]
    assert place.value.endswith("; the nearest is Symbol")


def test_a_message_opens_with_its_fields_and_defects(opened, html, sample_sqlite, database):
    (row, *_) = database.rows(
        "select message_id, cl_ord_id from messages where defects = 'check_sum' and msg_type = 'D'"
        " order by message_id"
    )
    shown = opened(sample_sqlite, "messages", message=str(row["message_id"]))
    text = html(shown)
    assert "NewOrderSingle" in text
    assert f'<span class="ff-value">{row["cl_ord_id"]}</span>' in text
    assert '<div class="ff-problem"><b>check_sum</b>' in text
    assert "Its order" in {one.label for one in shown.button}


@pytest.mark.parametrize("panel", ["Raw", "Around it", "Compare"])
def test_a_message_is_shown_in_other_ways(panel, opened, html, sample_sqlite, database):
    (row, *_) = database.rows(
        "select message_id from messages where msg_type = 'D' and session = ?"
        " order by sending_time desc",
        RETAIL,
    )
    shown = opened(sample_sqlite, "messages", message=str(row["message_id"]), shown=panel)
    text = html(shown)
    expected = {
        "Raw": '<span class="ff-delimiter">',
        "Around it": "RETAIL orders BROKER to",
        "Compare": 'class="ff-differs"',
    }
    assert expected[panel] in text


def test_each_number_of_defects_leads_to_as_many_messages(opened, html, sample_sqlite):
    text = html(opened(sample_sqlite, "quality"))
    links = re.findall(r'<a href="messages\?([^"]*defects[^"]*)" target="_self">([\d,]+)</a>', text)
    assert links
    for address, number in links:
        asked = {name: value[0] for name, value in parse_qs(unescape(address)).items()}
        shown = opened(sample_sqlite, "messages", **asked)
        assert [one.value for one in shown.error] == []
        found = len(shown.dataframe[0].value) if shown.dataframe else 0
        assert found == min(int(number.replace(",", "")), 100)


@pytest.mark.parametrize(
    ("asked", "least"),
    [({}, 30), ({"type": ["8", "3"]}, 10), ({"type": "8"}, 10), ({"q": "45=1"}, 30)],
)
def test_numbers_of_the_overview_are_those_of_the_messages_behind_them(
    asked, least, opened, html, sample_sqlite
):
    text = html(opened(sample_sqlite, **asked))
    links = re.findall(r'<a [^>]*href="messages\?([^"]*)"[^>]*>(?:<[^>]*>)*([\d,]+)<', text)
    numbers = {(address, int(number.replace(",", ""))) for address, number in links}
    assert len(numbers) > least
    with closing(open_database(sample_sqlite)) as database:
        for address, number in numbers:
            asked = parse_qs(unescape(address))
            types = tuple(asked.get("type", ()))
            assert asked["admin"] == ["true"]
            begin, end = (
                datetime.datetime.fromisoformat(asked[one][0]).replace(tzinfo=datetime.UTC)
                for one in ("from", "to")
            )
            view = View(asked.get("q", [""])[0], tuple(asked.get("session", ())), types, begin, end)
            assert len(messages.page(database, view, limit=10_000, seconds=60).rows) == number


def test_numbers_of_refusals_are_those_of_the_orders_behind_them(opened, html, sample_sqlite):
    text = html(opened(sample_sqlite))
    links = re.findall(r'<a [^>]*href="orders\?([^"]*refused[^"]*)"[^>]*>([\d,]+)<', text)
    assert len(links) > 3
    for address, number in links:
        asked = {name: value for name, (value,) in parse_qs(unescape(address)).items()}
        shown = opened(sample_sqlite, "orders", **asked)
        (table,) = shown.dataframe
        assert len(table.value) == min(int(number.replace(",", "")), 100)


def test_a_link_with_heartbeats_shows_them(opened, sample_sqlite, database):
    (all_of_them,) = database.rows("select count(*) as n from messages")
    shown = opened(sample_sqlite, "messages", admin="true")
    assert f"{all_of_them['n']:,} messages in view" in [one.value for one in shown.caption]


def test_an_order_that_a_drop_copy_tells_of_says_so(opened, sample_sqlite, database):
    (row, *_) = database.rows("select first_cl_ord_id from orders where drop_copy order by 1")
    shown = opened(sample_sqlite, "orders", id=row["first_cl_ord_id"])
    sessions = list(shown.dataframe[0].value["Session"])
    assert sum(one.endswith(" (drop copy)") for one in sessions) == len(sessions) - 1 == 1


def test_where_the_api_asks_for_tokens_no_link_leads_to_a_file(
    opened, html, sample_sqlite, monkeypatch
):
    def page():
        return html(opened(sample_sqlite, "messages", q="Side=1"))

    assert 'href="api/messages.csv?q=Side%3D1&amp;' in page()
    monkeypatch.setenv("FIXFEED_DASHBOARD_TOKENS", "1")
    shown = page()
    assert "<code>api/messages.csv?q=Side%3D1&amp;" in shown
    assert 'href="api' not in shown


def test_of_very_many_fields_the_first_are_shown_until_all_are_wanted(
    opened, html, sample_sqlite, database, monkeypatch
):
    monkeypatch.setattr("fixfeed.dashboard.message_panel._FIELDS", 5)
    (row, *_) = database.rows("select message_id from messages where msg_type = 'D'")
    shown = opened(sample_sqlite, "messages", message=str(row["message_id"]))
    assert html(shown).count('class="ff-field"') == 5
    (whole,) = (one for one in shown.checkbox if one.label.startswith("All "))
    number = int(whole.label.split()[1])
    told = [one.value for one in shown.caption]
    assert f"5 of {number} fields, and after them those with defects." in told
    whole.check().run()
    assert html(shown).count('class="ff-field') == number > 5


@pytest.mark.parametrize("page", PAGES)
def test_pages_made_of_derived_tables_tell_what_is_not_derived_yet(
    page, opened, sample_sqlite, tmp_path
):
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(sample_sqlite.removeprefix("sqlite:///"))) as connection:
        connection.execute(f"vacuum into '{copy}'")
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("insert into derive_stretches (first, last, messages) values (0, 5, 6)")
        connection.commit()
    told = [one.value for one in opened(f"sqlite:///{copy}", page).info]
    asked = [one for one in told if one.startswith("About 6 messages are not in orders")]
    assert len(asked) == (page != "messages")


def test_messages_that_are_ahead_of_now_are_told(
    opened, html, sample_sqlite, database, monkeypatch
):
    noon = datetime.datetime(2025, 1, 2, 12, tzinfo=datetime.UTC)
    monkeypatch.setattr("fixfeed.dashboard.queries.overview._too_late", lambda: noon)
    shown = opened(sample_sqlite, "overview")
    (warning,) = shown.warning
    count = re.match(r"\[([\d,]+) messages\]\((\S+)\) have times", warning.value)
    assert count
    assert "from=2025-01-02+12%3A00" in count[2]
    there = overview.counts(database, View(begin=noon))
    assert int(count[1].replace(",", "")) == there["messages"] > 0
    # From then on they are what there is.
    text = html(opened(sample_sqlite, "overview", **{"from": "2025-01-02 12:00"}))
    assert f">{count[1]}<" in text


def test_what_is_no_message_and_no_order_is_told(opened, sample_sqlite):
    name = "![x](http://a.example/b)"
    (warning,) = opened(sample_sqlite, "messages", message=name).warning
    assert warning.value == f"There is no message {markdown(name)} here."
    (warning,) = opened(sample_sqlite, "orders", order="9" * 30).warning
    assert warning.value == f"There is no order with the key {'9' * 30} here."


def test_orders_are_listed_found_and_shown(opened, html, sample_sqlite, database):
    (one, *_) = database.rows(
        "select * from orders where fills > 1 and replaces > 0 order by order_key"
    )
    shown = opened(sample_sqlite, "orders", id=one["order_id"])
    assert one["last_cl_ord_id"] in list(shown.dataframe[0].value["ClOrdID"])
    for status in ("8", "Rejected", "rejected"):
        shown = opened(sample_sqlite, "orders", status=status)
        assert set(shown.dataframe[0].value["Status"]) == {"Rejected"}
    (warning,) = opened(sample_sqlite, "orders", status="Rejectd").warning
    assert "did you mean Rejected" in warning.value
    text = html(opened(sample_sqlite, "orders", order=str(one["order_key"])))
    assert f"Order {one['first_cl_ord_id']}" in text
    assert text.count('class="ff-arrow') == one["messages"]
    assert text.count("<tr") >= one["fills"]


def test_an_order_leads_to_those_that_were_refused_with_the_same_text(
    opened, sample_sqlite, database
):
    rows = database.rows(
        "select o.order_key, o.rejects, m.text from orders o join order_messages s"
        " on s.order_key = o.order_key and s.copied is not true"
        " join messages m on m.message_id = s.message_id where o.drop_copy is not true"
        " and m.msg_type = '8' and m.exec_type = '8' and m.text is not null"
    )
    one = rows[0]
    same = {row["order_key"] for row in rows if row["text"] == one["text"]}
    shown = opened(sample_sqlite, "orders", order=str(one["order_key"]))
    address = link("orders", {"refused": one["text"]})
    (said,) = [one.value for one in shown.caption if "the same Text" in one.value]
    assert said.endswith(f": [{markdown(one['text'])}]({address})")
    (table,) = opened(sample_sqlite, "orders", refused=one["text"]).dataframe
    assert len(table.value) >= len(same) > 1
    kept = opened(
        sample_sqlite,
        "orders",
        order=str(
            database.rows(
                "select min(order_key) as key from orders where coalesce(rejects, 0) = 0"
            )[0]["key"]
        ),
    )
    assert not [one for one in kept.caption if "the same Text" in one.value]


def test_a_text_that_nothing_was_refused_with_is_answered_by_those_that_have_it_in_them(
    opened, sample_sqlite, database
):
    texts = [row["text"] for row in overview.rejects(database, View(), 1000) if row["text"]]
    part = texts[0][1:-1].upper()
    shown = opened(sample_sqlite, "orders", refused=part)
    own = [one for one in texts if part.casefold() in one.casefold()][:8]
    links = ", ".join(f"[{markdown(one)}]({link('orders', {'refused': one})})" for one in own)
    said = f"No refusal has just the text {markdown(part)}; there are: {links}"
    assert said in [one.value for one in shown.caption]
    assert not shown.dataframe


def test_a_status_may_be_named_and_one_that_there_is_not_is_told(opened, sample_sqlite):
    rejected = opened(sample_sqlite, "orders", status="8")
    named = opened(sample_sqlite, "orders", status="Rejected")
    assert len(named.dataframe[0].value) == len(rejected.dataframe[0].value) > 0
    none = opened(sample_sqlite, "orders", status="Gone")
    assert "no OrdStatus is called" in none.warning[0].value


def test_an_order_that_a_business_reject_refused_does_not_look_open(
    opened, html, sample_sqlite, database
):
    (one, *_) = database.rows(
        "select order_key, first_cl_ord_id from orders"
        " where ord_status is null and rejects > 0 and drop_copy is not true order by order_key"
    )
    shown = opened(sample_sqlite, "orders", id=one["first_cl_ord_id"])
    (table,) = shown.dataframe
    assert "no report, a refusal" in table.value["Status"].tolist()
    whole = html(opened(sample_sqlite, "orders", order=str(one["order_key"])))
    assert '<span class="ff-badge ff-badge-">no report, a refusal</span>' in whole
    assert "<dt>LeavesQty</dt>" in whole


def test_a_gap_leads_to_the_messages_on_both_sides(opened, html, sample_sqlite):
    text = html(opened(sample_sqlite, "sessions"))
    (address, *_) = re.findall(r'href="messages\?([^"]*)" target="_self">20 on each side', text)
    parameters = parse_qs(unescape(address))
    first, last = map(int, re.findall(r"[<>]=(\d+)", parameters["q"][0]))
    shown = opened(sample_sqlite, "messages", **{f"{n}_": v for n, v in parameters.items()})
    numbers = list(shown.dataframe[0].value["Seq"])
    missing = set(range(first, last + 1)) - set(numbers)
    assert len(numbers) >= 20
    assert missing
    assert set(numbers) <= set(range(first, last + 1))


def test_failures_are_shown_as_text_and_as_hex(opened, html, sample_sqlite, database):
    (row, *_) = database.rows("select raw from failures where reason = 'not_text'")
    text = html(opened(sample_sqlite, "quality", reason="not_text"))
    assert row["raw"].hex(" ") in text


def test_accounts_that_do_not_add_up_are_red(opened, html, sample_sqlite, tmp_path):
    assert 'class="ff-wrong"' not in html(opened(sample_sqlite, "quality"))
    connection = sqlite3.connect(sample_sqlite.removeprefix("sqlite:///"))
    connection.execute("vacuum into ?", [f"{tmp_path}/copy.db"])
    connection.close()
    connection = sqlite3.connect(tmp_path / "copy.db")
    connection.execute("update progress set stored = stored + 1 where source_id = 1")
    connection.commit()
    connection.close()
    shown = opened(f"sqlite:///{tmp_path}/copy.db", "quality")
    assert html(shown).count('class="ff-wrong"') == 1
    assert "These numbers have to be the same" in shown.error[0].value


def test_sessions_show_how_long_they_were_silent(opened, sample_sqlite, database):
    shown = opened(sample_sqlite, "sessions")
    assert "How long they were silent" in [one.value for one in shown.subheader]
    _, chart = shown.get("vega_lite_chart")
    drawn = pa.ipc.open_stream(chart.proto.data.data).read_all()["minutes"].to_pylist()
    silences = sessions.silences(database, overview.last_day(database, View()))
    assert sum(drawn) == sum(row["minutes"] for row in silences)


def test_latencies_are_shown_by_symbol_and_of_one(opened, html, sample_sqlite, database):
    text = html(opened(sample_sqlite, "latency", clock="sent"))
    view = overview.last_day(database, View())
    found, _ = by_symbol(database, view, kind="acknowledged", clock="sent")
    row = max(found, key=lambda row: row["p99"] if row["symbol"] else 0)
    asked = {"symbol": row["symbol"], "kind": "acknowledged", "clock": "sent"}
    address = link("latency", {"from": "2025-01-02 00:00", "to": "2025-01-03 00:00", **asked})
    assert f'<a href="{escaped(address)}" target="_self">{row["symbol"]}</a>' in text

    shown = opened(sample_sqlite, "latency", clock="sent", symbol=row["symbol"])
    own = sum(one["requests"] for one in found if one["symbol"] == row["symbol"])
    assert any(one.value.startswith(f"**{own:,} requests, from") for one in shown.markdown)
    assert duration(row["most"]) in html(shown)
    none = opened(sample_sqlite, "latency", clock="sent", symbol="<b>")
    assert [one.value for one in none.info] == [
        "No order of \\<b\\> has anything from a new order to its first report that is not pending,"
        " by SendingTime of the request, and of the answer: the clocks of two machines."
    ]


def test_answers_before_their_requests_and_at_the_same_time_are_told(opened, html, tmp_path):
    uri = f"sqlite:///{tmp_path}/before.db"
    ends = ["8=FIX.4.4", "49=A", "56=B"], ["8=FIX.4.4", "49=B", "56=A"]
    lines = [
        [*ends[0], "35=D", "34=1", "11=1", "55=X", "52=20250102-10:00:01"],
        [*ends[1], "35=8", "34=1", "11=1", "55=X", "150=0", "39=0", "52=20250102-10:00:00"],
        [*ends[0], "35=D", "34=2", "11=2", "55=X", "52=20250102-10:00:02"],
        [*ends[1], "35=8", "34=2", "11=2", "55=X", "150=0", "39=0", "52=20250102-10:00:02"],
    ]
    (tmp_path / "before.log").write_text("\n".join("|".join([*one, "10=000|"]) for one in lines))
    store(tmp_path, uri)
    for symbol in ("", "X"):
        shown = opened(uri, "latency", symbol=symbol)
        (told,) = shown.warning
        assert told.value == "1 answers are from before their requests: these clocks differ."
        same = "1 answers have the time of their requests, told as 0 s: "
        assert [one.value for one in shown.caption if one.value.startswith(same)]
        assert "0 s" in html(shown)
        assert "µs" not in html(shown)


@pytest.mark.parametrize("wrong", ["", "bogus"])
def test_a_link_with_a_kind_or_clock_that_there_is_not_shows_the_usual(
    wrong, opened, sample_sqlite
):
    usual = [one.value for one in opened(sample_sqlite, "latency").subheader]
    shown = opened(sample_sqlite, "latency", kind=wrong, clock=wrong)
    assert [one.value for one in shown.subheader] == usual
    assert not shown.error


def test_a_latency_names_its_clock(opened, sample_sqlite):
    shown = opened(sample_sqlite, "latency", clock="sent")
    titles = [one.value for one in shown.subheader]
    assert titles
    assert all(title.endswith("by the clock: sent") for title in titles)
    (others,) = [one.value for one in shown.caption if one.value.startswith("By other clocks: ")]
    assert re.match(r"By other clocks: (captured[a-z ]* [\d,]+(, |\. ))+A clock of a log", others)


def test_what_is_out_of_the_ordinary_is_listed_by_kind_and_whole(opened, html, sample_sqlite):
    there = overview_anomalies(sample_sqlite)
    assert len(there) > 6
    shown = opened(sample_sqlite)
    assert f"all {len(there):,}" in {one.label for one in shown.checkbox}
    next(one for one in shown.checkbox if one.label.startswith("all ")).check().run()
    assert html(shown).count("missing: ") == sum(kind == "sequence_gap" for kind in there)


def overview_anomalies(uri):
    with closing(open_database(uri)) as database:
        return [row["kind"] for row in database.rows("select kind from anomalies")]


def test_a_search_that_cannot_be_read_is_told_on_pages_that_it_does_not_choose(
    opened, html, sample_sqlite
):
    shown = opened(sample_sqlite, "orders", q="CFUN-002080")
    (error,) = shown.error
    assert error.value == "cannot read the search at character 1\\:"
    (place,) = shown.code
    assert "a text in quotes" in place.value
    offered, chosen, *_ = [one.value for one in shown.caption]
    assert offered == (
        "[Messages](messages?q=%22CFUN-002080%22) that have CFUN\\-002080 anywhere in them,"
        " or [orders](orders?id=CFUN-002080) with this id."
    )
    assert "The search chooses [messages](messages?q=CFUN-002080)" in chosen
    assert shown.dataframe
    (error,) = opened(sample_sqlite, "messages", q="CFUN-002080").error
    assert error.value == "cannot read the search at character 1\\:"


def test_a_chart_above_a_search_says_that_it_counts_all(opened, sample_sqlite):
    said = "The bars count all messages of the other filters, whatever is searched for."
    for search, wanted in (("", False), ("Symbol=AAPL", True)):
        shown = opened(sample_sqlite, "messages", q=search)
        assert (said in [one.value for one in shown.caption]) == wanted


def test_what_is_around_a_message_names_both_sides(opened, html, sample_sqlite, database):
    (row, *_) = database.rows(
        "select message_id from messages where msg_type = '8' and session ="
        " 'FIX.4.4:BROKER->RETAIL' order by sending_time desc limit 1 offset 30"
    )
    text = html(
        opened(sample_sqlite, "messages", message=str(row["message_id"]), shown="Around it")
    )
    assert "somebody" not in text
    assert "RETAIL orders BROKER to" in text
    assert "BROKER fill" in text
