"""A database that is only read answers within its time, or says in a sentence what to do."""

import datetime
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest

from fixfeed.dashboard import database as reading
from fixfeed.dashboard.database import CONNECTIONS
from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.trouble import Kind, Trouble
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import DATE, TIME

SLOW = {
    "sqlite": "with recursive n (i) as (select 1 union all select i + 1 from n)"
    " select count(*) as n from n",
    "postgresql": "select pg_sleep(30)",
}


def trouble_of(ask):
    with pytest.raises(Trouble) as raised:
        ask()
    text = str(raised.value)
    assert "\n" not in text
    assert "select" not in text
    return raised.value.kind, text


def test_a_day_is_there_and_has_this_version(read):
    read.check()
    assert read.has_table("orders")
    assert not read.has_table("no_such_table")


VALUES = {
    "sqlite": "select ? as first, ? as messages, 12.50 as price, '2026-03-02' as day,"
    " null as text, '{\"a\": [1]}' as fields",
    "postgresql": "select cast(? as timestamptz) as first, cast(? as numeric) as messages,"
    " 12.50 as price, date '2026-03-02' as day, null as text,"
    " cast('{\"a\": [1]}' as jsonb) as fields",
}


def test_values_are_the_same_from_both_databases(read):
    at = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)
    (row,) = read.rows(VALUES[read.dialect], read.time(at), 7, types={"first": TIME, "day": DATE})
    assert row == {
        "first": at,
        "messages": 7,
        "price": Decimal("12.5"),
        "day": datetime.date(2026, 3, 2),
        "text": None,
        "fields": {"a": [1]},
    }
    assert isinstance(row["messages"], int)


def test_each_of_many_values_is_found_whatever_characters_it_has(read):
    known = ["A\0B->C", "A->C", "~0", "~1", "A", "[A]", "'", '"', "\\", "%"]
    values = " union all ".join(["select cast(? as text) as one"] * len(known))
    for asked in (known, known[1:], ["A\0B->C"], ["~0", "A\0B->C"], ["~", "A\0"]):
        end, given = read.among(asked)
        found = read.rows(f"select one from ({values}) known where one {end}", *known, given)
        expected = [one for one in known if one in asked]
        if read.dialect == "postgresql":
            expected = [one.replace("\0", "\ufffd") for one in expected]
        assert [row["one"] for row in found] == expected


def test_a_percent_sign_and_a_quote_are_values_like_others(read):
    value = "100 % o'clock %s"
    assert read.rows("select ? as text where 'a%' like 'a%' and ? = ?", value, 1, 1) == [
        {"text": value}
    ]


def test_nothing_can_be_written(read):
    for statement in ("delete from messages", "create table mine (x integer)"):
        with pytest.raises((sqlite3.OperationalError, psycopg2.Error, Trouble)):
            read.rows(statement)
    assert read.rows("select count(*) as messages from messages")[0]["messages"] > 0


def test_a_query_ends_at_its_deadline_and_the_next_one_runs(read):
    begun = time.monotonic()
    kind, text = trouble_of(lambda: read.rows(SLOW[read.dialect], seconds=0.2))
    assert kind is Kind.DEADLINE
    assert "ask for less" in text
    assert time.monotonic() - begun < 10
    assert read.rows("select 1 as one") == [{"one": 1}]


def test_more_at_once_than_there_are_connections_wait_or_are_told_so(day):
    with closing(open_database(day[0])) as database:
        running = threading.Barrier(reading.CONNECTIONS + 1)

        def ask():
            with database._connection(5):
                running.wait(60)
                running.wait(60)

        threads = [threading.Thread(target=ask) for _ in range(reading.CONNECTIONS)]
        for thread in threads:
            thread.start()
        running.wait(60)
        kind, _ = trouble_of(lambda: database.rows("select 1 as one", seconds=0.1))
        assert kind is Kind.BUSY
        running.wait(60)
        assert database.rows("select 1 as one") == [{"one": 1}]
        for thread in threads:
            thread.join()


