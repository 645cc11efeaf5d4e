"""The API answers what may be seen, and says what is wrong with everything else."""

import asyncio
import csv
import datetime
import io
import json
import logging
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pyarrow.parquet as pq
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from fixfeed.dashboard.api.access import AUDIT
from fixfeed.dashboard.api.app import make_api
from fixfeed.dashboard.api.tokens import TokensError, new_token, read_tokens
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import sessions
from fixfeed.dashboard.queries.anomalies import kinds_of_anomalies
from fixfeed.dashboard.view import View
from fixfeed.pipelines import api as command
from tests.dashboard.stored_day import HOSTILE


def client(database, **options):
    return TestClient(make_api(database, **options), base_url="http://127.0.0.1")


@pytest.fixture(scope="session")
def api(read):
    """The API for the owner, without tokens."""
    return client(read, per_minute=100_000)


TOKENS = {
    "all": ["*"],
    "sent": ["BROKER1->*"],
    "both": ["BROKER1<->*", "BUYSIDE<->BROKER"],
    "nobody": ["NOBODY<->*"],
}


@pytest.fixture(scope="session")
def known(tmp_path_factory):
    """The tokens of TOKENS by name, and the readers in their file."""
    lines, tokens = ["tokens:"], {}
    for name, seen in TOKENS.items():
        tokens[name], digest = new_token()
        lines.append(f"  - {json.dumps({'name': name, 'sha256': digest, 'sessions': seen})}")
    file = tmp_path_factory.mktemp("tokens") / "tokens.yaml"
    file.write_text("\n".join(lines))
    return tokens, read_tokens(file)


@pytest.fixture(scope="session")
def scoped(read, known):
    """Who asks with each token of TOKENS."""
    found = {}
    for name, token in known[0].items():
        found[name] = client(read, readers=known[1], per_minute=100_000)
        found[name].headers["Authorization"] = f"Bearer {token}"
    return found


def pages(api, path, name, **parameters):
    """Return the rows of all pages."""
    found, cursor = [], {}
    while True:
        answer = api.get(path, params={**parameters, **cursor, "limit": 1000})
        assert answer.status_code == 200, answer.text
        found += answer.json()[name]
        if answer.json()["older"] is None:
            return found
        cursor = {"cursor": answer.json()["older"]}


def test_messages_come_page_by_page_with_ids_and_decimals_as_texts(api, batches):
    rows = pages(api, "/messages", "messages")
    assert len(rows) == sum(batch.messages.num_rows for batch in batches.values())
    assert len({row["message_id"] for row in rows}) == len(rows)
    assert all(isinstance(row["message_id"], str) for row in rows)
    assert all(isinstance(row["order_qty"], str | None) for row in rows)
    times = [row["time"] for row in rows if row["time"]]
    assert times == sorted(times, reverse=True)
    assert all(time.endswith("Z") for time in times)
    only = pages(api, "/messages", "messages", q="Side=1", type="D")
    assert {row["message_id"] for row in only} == {
        row["message_id"] for row in rows if row["side"] == "1" and row["msg_type"] == "D"
    }
    assert api.get("/messages/count").json() == {"messages": len(rows)}


def test_a_message_has_its_bytes_its_fields_and_where_it_came_from(api):
    row = api.get("/messages", params={"q": f"'{HOSTILE[1]}'", "limit": 1}).json()["messages"][0]
    one = api.get(f"/messages/{row['message_id']}").json()
    assert one["source"] == "hostile.log"
    assert one["fields"]["NoPartyIDs"] == [{"PartyID": HOSTILE[1]}]
    assert one["raw"].startswith("8=FIX.4.4")
    around = api.get(f"/messages/{row['message_id']}/around", params={"each": 2}).json()
    assert row["message_id"] in {one["message_id"] for one in around["messages"]}


