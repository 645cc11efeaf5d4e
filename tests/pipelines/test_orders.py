"""A run leaves its orders derived, and commands show them."""

import contextlib
import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.derived import derive
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines import fixfeed as command
from fixfeed.pipelines import order, orders
from fixfeed.pipelines.condition import meant_condition
from fixfeed.pipelines.sample.command import write_sample
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.orders.life import PROBLEMS
from fixfeed.transforms.fix.orders.schema import TABLES
from fixfeed.transforms.fix.parser import parse_block
from tests.pipelines.jobs import fixfeed

DOCUMENT = (Path(__file__).parents[2] / "docs" / "orders.md").read_text()


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A folder with the sample day, `manifest`, and `fixfeed.db` that a run has made of it."""
    folder = tmp_path_factory.mktemp("day")
    write_sample(folder / "logs", messages=4000)
    database = f"sqlite:///{folder}/fixfeed.db"
    fixfeed("--input", "logs/*.log*", "--output", database, cwd=folder)
    # The other library of SQLite in this process must not open that file.
    shutil.copy(folder / "fixfeed.db", folder / "copy.db")
    return folder


def rows(day, query):
    return sqlite3.connect(day / "copy.db").execute(query).fetchall()


def test_the_executions_that_stand_are_the_fills_of_the_manifest(day):
    manifest = json.loads((day / "logs" / "manifest.json").read_bytes())
    copies = [one["session"] for one in manifest["files"].values() if "drop_copy_of" in one]
    assert copies == ["FIX.4.4:BROKER->DROPCOPY"]
    found = rows(
        day,
        "select symbol, count(*), sum(last_qty), round(sum(last_qty * last_px), 2)"
        " from executions where stands and session_pair <> 'BROKER<->DROPCOPY' group by symbol",
    )
    assert {symbol: tuple(rest) for symbol, *rest in found} == {
        symbol: (one["fills"], one["quantity"], one["notional"])
        for symbol, one in manifest["total"]["fills"].items()
    }


def test_the_orders_of_the_sample_day_are_all_there_and_fit_together(day):
    of_day = "session_pair <> 'BROKER<->DROPCOPY'"
    counted = "select count(distinct cl_ord_id || session) from messages where msg_type = 'D'"
    assert rows(day, f"select count(*) from orders where has_beginning and {of_day}") == rows(
        day, f"{counted} and cl_ord_id is not null"
    )
    assert (
        rows(day, f"select problems, count(*) from orders where {of_day} group by 1")[0][0] is None
    )
    wrong = "cum_qty <> reported_cum_qty or abs(avg_px - reported_avg_px) > 0.00006"
    assert rows(day, f"select * from orders where has_beginning and {of_day} and ({wrong})") == []
    assert rows(day, "select count(*) from derive_stretches") == [(0,)]


def test_an_order_is_found_by_any_of_its_ids(day, capsys):
    uri = f"sqlite:///{day}/fixfeed.db"
    (found,) = rows(
        day,
        "select o.order_key, first_cl_ord_id, last_cl_ord_id, o.order_id, e.exec_id, o.cum_qty"
        " from orders o join executions e on e.order_key = o.order_key"
        " where replaces > 0 and first_cl_ord_id <> last_cl_ord_id and o.drop_copy = 0"
        " and o.session like '%ALGO%' order by 1 limit 1",
    )
    key, first, *others, cum_qty = found
    assert order.main([uri, first]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"order {key}")
    assert f"cum_qty {cum_qty:.0f}" in " ".join(shown.split())
    assert "OrderCancelReplaceRequest" in shown
    for one in (*others, str(key)):
        assert order.main([uri, one]) == 0
        assert capsys.readouterr().out == shown


def test_of_several_orders_with_an_id_the_one_that_begins_is_printed_first(day, capsys):
    found = rows(
        day,
        "select i.id, o.order_key, has_beginning from order_ids i"
        " join orders o on o.order_key = i.order_key where i.id like 'CBUY%'"
        " order by has_beginning desc, first_message_at",
    )
    of_ids = {}
    for text, key, begins in found:
        of_ids.setdefault(text, []).append((key, begins))
    text, keys = next(
        (text, keys)
        for text, keys in of_ids.items()
        if {begins for _, begins in keys} == {0, 1} and keys != sorted(keys)
    )
    assert order.main([f"sqlite:///{day}/fixfeed.db", text]) == 0
    printed = re.findall(r"^order (\d+)", capsys.readouterr().out, re.MULTILINE)
    assert printed == [str(key) for key, _ in keys]


@pytest.mark.parametrize(
    ("condition", "said", "meant"),
    [
        ("Symbol = AAPL", "AAPL", "symbol = 'AAPL'"),
        ("Symbol==AAPL", "AAPL", "symbol='AAPL'"),
        ("OrdStatus = '8' and price > 10.5", "OrdStatus", "ord_status = '8' and price > 10.5"),
        ("symbl in (AAPL, MSFT)", "symbl", "symbol in ('AAPL', 'MSFT')"),
        ("ClOrdID = \"A1\" and price > 3", "ClOrdID", "first_cl_ord_id = 'A1' and price > 3"),
    ],
)  # fmt: skip
def test_a_condition_in_the_words_of_fix_is_answered_with_the_one_in_sql(
    day, condition, said, meant, capsys
):
    uri = f"sqlite:///{day}/fixfeed.db"
    assert orders.main([uri, "--where", condition]) == 2
    columns = ", ".join(TABLES["orders"].schema.names)
    assert capsys.readouterr().err == (
        f"fixfeed orders: {uri} refuses the condition: no such column: "
        f'{said}; did you mean "{meant}"? A condition is SQL: texts are in single quotes, as in '
        f"symbol = 'AAPL', and the columns are {columns}\n"
    )
    assert orders.main([uri, "--where", meant]) == 0


def test_what_a_condition_means_is_not_guessed_where_it_cannot_be_told():
    columns = TABLES["orders"].schema
    for condition in (
        "LastPx > 3 or abs(cum_qty) > 3",
        "text = 'Symbol = AAPL' and symbol = 'it''s'",
        "first_cl_ord_id <> last_cl_ord_id and sent_at > '2025-01-02'",
        "has_beginning and (price is not null or side not in ('1', '2'))",
    ):
        assert meant_condition(condition, columns) == condition


def test_postgresql_says_so_too(day, postgresql, capsys):
    fixfeed("--input", "logs/plain.log", "--output", postgresql, cwd=day)
    assert orders.main([postgresql, "--where", "ord_status = 8"]) == 2
    assert "did you mean \"ord_status = '8'\"? A condition is SQL" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
def test_busts_and_corrections_say_what_they_are_about(version, database, capsys):
    def report(number, exec_id, kind, trans, ref, quantity):
        old = f"20={trans}|" if version == "FIX.4.2" else ""
        exec_type = "1" if old else kind
        return (
            f"8={version}|9=1|35=8|49=B|56=A|34={number}|52=20250303-09:00:0{number}|11=c|37=o|"
            f"17={exec_id}|{old}150={exec_type}|39=1|19={ref}|32={quantity}|31=5|10=000|\n"
        ).replace("19=|", "")

    log = report(1, "E1", "F", 0, "", 50) + report(2, "E2", "F", 0, "", 60)
    log += report(3, "E3", "G", 2, "E1", 40) + report(4, "E4", "H", 1, "E2", 60)
    with contextlib.closing(open_store(database)) as store:
        store.prepare()
        (known,) = store.register([Source("k", "file", "a.log")], rules="r").values()
        batch = parse_block(Block("k", 0, log.encode(), b"|"))
        store.write([(known.source_id, batch)], rules="r", replace=False)
        derive(store)
    assert order.main([database, "o"]) == 0
    told = re.findall(r"Execution ?Report +(.*?) of (E\d)", capsys.readouterr().out)
    both = ("Correct", "Cancel") if version == "FIX.4.2" else ("Trade correct", "Trade cancel")
    assert told == [(both[0], "E1"), (both[1], "E2")]


def test_an_id_that_no_order_has_is_said_to_be_none(day, capsys):
    assert order.main([f"sqlite:///{day}/fixfeed.db", "nowhere"]) == 1
    assert capsys.readouterr().err == "fixfeed order: no order has the id 'nowhere'\n"


def test_orders_are_listed_by_a_condition(day, capsys):
    uri = f"sqlite:///{day}/fixfeed.db"
    where = "ord_status = '8' and symbol = 'AAPL'"
    expected = rows(day, f"select order_key from orders where {where} order by first_message_at, 1")
    assert orders.main([uri, "--where", where, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["order_key"],) for one in found] == expected
    assert orders.main([uri, "--where", where, "--limit", "1"]) == 0
    assert capsys.readouterr().out.endswith("\n1 orders\n")


def test_json_is_the_same_from_both_databases(day, tmp_path, postgresql, capsys):
    uris = [f"sqlite:///{tmp_path}/one.db", postgresql]
    outputs = [word for uri in uris for word in ("--output", uri)]
    fixfeed("--input", "logs/plain.log", *outputs, cwd=day)
    found = []
    for uri in uris:
        assert orders.main([uri, "--json", "--where", "avg_px is null"]) == 0
        found.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    assert found[0] == found[1]
    one = found[0][0]
    assert one["has_beginning"] is True
    assert one["order_qty"] > 0
    assert re.fullmatch(r"2025-01-02 08:\d\d:\d\d\.\d{6}", one["first_message_at"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["orders", "parquet:lake/"], "parquet:lake/ has no table of orders: only databases have"),
        (["order", "sqlite:///none.db", "X"], "there is no database at sqlite:///none.db"),
        (["orders", "sqlit:///x.db"], "did you mean sqlite:///x.db?"),
        (["orders", "x.db"], "none of sqlite:///fixfeed.db, postgresql://user@host/db; did you"),
        (["order", "CB-1", "X"], "'CB-1' is none of sqlite:///fixfeed.db, postgresql://user@host/db\n"),
        (["order", "CB-1", "sqlite:///x.db"],
         "the database comes first; did you mean: fixfeed order sqlite:///x.db CB-1"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_answered_in_a_sentence(day, words, text, capsys):
    words = [word.replace("DB", f"sqlite:///{day}/fixfeed.db") for word in words]
    assert command.main(words) == 2
    said = capsys.readouterr()
    assert text in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_messages_that_are_not_derived_yet_are_named(day, tmp_path, capsys):
    shutil.copy(day / "copy.db", tmp_path / "behind.db")
    connection = sqlite3.connect(tmp_path / "behind.db")
    connection.execute("insert into derive_stretches (first, last, messages) values (0, 5, 6)")
    connection.commit()
    assert orders.main([f"sqlite:///{tmp_path}/behind.db", "--limit", "1"]) == 0
    assert "note: 6 messages are not derived yet; fixfeed derive" in capsys.readouterr().err


def test_every_column_and_problem_is_explained():
    for name, table in TABLES.items():
        text = re.search(rf"^### {name}\n(.*?)(?=^##)", DOCUMENT, re.M | re.S)[1]
        named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", text, re.M)))
        assert set(table.schema.names) <= set(named), name
    for name, meaning in PROBLEMS.items():
        assert f"| `{name}` | {meaning} |" in DOCUMENT


def test_the_documented_questions_have_answers(day, database):
    log = (day / "logs" / "quickfix.log").read_bytes()
    with contextlib.closing(open_store(database)) as store:
        store.prepare()
        number = store.register([Source("file:key", "file", "day.log")], rules="r")["file:key"]
        batch = parse_block(Block("file:key", 0, log))
        store.write([(number.source_id, batch)], rules="r", replace=False)
        derive(store)
        questions = re.findall(r"^```sql\n(.*?);\n```", DOCUMENT, re.M | re.S)
        answers = [store.query(question) for question in questions]
    assert len(answers) == 7
    # Nothing is wrong in the sample day.
    assert [bool(rows) for rows in answers] == [True, True, False, True, True, True, False]
