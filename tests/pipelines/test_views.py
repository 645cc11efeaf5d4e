"""`fixfeed views` writes a DuckDB file with the views of a lake."""

import subprocess
import sys

import duckdb
import pytest

from fixfeed.pipelines.fixfeed import main
from tests.pipelines.jobs import fixfeed
from tests.transforms.fix.messages import encode


def report(number):
    fields = {35: b"8", 34: b"%d" % number, 49: b"A", 56: b"B", 52: b"20250102-09:30:00"}
    fields |= {37: b"O", 17: b"E%d" % number, 150: b"F", 39: b"1", 32: b"5", 31: b"2.5"}
    return encode(list(fields.items())) + b"\n"


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "day.log").write_bytes(report(1))
    # A name that means something to patterns and to SQL.
    place = tmp_path / "it's [a] lake"
    fixfeed("--input", "day.log", "--output", f"parquet:{place}", cwd=tmp_path)
    return place


def fills(file, folder):
    code = "import duckdb, sys; found = duckdb.connect(sys.argv[1], read_only=True)"
    code += "; print(found.sql('select count(*), sum(last_qty) from fills').fetchall())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, cwd=folder
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_file_answers_from_any_folder_and_of_a_lake_that_has_grown(lake, tmp_path, capsys):
    assert main(["views", str(lake)]) == 0
    file = lake / "fixfeed.duckdb"
    assert capsys.readouterr().out == (
        f'{file} has the views; ask it: duckdb "{file}" "select * from fills"\n'
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert fills(file, elsewhere) == "[(1, Decimal('5.0000000000'))]"
    (tmp_path / "day.log").write_bytes(report(1) + report(2))
    fixfeed("--input", "day.log", "--output", f"parquet:{lake}", cwd=tmp_path)
    assert fills(file, elsewhere) == "[(2, Decimal('10.0000000000'))]"
    assert {path.name for path in lake.iterdir()} >= {"_fixfeed", "fixfeed.duckdb", "messages"}


def test_a_relative_lake_and_file_may_be_named(lake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = f"parquet:{lake.name}/?partition-by=date,msg_type"
    assert main(["views", place, "--output", "v.db"]) == 0
    with duckdb.connect("v.db", read_only=True) as connection:
        names = connection.sql("select table_name from information_schema.tables").fetchall()
        messages = connection.sql("select * from messages").columns
        counted = connection.sql("select count(*) from messages_named").fetchall()
    assert {("messages",), ("messages_named",), ("fills",), ("codes",)} <= set(names)
    assert messages[:3] == ["message_id", "source_id", "session"]
    assert counted == [(1,)]


def refused(arguments, capsys):
    assert main(["views", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_a_folder_that_is_no_lake_is_refused(tmp_path, capsys):
    said = refused([str(tmp_path)], capsys)
    assert said.startswith(f"fixfeed views: there is no lake of fixfeed's at {tmp_path}: no ")
    assert not list(tmp_path.iterdir())


def test_a_lake_without_messages_is_refused(tmp_path, capsys):
    (tmp_path / "day.log").write_bytes(b"8=FIX.4.4|junk=1|2=3|\n")
    options = {"cwd": tmp_path, "expected": 7}
    fixfeed("--input", "day.log", "--output", f"parquet:{tmp_path}/lake", **options)
    said = refused([f"{tmp_path}/lake"], capsys)
    assert said == (
        f"fixfeed views: {tmp_path}/lake has no messages yet: run fixfeed before, then this again\n"
    )


def test_an_existing_file_is_refused_and_left_alone(lake, tmp_path, capsys):
    file = tmp_path / "mine.duckdb"
    file.write_text("mine")
    said = refused([str(lake), "--output", str(file)], capsys)
    assert said == (f"fixfeed views: {file} exists already: remove it, or name another --output\n")
    assert file.read_text() == "mine"


def test_a_file_that_cannot_be_made_is_refused(lake, tmp_path, capsys):
    file = tmp_path / "gone" / "views.duckdb"
    said = refused([str(lake), "--output", str(file)], capsys)
    assert said == f"fixfeed views: cannot make {file}: there is no folder {file.parent}\n"


@pytest.mark.parametrize("place", ["sqlite:///fixfeed.db", "postgresql://user@host/db"])
def test_a_database_has_its_views_already(place, capsys):
    assert refused([place], capsys) == (
        f"fixfeed views: {place} has its views already; name a lake: lake/\n"
    )


def test_without_duckdb_it_says_what_to_install(lake, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert refused([str(lake)], capsys) == (
        "fixfeed views: the package duckdb is missing: pip install 'fixfeed[duckdb]'\n"
    )