def test_all_messages_of_a_filter_are_exported_exactly(api, batches, monkeypatch):
    monkeypatch.setattr("fixfeed.dashboard.queries.export._ROWS", 150)
    rows = pages(api, "/messages", "messages")
    answer = api.get("/messages.parquet")
    assert answer.headers["content-disposition"] == 'attachment; filename="messages.parquet"'
    exported = pq.read_table(io.BytesIO(answer.content))
    assert [str(one) for one in exported["message_id"].to_pylist()] == [
        row["message_id"] for row in rows
    ]
    stored = {}
    for source, batch in batches.items():
        for row in batch.messages.to_pylist():
            stored[source << 40 | row["position"]] = row
    for row in exported.to_pylist():
        parsed = stored[row["message_id"]]
        assert row["raw"] == parsed["raw"]
        for name in ("session", "sending_time", "trade_date", "cl_ord_id", "poss_dup_flag"):
            if "\0" not in str(parsed[name]):
                assert row[name] == parsed[name]
    only = {row["message_id"] for row in pages(api, "/messages", "messages", q="Side=1")}
    text = api.get("/messages.csv", params={"q": "Side=1"}).content.decode()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {line["message_id"] for line in lines} == only


def test_a_spreadsheet_takes_no_value_for_a_formula(api):
    text = api.get("/messages.csv", params={"q": "ClOrdID = '=1+1'"}).content.decode()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {line["cl_ord_id"] for line in lines} == {"'=1+1"}
    assert api.get("/messages.csv", params={"q": "Symbl = A"}).status_code == 422
    assert api.get("/messages.xls").status_code == 422


def test_executions_are_those_of_the_table_by_the_time_of_their_reports(api, read):
    there = read.rows("select order_key, message_id, kind from executions")
    rows = pages(api, "/executions", "executions")
    found = sorted((row["order_key"], row["message_id"], row["kind"]) for row in rows)
    assert found == sorted(
        (str(row["order_key"]), str(row["message_id"]), row["kind"]) for row in there
    )
    assert rows
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
    meant = {row["message_id"] for row in pages(api, "/messages", "messages", q="LastQty>5")}
    larger = pages(api, "/executions", "executions", q="LastQty>5")
    assert larger == [row for row in rows if row["message_id"] in meant] != []


def test_orders_come_page_by_page_and_one_whole(api, read):
    there = {str(row["order_key"]) for row in read.rows("select order_key from orders")}
    rows = pages(api, "/orders", "orders")
    assert len(rows) == len(there)
    assert {row["order_key"] for row in rows} == there
    filled = next(row for row in rows if row["fills"])
    whole = api.get(f"/orders/{filled['order_key']}").json()
    assert whole["order"]["cum_qty"] == filled["cum_qty"]
    assert len([one for one in whole["messages"] if not one["copied"]]) >= filled["messages"]
    assert len([one for one in whole["executions"] if one["stands"]]) == filled["fills"]
    for one in whole["ids"]:
        found = api.get("/orders", params={"id": one["id"]}).json()["orders"]
        assert filled["order_key"] in {row["order_key"] for row in found}
    for status in ("8", "Rejected", "rejected"):
        only = pages(api, "/orders", "orders", status=status, symbol=filled["symbol"])
        assert only == [
            row for row in rows if row["ord_status"] == "8" and row["symbol"] == filled["symbol"]
        ]
    assert api.get("/orders/1").status_code == 404


def test_sessions_gaps_counts_and_latencies_are_those_of_the_tables(api, read):
    days = api.get("/sessions").json()["sessions"]
    assert len(days) == len(read.rows("select session_day from session_days"))
    assert (
        sum(row["missing"] for row in days)
        == read.rows("select cast(sum(missing) as bigint) as missing from sequences")[0]["missing"]
    )
    gaps = api.get("/gaps").json()["gaps"]
    assert all(gap["numbers"] == gap["last"] - gap["first"] + 1 for gap in gaps)
    assert {gap["what"] for gap in gaps} >= {"never came"}
    minutes = api.get(
        "/minutes", params={"from": "0002-01-01T00:00:00Z", "to": "9998-01-01T00:00:00Z"}
    ).json()["minutes"]
    counted = read.rows(
        "select sum(messages) as messages from minute_counts where minute is not null"
    )
    assert sum(row["messages"] for row in minutes) == counted[0]["messages"]
    measured = read.rows(
        "select kind, clock, sum(requests) as requests from latencies group by 1, 2"
    )
    assert measured
    for row in measured:
        asked = {"kind": row["kind"], "clock": row["clock"]}
        found = api.get("/latency", params=asked).json()["latency"]
        assert sum(one["requests"] for one in found) == row["requests"]
        assert all(0 <= one["p50"] <= one["p99"] <= one["most"] for one in found)
        slowest = api.get("/latency/slowest", params=asked).json()["slowest"]
        assert len(slowest) == min(100, row["requests"])
        symbols = api.get("/latency/symbols", params=asked).json()
        assert {**symbols, "symbols": []} == {
            **asked,
            "since": None,
            "symbols": [],
            "complete": True,
        }
        assert sum(one["requests"] for one in symbols["symbols"]) == row["requests"]
        for symbol in {one["symbol"] for one in symbols["symbols"]} - {None}:
            own = [one for one in symbols["symbols"] if one["symbol"] == symbol]
            found = api.get("/latency", params={**asked, "symbol": symbol}).json()
            assert found["since"] is None
            assert [{"symbol": symbol, **one} for one in found["latency"]] == own
            found = api.get("/latency/slowest", params={**asked, "symbol": symbol}).json()
            assert found["slowest"][0]["seconds"] == max(one["most"] for one in own)
    begin, end = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2025, 2026))
    asked = {"from": begin.isoformat(), "to": end.isoformat()}
    silences = api.get("/silences", params=asked).json()["silences"]
    assert silences == sessions.silences(read, View(begin=begin, end=end))
    assert silences


