"""Asks a view in SQLite, in PostgreSQL and over Parquet; the answers must be equal."""

import datetime
import json
from decimal import Decimal

import duckdb
import pytest

from fixfeed.io.ledger.source import Source
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.views import write_views
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block


def log(*messages):
    """Return the log of messages given as text: version, then fields with `|` after each."""
    lines = []
    for message in messages:
        version, _, rest = message.partition("|")
        body = rest.replace("|", "\x01").encode()
        data = f"8={version}\x019={len(body)}\x01".encode() + body
        lines.append(data + b"10=%03d\x01\n" % (sum(data) % 256))
    return b"".join(lines)


def _store(logs, *, database=None, lake=None):
    sources = [Source(f"file:{n}", "file", f"{n}.log") for n in range(len(logs))]
    if lake is None:
        ledger = writer = open_store(database)
    else:
        ledger, writer = ParquetLedger(str(lake)), ParquetWriter(str(lake))
    ledger.prepare()
    known = ledger.register(sources, rules="r")
    writer.prepare()
    for source, data in zip(sources, logs, strict=True):
        batch = parse_block(Block(source.key, 0, data))
        number = known[source.key].source_id
        assert writer.write([(number, batch)], rules="r", replace=False) == [data.count(b"\n")]
    ledger.close()
    if writer is not ledger:
        writer.close()


def _plain(value):
    """Return a value as it is in all three, whatever its type is there."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    return value


@pytest.fixture
def ask(tmp_path, postgresql, select):
    """Return what a query says of logs, the same in SQLite, PostgreSQL and DuckDB.

    Each log is the text of its messages in a list; each is a source of its own, in this order.
    """

    def run(statement, *messages):
        logs = [log(*one) for one in messages]
        sqlite = f"sqlite:///{tmp_path}/views.db"
        _store(logs, database=sqlite)
        _store(logs, database=postgresql)
        _store(logs, lake=tmp_path / "lake")
        write_views(str(tmp_path / "lake"), tmp_path / "views.duckdb")
        with duckdb.connect(str(tmp_path / "views.duckdb"), read_only=True) as connection:
            connection.execute("set timezone = 'America/New_York'")
            found = {"duckdb": connection.execute(statement).fetchall()}
        found |= {"sqlite": select(sqlite, statement), "postgresql": select(postgresql, statement)}
        answers = {
            name: [tuple(_plain(value) for value in row) for row in rows]
            for name, rows in found.items()
        }
        assert answers["sqlite"] == answers["postgresql"] == answers["duckdb"]
        return answers["sqlite"]

    return run