def test_a_missing_file_is_named_with_the_one_that_was_meant(tmp_path):
    (tmp_path / "fixfeed.db").touch()
    (tmp_path / "fixfed.db.log").write_text("that is none")
    with closing(open_database(f"sqlite:///{tmp_path}/fixfed.db")) as database:
        kind, text = trouble_of(database.check)
    assert kind is Kind.MISSING
    assert "there is 'fixfeed.db'" in text
    assert not (tmp_path / "fixfed.db").exists()


def test_a_file_that_appears_later_or_is_replaced_is_read_as_it_is_then(tmp_path, day):
    if not day[0].startswith("sqlite"):
        return
    with closing(open_database(f"sqlite:///{tmp_path}/late.db")) as database:
        assert trouble_of(database.check)[0] is Kind.MISSING
        (tmp_path / "late.db").write_bytes(Path(day[0].removeprefix("sqlite:///")).read_bytes())
        database.check()
        (tmp_path / "other.db").touch()
        (tmp_path / "other.db").replace(tmp_path / "late.db")
        assert trouble_of(database.check)[0] is Kind.EMPTY
        (tmp_path / "late.db").unlink()
        assert trouble_of(database.check)[0] is Kind.MISSING


def test_a_file_that_another_database_is_copied_over_is_read_as_it_is_then(tmp_path):
    # In the journal mode of fixfeed's own: with WAL nothing else tells a change of the file itself.
    for name, number in (("live", 1), ("backup", 2)):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as made:
            made.execute("pragma journal_mode = wal")
            made.execute("create table what (number integer)")
            made.executemany("insert into what values (?)", [(number,)] * 1000 * number)
            made.commit()
    live, asked = tmp_path / "live.db", "select count(*) as n, min(number) as least from what"
    with closing(open_database(f"sqlite:///{live}")) as database:
        assert database.rows(asked) == [{"n": 1000, "least": 1}]
        live.write_bytes((tmp_path / "backup.db").read_bytes())
        assert database.rows(asked) == [{"n": 2000, "least": 2}]


def test_a_file_that_is_moved_away_and_back_is_read_with_what_is_stored_later(tmp_path):
    stored = (
        "import sqlite3, sys; made = sqlite3.connect(sys.argv[1]);"
        " made.execute('pragma journal_mode = wal');"
        " made.execute('create table if not exists what (number integer)');"
        " made.execute('insert into what values (1)'); made.commit(); made.close()"
    )
    store = [sys.executable, "-c", stored, str(tmp_path / "live.db")]
    subprocess.run(store, check=True)
    asked = "select count(*) as n from what"
    files = [f"{{}}.db{end}" for end in ("", "-wal", "-shm")]
    with (
        closing(open_database(f"sqlite:///{tmp_path}/live.db")) as pages,
        closing(open_database(f"sqlite:///{tmp_path}/live.db")) as api,
    ):
        assert pages.rows(asked) == api.rows(asked) == [{"n": 1}]
        for one, other in (("live", "lives"), ("lives", "live")):
            for name in files:
                (tmp_path / name.format(one)).rename(tmp_path / name.format(other))
            if other == "lives":
                # To name what may have been meant it must not read it: when a file is closed, all
                # locks are gone that this process has on it, and who writes takes it for unread.
                assert "there is 'lives.db'" in trouble_of(lambda: pages.rows(asked))[1]
        for number in (2, 3):
            subprocess.run(store, check=True)
            assert pages.rows(asked) == api.rows(asked) == [{"n": number}]


def test_an_empty_database_says_how_to_fill_it(database):
    if database.startswith("sqlite"):
        Path(database.removeprefix("sqlite:///")).touch()
    with closing(open_database(database)) as opened:
        kind, text = trouble_of(opened.check)
    assert kind is Kind.EMPTY
    assert "fixfeed --input" in text


def test_a_table_that_was_renamed_is_told_as_a_change(database):
    with closing(open_store(database)) as store:
        store.prepare()
        store.query("alter table orders rename to old_orders")
    with closing(open_database(database)) as opened:
        kind, text = trouble_of(lambda: opened.rows("select * from orders"))
    assert kind is Kind.OTHER_VERSION
    assert "orders" in text
    assert "was changed since" in text