def test_what_is_counted_by_the_minute_says_which_minutes_are(api, read):
    times = {"from": "2025-01-02T09:30:00.25", "to": "2025-01-02T11:00:10"}
    exact = {"from": "2025-01-02T09:30:00.250000Z", "to": "2025-01-02T11:00:10Z"}
    whole = {"from": "2025-01-02T09:30:00Z", "to": "2025-01-02T11:01:00Z"}
    for path in ("/latency", "/silences"):
        found = api.get(path, params=times).json()
        assert {name: found[name] for name in times} == whole
        assert found == api.get(path, params=whole).json()
    of_symbol = api.get("/latency", params={**times, "symbol": "IBM"}).json()
    assert {name: of_symbol[name] for name in times} == exact
    rows = read.rows(
        "select count(*) as messages from messages where coalesce(sending_time, captured_at) >= ?"
        " and coalesce(sending_time, captured_at) < ?",
        *(read.time(datetime.datetime.fromisoformat(exact[name])) for name in ("from", "to")),
    )
    assert api.get("/messages/count", params=times).json() == rows[0]
    minutes = api.get("/minutes", params=times).json()["minutes"]
    assert sum(row["messages"] for row in minutes) == rows[0]["messages"] > 0


def test_what_came_in_is_accounted_for(api, read, batches):
    sources = api.get("/sources").json()["sources"]
    assert {row["source_id"]: row["stored"] for row in sources} == {
        str(number): batch.messages.num_rows for number, batch in batches.items()
    }
    failures = pages(api, "/failures", "failures")
    assert len(failures) == sum(batch.failures.num_rows for batch in batches.values()) > 0
    assert all(row["raw_base64"] for row in failures)
    (run,) = api.get("/runs").json()["runs"]
    assert run["configuration"] == {"rules": "r", "dictionary": [], "validate": "structure"}


def test_anomalies_come_page_by_page(api, read):
    there = read.rows("select scope, kind, seen from anomalies")
    assert there
    found, cursor = [], {}
    while True:
        answer = api.get("/anomalies", params={"limit": 3, **cursor}).json()
        found += answer["anomalies"]
        if answer["older"] is None:
            break
        cursor = {"cursor": answer["older"]}
    key = sorted((row["scope"], row["kind"], row["seen"]) for row in found)
    assert key == sorted((row["scope"], row["kind"], row["seen"]) for row in there)
    times = [row["happened_at"] for row in found if row["happened_at"]]
    assert times == sorted(times, reverse=True)
    kind = there[0]["kind"]
    counted = kinds_of_anomalies(read, View())
    assert counted == Counter(row["kind"] for row in found)
    assert sum(kinds_of_anomalies(read, View(sessions=("FIX.4.4:A->*",))).values()) <= len(found)
    only = pages(api, "/anomalies", "anomalies", kind=kind)
    assert only == [row for row in found if row["kind"] == kind]


