"""The optimiser has statistics after a run that added much, and nobody waits for them."""

import subprocess
import sys
import time

import psycopg2
import pytest

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.pipelines.jobs import fixfeed
from tests.transforms.fix.messages import encode


def order(number):
    return encode([(35, b"D"), (34, b"%d" % number), (49, b"A"), (56, b"B"), (11, b"C%d" % number)])


def stored(uri, messages):
    store = open_store(uri)
    store.prepare()
    number = store.register([Source("file:key", "file", "day.log")], rules="r")[
        "file:key"
    ].source_id
    data = b"".join(order(n) + b"\n" for n in range(messages))
    store.write([(number, parse_block(Block("file:key", 0, data)))], rules="r", replace=False)
    return store


def known(select, uri):
    """Return what the optimiser knows of ClOrdID, and of how many rows."""
    if uri.startswith("sqlite"):
        query = "select stat from sqlite_stat1 where idx = 'messages_cl_ord_id'"
        tables = select(uri, "select name from sqlite_master where name = 'sqlite_stat1'")
        return [row[0] for row in select(uri, query)] if tables else []
    query = "select n_distinct from pg_stats where tablename = 'messages' and attname = 'cl_ord_id'"
    return [row[0] for row in select(uri, query)]


@pytest.mark.parametrize(("messages", "expected"), [(999, False), (1500, True)])
def test_a_run_that_adds_much_leaves_statistics(database, select, tmp_path, messages, expected):
    (tmp_path / "day.log").write_bytes(b"".join(order(n) + b"\n" for n in range(messages)))
    fixfeed("--input", "day.log", "--output", database, cwd=tmp_path)
    found = known(select, database)
    assert bool(found) == expected
    assert not expected or found[0] in (-1, "1500 1")  # all are different


def test_postgresql_keeps_statistics_of_a_table_that_grew_little(postgresql, select):
    store = stored(postgresql, 20_000)
    store.gather_statistics(20_000)
    query = "select analyze_count from pg_stat_user_tables where relname = 'messages'"
    for added in (1999, 2000):
        store.gather_statistics(added)
    store.close()
    deadline = time.monotonic() + 60
    while select(postgresql, query) != [(2,)]:
        assert time.monotonic() < deadline, select(postgresql, query)


def test_statistics_wait_for_no_other_writer_of_sqlite(tmp_path, select):
    uri = f"sqlite:///{tmp_path}/fixfeed.db"
    store = stored(uri, 1500)
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate')"
    code += "; print(flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "fixfeed.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    began = time.monotonic()
    store.gather_statistics(1500)
    assert time.monotonic() - began < 20
    assert known(select, uri) == []
    other.communicate()
    store.gather_statistics(1500)
    store.close()
    assert known(select, uri) == ["1500 1"]


def test_statistics_wait_a_second_for_a_lock_of_postgresql(postgresql, select):
    store = stored(postgresql, 1500)
    other = psycopg2.connect(postgresql)
    other.cursor().execute("lock table messages in share update exclusive mode")
    began = time.monotonic()
    store.gather_statistics(1500)
    assert time.monotonic() - began < 20
    assert known(select, postgresql) == []
    other.close()
    store.gather_statistics(1500)
    store.close()
    assert known(select, postgresql) == [-1]
