"""Every output has the names that values have in the version and the dictionary of a message."""

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from fixfeed.pipelines.fixfeed import main
from tests.documented_commands import queries
from tests.transforms.fix.messages import encode

ROOT = Path(__file__).parents[2]

BROKER = """\
<fix type='FIX' major='4' minor='4'>
 <messages>
  <message name='AllocationHint' msgcat='app' msgtype='U1'>
   <field name='Side' required='N'/>
  </message>
 </messages>
 <fields>
  <field number='54' name='Side' type='CHAR'>
   <value enum='1' description='BID'/><value enum='2' description='SELL'/>
   <value enum='Z' description='HOUSE'/>
  </field>
  <field number='20001' name='Desk' type='INT'><value enum='7' description='FX desk'/></field>
 </fields>
</fix>
"""
VENUE = """\
<fix type='FIX' major='4' minor='2'>
 <fields>
  <field number='40' name='OrdType' type='CHAR'><value enum='#' description='DARK_ORDER'/></field>
 </fields>
</fix>
"""
OLD = ("ExecutionReport", None, "Pending cancel/replace", None)
MESSAGES = [
    # version, sender, fields; the names of MsgType, Side, OrdStatus and OrdType
    ("FIX.4.0", b"A", [(35, b"8"), (39, b"6")], OLD),
    ("FIX.4.1", b"A", [(35, b"8"), (39, b"6")], OLD),
    ("FIX.4.2", b"A", [(35, b"8"), (39, b"6")], ("ExecutionReport", None, "Pending cancel", None)),
    ("FIX.4.2", b"A", [(35, b"J"), (40, b"#")], ("Allocation", None, None, "Dark order")),
    ("FIX.4.2", b"A", [(35, b"b")], ("QuoteAcknowledgement", None, None, None)),
    ("FIX.4.4", b"A", [(35, b"J"), (40, b"#")], ("AllocationInstruction", None, None, None)),
    ("FIX.4.4", b"A", [(35, b"b"), (54, b"1")], ("MassQuoteAcknowledgement", "Buy", None, None)),
    ("FIX.4.4", b"A", [(35, b"U1"), (54, b"Z")], (None, None, None, None)),
    ("FIX.4.4", b"BROKER", [(35, b"U1"), (54, b"Z")], ("AllocationHint", "House", None, None)),
    ("FIX.4.4", b"BROKER", [(35, b"D"), (54, b"1")], ("NewOrderSingle", "Bid", None, None)),
    ("FIX.4.4", b"BROKER", [(35, b"D"), (54, b"2")], ("NewOrderSingle", "Sell", None, None)),
    ("FIX.4.4", b'BRO"KER\\', [(35, b"U1"), (54, b"1")], (None, "Buy", None, None)),
    ("FIXT.1.1", b"A", [(35, b"8"), (1128, b"3"), (39, b"6")], OLD),
    ("FIXT.1.1", b"A", [(35, b"b"), (39, b"6")], ("MassQuoteAck", None, "Pending cancel", None)),
    ("FIX4.4", b"A", [(35, b"8"), (39, b"6")], ("ExecutionReport", None, "Pending cancel", None)),
]  # fmt: skip
EXPECTED = [names for *_, names in MESSAGES]
COLUMNS = ("msg_type", "side", "ord_status", "ord_type")
NAMES = ", ".join(f"{column}_name" for column in COLUMNS)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the job on a log of these messages, with dictionaries of a version and of sessions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broker.xml").write_text(BROKER)
    (tmp_path / "venue.xml").write_text(VENUE)
    log = b"".join(
        encode([fields[0], (49, sender), (56, b"ME"), *fields[1:]], version)
        for version, sender, fields, _ in MESSAGES
    )
    (tmp_path / "day.log").write_bytes(log)

    def run(*outputs):
        words = [word for output in outputs for word in ("--output", output)]
        dictionaries = ["--dictionary", "BROKER->*=+broker.xml", "--dictionary", "+venue.xml"]
        assert main(["--input", "day.log", *dictionaries, "--names", "--quiet", *words]) == 0

    return run