ROUTES = [
    *("/messages.csv", "/messages.parquet"),
    *("/messages", "/messages/count", "/messages/1", "/messages/1/around", "/executions"),
    *("/orders", "/orders/1", "/sessions", "/gaps", "/silences", "/minutes"),
    *("/latency", "/latency/symbols", "/latency/slowest", "/anomalies"),
    *("/failures", "/sources", "/runs"),
]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/messages?sesion=A", 422, "did you mean session?"),
        ("/messages?q=Symbl%20%3D%20A", 422, "the nearest is Symbol"),
        ("/messages/count?q=Symbl%20%3D%20A", 422, "the nearest is Symbol"),
        ("/messages?q=Side%3D1&q=Side%3D2", 422, "q: given 2 times, expected once"),
        ("/messages?type=OrderCancelRequest", 422, "OrderCancelRequest is F: ask for type=F"),
        ("/minutes?type=NewOrderSingle", 422, "type: NewOrderSingle is D"),
        ("/messages?limit=0", 422, "limit"),
        ("/messages?limit=1001", 422, "limit"),
        ("/messages?limit=1.0", 422, "limit: '1.0' is no whole number"),
        ("/messages?from=09:30", 422, "from: '09:30' is no time: write it whole, as in 2025-01-02"),
        (
            "/orders?status=rejectd",
            422,
            "status: no OrdStatus is called 'rejectd'; did you mean Rejected?",
        ),
        ("/messages?cursor=abcd", 422, "is no cursor"),
        ("/messages?cursor=%00", 422, "cursor"),
        ("/messages?from=yesterday", 422, "from"),
        ("/messages?from=0001-01-01T00:00:00%2B14:00", 422, "years 2 to 9998"),
        ("/messages/1", 404, "no message 1"),
        ("/messages/9999999999999999999", 404, "no message"),
        ("/messages/x", 422, "message_id"),
        ("/messages/1/around?each=0", 422, "each"),
        ("/latency?clock=send", 422, "clock: unknown 'send'; did you mean sent?"),
        ("/latency/symbols?symbol=A", 422, "unknown parameter 'symbol'"),
        ("/anomalies?kind=gap", 422, "kind: unknown 'gap'"),
        ("/anomalies?kind=sequence_gaps", 422, "did you mean sequence_gap?"),
        ("/anomalies?severity=high", 422, "there are info, warning, critical"),
        ("/health/live?x=1", 422, "there are none here"),
        ("/nothing", 404, "/openapi.json"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(path, status, said, api):
    answer = api.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert said in answer.json()["detail"]


def test_the_first_requests_may_come_all_at_once(read):
    app = make_api(read, per_minute=1000)

    def ask(path):
        return TestClient(app, base_url="http://127.0.0.1").get(path).status_code

    with ThreadPoolExecutor(20) as threads:
        paths = ["/messages?limit=1", "/orders?limit=1", "/sessions", "/messages?sesion=A"] * 5
        assert list(threads.map(ask, paths)) == [200, 200, 200, 422] * 5


def test_head_answers_as_get_without_a_body(api):
    for path in ("/messages?limit=1", "/health/ready", "/messages/1"):
        whole, head = api.get(path), api.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers == whole.headers
    assert api.head("/messages.csv").status_code == 405


def test_it_reads_alone(api):
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(api, method)("/messages")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("value", [*HOSTILE, "\x00", "é\u2028", "9" * 500, "[*", "-1"])
def test_hostile_parameters_find_nothing_and_break_nothing(value, api):
    before = api.get("/messages/count").json()
    for name in ("session", "type", "q", "from", "to", "cursor", "limit"):
        for path in ("/messages", "/messages/count", "/executions"):
            assert api.get(path, params={name: value}).status_code in (200, 422)
    for path in (f"/messages/{value}", f"/{value}"):
        assert api.get(path.replace("\x00", "%00")).status_code in (200, 404, 422)
    assert api.get("/messages/count").json() == before


def test_answers_are_json_that_no_browser_takes_for_a_page(api):
    answer = api.get("/messages", params={"q": f"'{HOSTILE[1]}'"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def sides(session):
    return tuple(session.partition(":")[2].split("->", 1)) if session else ("", "")


SEES = {
    "all": lambda session: True,
    "sent": lambda session: sides(session)[0] == "BROKER1",
    "both": lambda session: (
        "BROKER1" in sides(session) or set(sides(session)) == {"BUYSIDE", "BROKER"}
    ),
    "nobody": lambda session: False,
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_sees_the_messages_of_its_sessions_and_nothing_else(name, scoped, api):
    rows = pages(api, "/messages", "messages")
    seen = {row["message_id"] for row in rows if SEES[name](row["session"])}
    assert bool(seen) == (name != "nobody")
    mine = scoped[name]
    assert {row["message_id"] for row in pages(mine, "/messages", "messages")} == seen
    assert mine.get("/messages/count").json() == {"messages": len(seen)}
    for text in ("Side exists or Side missing", "-Side=1", "session exists or session missing"):
        assert {row["message_id"] for row in pages(mine, "/messages", "messages", q=text)} <= seen
    for session in {row["session"] for row in rows if row["session"]}:
        found = pages(mine, "/messages", "messages", session=session)
        assert bool(found) == SEES[name](session)
    for row in rows[::15]:
        status = 200 if row["message_id"] in seen else 404
        for path in (f"/messages/{row['message_id']}", f"/messages/{row['message_id']}/around"):
            assert mine.get(path).status_code == status


def test_a_token_sees_executions_only_of_sessions_whose_both_directions_it_sees(scoped, api):
    pairs = {row["session_pair"] for row in pages(api, "/executions", "executions")}
    found = {
        name: {row["session_pair"] for row in pages(scoped[name], "/executions", "executions")}
        for name in TOKENS
    }
    mine = {pair for pair in pairs if pair == "BROKER<->BUYSIDE" or "BROKER1" in pair.split("<->")}
    assert mine < pairs
    assert found == {"all": pairs, "sent": set(), "both": mine, "nobody": set()}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_sees_orders_sessions_and_what_is_derived_of_its_sessions_alone(name, scoped, api):
    mine, sees = scoped[name], SEES[name]

    def pair_seen(pair):
        one, other = pair.split("<->")
        return sees(f"F:{one}->{other}") and sees(f"F:{other}->{one}")

    orders = pages(api, "/orders", "orders")
    seen = [row for row in orders if pair_seen(row["session_pair"])]
    assert pages(mine, "/orders", "orders") == seen
    for row in orders[::4]:
        status = 200 if row in seen else 404
        assert mine.get(f"/orders/{row['order_key']}").status_code == status
        found = mine.get("/orders", params={"id": row["order_id"] or "none"}).json()["orders"]
        assert found == [one for one in seen if one in found]
    for path in ("/sessions", "/gaps", "/silences"):
        rows = api.get(path).json()[path[1:]]
        assert mine.get(path).json()[path[1:]] == [row for row in rows if sees(row["session"])]
    for path in ("/latency", "/latency/symbols", "/latency/slowest", "/anomalies"):
        rows = api.get(path).json()[path.split("/")[-1]]
        wanted = [row for row in rows if name == "all" or both_ways(sees, row["session"])]
        assert mine.get(path).json()[path.split("/")[-1]] == wanted
    everything = {"from": "0002-01-01T00:00:00Z", "to": "9998-01-01T00:00:00Z"}
    minutes = mine.get("/minutes", params=everything).json()["minutes"]
    timed = [row for row in pages(mine, "/messages", "messages") if row["time"]]
    assert sum(row["messages"] for row in minutes) == len(timed)
    for path in ("/failures", "/sources", "/runs"):
        assert mine.get(path).status_code == (200 if name == "all" else 403)


def both_ways(sees, session):
    one, other = sides(session)
    return sees(f"F:{one}->{other}") and sees(f"F:{other}->{one}")


def test_without_a_known_token_nothing_is_told(read, known):
    strict = client(read, readers=known[1])
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
        for path in (*ROUTES[::3], "/nothing"):
            answer = strict.get(path, headers=header)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
    for path in ("/health/live", "/health/ready", "/openapi.json"):
        assert strict.get(path).status_code == 200


def test_beside_other_pages_it_asks_for_tokens_too(read, known):
    app = Starlette(routes=[Mount("/api", make_api(read, readers=known[1]))])
    beside = TestClient(app)
    assert beside.get("/api/health/live").json() == {"status": "live"}
    assert beside.get("/api/messages").status_code == 401
    header = {"Authorization": f"Bearer {known[0]['all']}"}
    assert beside.get("/api/messages?limit=1", headers=header).json()["messages"]
    assert "/messages" in beside.get("/api/openapi.json").json()["paths"]


def test_who_guesses_tokens_soon_has_to_wait(read, known):
    strict = client(read, readers=known[1])
    statuses = [strict.get("/messages").status_code for _ in range(40)]
    assert statuses == [401] * 30 + [429] * 10


def test_too_many_requests_are_told_when_to_go_on(read):
    few = client(read, per_minute=3)
    assert [few.get("/messages/count").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = few.get("/messages/count")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "more than 3 requests" in refused.json()["detail"]
    assert few.get("/health/live").status_code == 200


def test_it_is_alive_while_all_its_threads_wait_for_a_database(database, monkeypatch):
    with closing(open_database(database)) as opened:
        end = threading.Event()
        monkeypatch.setattr(opened, "check", end.wait)
        transport = httpx.ASGITransport(make_api(opened, per_minute=100_000))

        async def asked():
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as api:
                waiting = [asyncio.create_task(api.get("/health/ready")) for _ in range(100)]
                try:
                    answer = await asyncio.wait_for(api.get("/health/live"), 60)
                    assert not any(one.done() for one in waiting)
                finally:
                    end.set()
                assert {one.status_code for one in await asyncio.gather(*waiting)} == {200}
                return answer.json()

        assert asyncio.run(asked()) == {"status": "live"}


def test_without_tokens_only_names_of_this_machine_are_answered(read):
    open_to_all = client(read)
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""):
        assert open_to_all.get("/messages", headers={"Host": host}).status_code == 403
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
        assert open_to_all.get("/messages/count", headers={"Host": host}).status_code == 200


def test_each_request_is_a_line_of_audit_without_tokens_and_without_what_was_answered(
    scoped, caplog, monkeypatch
):
    monkeypatch.setattr(AUDIT, "propagate", True)
    with caplog.at_level(logging.INFO, logger=AUDIT.name):
        scoped["both"].get("/messages", params={"q": "Side=1"})
        scoped["both"].get("/messages", params={"limit": "1", "access_token": "stolen"})
        stolen = [
            ("Authorization", "Bearer stolen"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-For", "5.6.7.8"),
        ]
        scoped["both"].get("/nothing%0A{}", headers=stolen)
    lines = [record.getMessage() for record in caplog.records if record.name == AUDIT.name]
    first, misled, second = map(json.loads, lines)
    assert (misled["query"], misled["status"]) == ("limit=1&access_token=***", 422)
    assert {**first, "seconds": 0, "at": ""} == {
        "at": "",
        "reader": "both",
        "address": "testclient",
        "method": "GET",
        "path": "/messages",
        "query": "q=Side%3D1",
        "status": 200,
        "seconds": 0,
    }
    assert (second["reader"], second["status"]) == (None, 401)
    assert (second["address"], second["forwarded_for"]) == ("testclient", "1.2.3.4, 5.6.7.8")
    assert "\n" not in lines[2]
    assert "stolen" not in "".join(lines)
    assert scoped["both"].headers["authorization"].split()[1] not in lines[0]


ENTRY = f"{{name: a, sha256: '{'a' * 64}', sessions: ['*']}}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no list of tokens"),
        ("tokens: []", "has no list of tokens"),
        ("tokens: [{name: a}]", "token 1: sha256 is missing"),
        ("tokens: [{name: a, sha256: 12, sessions: ['*']}]", "64 hexadecimal digits"),
        ("tokens: [{name: a, sha: x}]", "did you mean sha256?"),
        (f"tokens: [{ENTRY.replace('*', 'BROKER')}]", "no pattern of sessions"),
        (f"tokens: [{ENTRY.replace('[', '').replace(']', '')}]", "a list as sessions"),
        (f"tokens: [{ENTRY}, {ENTRY}]", "has this sha256 too"),
        (f"tokens: [{ENTRY}, {ENTRY.replace('aa', 'bb')}]", "a name 'a' already"),
        ("{", "is no YAML"),
    ],
)
def test_a_file_of_tokens_that_is_wrong_says_where(content, said, tmp_path):
    file = tmp_path / "tokens.yaml"
    file.write_text(content)
    with pytest.raises(TokensError, match=re.escape(said)):
        read_tokens(file)
    with pytest.raises(TokensError, match="cannot read"):
        read_tokens(tmp_path / "missing.yaml")


def test_openapi_has_an_example_of_every_answer_and_needs_no_other_host(api):
    content = api.get("/openapi.json").json()
    assert content["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for operations in content["paths"].values():
        answer = operations["get"]["responses"]["200"]["content"]
        assert all("example" in one for one in answer.values())
    assert api.get("/docs").status_code == 404


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a database"),
        (["sqlite://x"], "sqlite:///x"),
        (["parquet:lake/"], "is no database"),
        (["fixfeed.db"], "postgresql://...; did you mean sqlite:///fixfeed.db?"),
        (["sqlite:fixfeed.db"], "postgresql://...; did you mean sqlite:///fixfeed.db?"),
        (["sqlite:///x.db", "--host", "0.0.0.0"], "without --tokens"),
        (["sqlite:///x.db", "--tokens", "none.yaml"], "cannot read none.yaml"),
        (["sqlite:///x.db", "--requests-per-minute", "0"], "1 or more"),
        (["sqlite:///x.db", "--port", "99999"], "1 to 65535"),
    ],
)
def test_words_that_cannot_be_served_end_with_2_and_a_sentence(words, said, capsys):
    try:
        code = command.main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_the_command_answers_over_http_until_it_is_asked_to_stop(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fixfeed", "api", f"sqlite:///{tmp_path}/none.db", "--port=0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        note, told = process.stderr.readline(), process.stderr.readline()
        assert "there is no database" in note
        place = re.search(r"http://\S+", told)[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{place}health/live") as answer:
            assert json.load(answer) == {"status": "live"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(f"{place}health/ready")
        assert json.load(refused.value)["detail"] == "not ready: missing"
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(f"{place}messages")
        assert "there is no database" in json.load(refused.value)["detail"]
        host, port = re.search(r"//(.+):(\d+)/", place).groups()
        stated = urllib.request.Request(
            f"{place}health/live", headers={"X-Forwarded-For": "1.2.3.4"}
        )
        opener.open(stated).close()
        with socket.create_connection((host, int(port))) as peer:
            peer.sendall(b"8=FIX.4.4\x019=5\r\n\r\n")
            assert peer.recv(100).startswith(b"HTTP/1.1 400")
        process.terminate()
        assert process.wait(60) == 0
        *lines, said = [json.loads(line) for line in process.stderr]
        assert [line["status"] for line in lines] == [200, 503, 503, 200]
        assert {line["address"] for line in lines} == {"127.0.0.1"}
        assert (said["level"], said["message"]) == ("warning", "Invalid HTTP request received.")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_new_token_prints_a_token_and_the_entry_that_knows_it(capsys, tmp_path, read):
    assert command.main(["--new-token"]) == 0
    printed = capsys.readouterr().out
    token = re.search(r"fixfeed_\S+", printed)[0]
    (tmp_path / "tokens.yaml").write_text("tokens:\n" + printed[printed.index("  - name") :])
    mine = client(read, readers=read_tokens(tmp_path / "tokens.yaml"))
    header = {"Authorization": f"Bearer {token}"}
    assert mine.get("/messages/count", headers=header).status_code == 200


def test_a_database_that_does_not_answer_is_a_503(tmp_path):
    for uri in (f"sqlite:///{tmp_path}/none.db", "postgresql://nobody@127.0.0.1:1/none"):
        with closing(open_database(uri)) as database:
            answer = client(database).get("/messages")
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"


def test_only_who_sees_everything_is_told_which_database_does_not_answer(tmp_path, known):
    header = {name: {"Authorization": f"Bearer {token}"} for name, token in known[0].items()}
    for uri, said in (
        (f"sqlite:///{tmp_path}/none.db", "the database cannot be read (missing): tell who runs"),
        ("postgresql://nobody@127.0.0.1:1/none", "the database does not answer: try again"),
    ):
        with closing(open_database(uri)) as database:
            strict = client(database, readers=known[1])
            answers = {name: strict.get("/messages", headers=header[name]) for name in header}
        assert {answer.status_code for answer in answers.values()} == {503}
        assert "none" in answers["all"].json()["detail"]
        for name in ("sent", "both", "nobody"):
            assert answers[name].json()["detail"].startswith(said)


def test_a_database_of_another_version_or_without_tables_is_a_503(tmp_path):
    tables = (
        ("empty", "select 1", "store logs in it"),
        ("older", "create table schema_version as select 1 as version", "fixfeed migrate"),
        ("none", "create table schema_version (version integer)", "has 0 versions"),
        ("newer", "create table schema_version as select 999 as version", "the newer fixfeed"),
    )
    for name, statement, said in tables:
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as connection:
            connection.execute(statement)
        with closing(open_database(f"sqlite:///{tmp_path}/{name}.db")) as database:
            for path in ("/messages", "/orders", "/runs", "/minutes"):
                answer = client(database).get(path)
                assert answer.status_code == 503
                assert said in answer.json()["detail"]