@pytest.mark.parametrize(("version", "said"), [(2, "fixfeed migrate"), (99, "newer fixfeed")])
def test_another_version_says_what_to_do(version, said, tmp_path):
    with closing(sqlite3.connect(tmp_path / "old.db")) as made:
        made.execute("create table schema_version (version integer)")
        made.execute("insert into schema_version values (?)", (version,))
        made.commit()
    with closing(open_database(f"sqlite:///{tmp_path}/old.db")) as database:
        kind, text = trouble_of(database.check)
    assert kind is Kind.OTHER_VERSION
    assert said in text


def test_a_file_that_is_none_and_a_folder_are_told(tmp_path):
    (tmp_path / "text.db").write_text("no database at all, but a text that is long enough " * 9)
    with closing(open_database(f"sqlite:///{tmp_path}/text.db")) as database:
        assert "is no database" in trouble_of(database.check)[1]
    with closing(open_database(f"sqlite:///{tmp_path}")) as database:
        assert "it is a folder" in trouble_of(database.check)[1]


def test_a_locked_file_is_told(tmp_path):
    # Another process: two connections of one would be one library.
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('create table t (x)'); c.execute('begin exclusive');"
        "print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "locked.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline()
        with closing(open_database(f"sqlite:///{tmp_path}/locked.db")) as database:
            kind, text = trouble_of(database.check)
        assert kind is Kind.LOCKED
        assert "wait until" in text
        other.stdin.close()


def test_a_server_that_is_away_and_one_that_comes_back_are_told(postgresql):
    with closing(open_database("postgresql://u:secret@127.0.0.1:1/db")) as away:
        kind, text = trouble_of(away.check)
    assert kind is Kind.AWAY
    assert "secret" not in text
    with closing(open_database(postgresql.rpartition("/")[0] + "/none")) as missing:
        assert trouble_of(missing.check)[0] is Kind.MISSING
    with closing(open_database(postgresql)) as database:
        database.rows("select 1 as one")
        with closing(psycopg2.connect(postgresql)) as other:
            other.autocommit = True
            other.cursor().execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        # The connection is gone, and another one takes its place.
        assert database.rows("select 1 as one") == [{"one": 1}]


def test_a_server_that_is_silent_is_away_soon_after_the_deadline(postgresql, monkeypatch):
    monkeypatch.setattr("fixfeed.dashboard.postgresql._GRACE", 0.3)
    with closing(open_database(postgresql)) as database:
        server = database.rows("select pg_backend_pid() as pid")[0]["pid"]
        os.kill(server, signal.SIGSTOP)
        try:
            kind, text = trouble_of(lambda: database.rows("select 1 as one", seconds=0.2))
        finally:
            os.kill(server, signal.SIGCONT)
        assert kind is Kind.AWAY
        assert "does not answer" in text
        assert database.rows("select 1 as one") == [{"one": 1}]


def test_waiting_for_a_connection_and_connecting_share_the_deadline_of_a_query(monkeypatch):
    connected, connect = [], psycopg2.connect

    def recorded(*args, connect_timeout, **options):
        connected.append(connect_timeout)
        return connect(*args, connect_timeout=connect_timeout, **options)

    monkeypatch.setattr(psycopg2, "connect", recorded)
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as silent:
        host, port = silent.getsockname()  # takes connections, as a frozen server's system does
        with (
            closing(open_database(f"postgresql://u@{host}:{port}/db")) as database,
            ThreadPoolExecutor(3 * CONNECTIONS) as pool,
        ):
            asked = [
                pool.submit(trouble_of, lambda: database.rows("select 1", seconds=3))
                for _ in range(3 * CONNECTIONS)
            ]
            kinds = {one.result()[0] for one in asked}
    # The first ones have nearly three seconds, the next ones one, which libpq makes two.
    assert set(connected) == {2}
    assert kinds == {Kind.AWAY, Kind.BUSY}


def test_a_place_that_is_no_database_is_refused():
    for uri in ("parquet:lake/", "fixfeed.db", "sqlite:///", "sqlite://x", "mysql://host/db"):
        with pytest.raises(SinkError):
            open_database(uri)