def test_a_database_names_values_as_their_messages_do(run, database, select):
    run(database)
    assert select(database, f"select {NAMES} from messages_named order by message_id") == EXPECTED
    # One row a value, so that a join by hand finds each message once.
    other = "other_names" if database.startswith("sqlite") else "other_names::text"
    query = f"select field, value, name, {other} from codes where value in ('U1', 'Z', '#', '7')"
    found = {
        (field, value): (name, others and json.loads(others))
        for field, value, name, others in select(database, query)
    }
    session = "FIX.4.4:BROKER->ME"
    assert {key: one for key, one in found.items() if one[1]} == {
        ("Desk", "7"): ("FX desk", {session: "FX desk"}),
        ("MsgType", "U1"): ("AllocationHint", {session: "AllocationHint"}),
        ("RefMsgType", "U1"): ("AllocationHint", {session: "AllocationHint"}),
        ("LegSide", "Z"): ("House", {session: "House"}),
        ("Side", "Z"): ("House", {session: "House"}),
        ("OrdType", "#"): ("Dark order", {"other": "", "4": "Dark order", "FIX.4.2": "Dark order"}),
    }


def test_a_second_run_keeps_the_names_and_adds_its_own(run, database, select, tmp_path):
    log = (tmp_path / "day.log").read_bytes()
    run(database)
    more = encode([(35, b"U1"), (49, b"ME"), (56, b"BROKER"), (54, b"Z")])
    (tmp_path / "day.log").write_bytes(log + more)
    run(database)
    names = select(database, f"select {NAMES} from messages_named order by message_id")
    assert names == [*EXPECTED, ("AllocationHint", "House", None, None)]
    one = "select count(*) from codes"
    assert select(database, one) == select(
        database, "select count(*) from (select distinct field, value from codes) c"
    )


def test_a_lake_has_the_names_in_its_columns_and_its_codes(run):
    run("parquet:lake/")
    rows = pq.read_table("lake/messages").sort_by("message_id").to_pylist()
    assert [tuple(row[f"{column}_name"] for column in COLUMNS) for row in rows] == EXPECTED
    assert main(["views", "lake/"]) == 0
    with duckdb.connect("lake/fixfeed.duckdb", read_only=True) as views:
        found = views.sql(f"select {NAMES} from messages_named order by message_id").fetchall()
        codes = views.sql("select name, other_names from codes where value = 'U1'").fetchall()
    assert found == EXPECTED
    assert codes == [("AllocationHint", '{"FIX.4.4:BROKER->ME":"AllocationHint"}')] * 2


def test_views_over_a_lake_of_an_older_version_know_the_names_of_fix(run):
    run("parquet:lake/")
    shutil.rmtree("lake/codes")
    assert main(["views", "lake/"]) == 0
    with duckdb.connect("lake/fixfeed.duckdb", read_only=True) as views:
        found = views.sql("select ord_status_name from messages_named order by message_id limit 3")
        assert found.fetchall() == [("Pending cancel/replace",)] * 2 + [("Pending cancel",)]


def test_a_lake_keeps_its_codes_over_a_second_run(run):
    run("parquet:lake/")
    before = pq.read_table("lake/codes/codes.parquet")
    assert before.column_names == ["field", "value", "name", "other_names"]
    run("parquet:lake/")
    assert pq.read_table("lake/codes/codes.parquet").equals(before)


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL", "DuckDB"])
def test_the_documented_query_names_each_of_several_codes(kind, tmp_path, request, select):
    log = encode([(35, b"D"), (18, b"1 G W")]) + encode([(35, b"D"), (18, b'5 "\\')])
    (tmp_path / "day.log").write_bytes(
        log + encode([(35, b"D"), (18, b"f")]) + encode([(35, b"0")])
    )
    text = (ROOT / "docs" / "connectors.md").read_text()
    (query,) = [one for kinds, one in queries(text) if kind == kinds and "ExecInst" in one]
    query = f"select exec_inst from ({query}) q order by message_id"
    lake, database = f"parquet:{tmp_path}/lake", f"sqlite:///{tmp_path}/fixfeed.db"
    output = {"SQLite": database, "DuckDB": lake}.get(kind) or request.getfixturevalue("postgresql")
    assert main(["--input", f"{tmp_path}/day.log", "--quiet", "--output", output]) == 0
    if kind == "DuckDB":
        assert main(["views", f"{tmp_path}/lake"]) == 0
        with duckdb.connect(f"{tmp_path}/lake/fixfeed.duckdb", read_only=True) as views:
            found = views.sql(query).fetchall()
    else:
        found = select(output, query)
    named = ["Not held; All or none; Peg to VWAP", "Held", "Intermarket sweep"]
    assert found == [(one,) for one in named]


def test_lines_of_json_have_the_names(run):
    run("jsonl:out.jsonl")
    with open("out.jsonl") as file:
        found = [json.loads(line).get("names", {}) for line in file]
    assert [tuple(one.get(column) for column in COLUMNS) for one in found] == EXPECTED
