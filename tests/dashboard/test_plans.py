"""What pages ask is answered by the indexes that are for it, also among many messages."""

import datetime
import re
from contextlib import closing

import pytest

from fixfeed.dashboard.open import open_database
from fixfeed.dashboard.queries import messages
from fixfeed.dashboard.queries.executions import executions
from fixfeed.dashboard.view import View
from fixfeed.io.sql.minute_counts import count_all
from fixfeed.io.sql.open import open_store
from tests.dashboard.stored_day import store

MANY = 40_000
AT = datetime.datetime(2025, 1, 2, 9, 30, tzinfo=datetime.UTC)
_NUMBERS = {
    "sqlite": "with recursive n (i) as (select 1 union all select i + 1 from n where i < {many})"
    " select {columns} from n",
    "postgresql": "select {columns} from generate_series(1, {many}) n (i)",
}
_TIMES = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S', '2025-02-01', (i * 20) || ' seconds') || '.000000'",
    "postgresql": "timestamptz '2025-02-01 00:00:00+00' + (i * 20) * interval '1 second'",
}


def fill(uri):
    """Store a day, and many plain messages: one in 500 is of another session, and a Reject."""
    store(uri)
    with closing(open_store(uri)) as opened, opened.transaction():
        kind = opened.dialect
        values = {
            "message_id": "i",
            "source_id": "0",
            "session": "case when i % 500 = 0 then 'FIX.4.4:RARE->B' else 'FIX.4.4:A->B' end",
            "msg_type": "case when i % 500 = 0 then '3' else '8' end",
            "sending_time": _TIMES[kind],
            "symbol": "'S' || (i % 100)",
            "cl_ord_id": "'C' || i",
            "raw": "cast('8=FIX' as blob)" if kind == "sqlite" else "'8=FIX'::bytea",
            "fields": "'{}'",
        }
        select = _NUMBERS[kind].format(columns=", ".join(values.values()), many=MANY)
        opened.query(f"insert into messages ({', '.join(values)}) {select}")
        opened.query("delete from minute_counts")
        count_all(opened)
    if kind == "postgresql":
        with closing(open_store(uri)) as opened:
            opened.query("analyze")


class Noting:
    """A database that notes what it is asked."""

    def __init__(self, database):
        self._database = database
        self.asked = []

    def __getattr__(self, name):
        return getattr(self._database, name)

    def rows(self, statement, *values, **more):
        self.asked.append((statement, values))
        return self._database.rows(statement, *values, **more)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def many(request, tmp_path_factory):
    if request.param == "sqlite":
        uri = f"sqlite:///{tmp_path_factory.mktemp('many') / 'fixfeed.db'}"
    else:
        uri = request.getfixturevalue("many_postgresql")
    fill(uri)
    with closing(open_database(uri)) as database:
        yield database


VIEWS = {
    "newest": View(),
    "since": View(begin=AT),
    "type": View(types=("3",)),
    "session": View(sessions=("FIX.4.4:RARE->B",)),
    "both": View(sessions=("FIX.4.4:A->B",), types=("8",), end=AT + datetime.timedelta(days=90)),
    "any tag": View("PartyID exists"),
    "symbol": View("Symbol=S7"),
    "order": View("ClOrdID=C777"),
    "text": View('"no such text"'),
}


INDEXES = {f"messages_{name}" for name in ("time", "defects", "symbol", "cl_ord_id")}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_pages_of_messages_read_along_the_index_by_time(view, many):
    noting = Noting(many)
    cursor = messages.page(noting, view, limit=50).older
    if cursor:
        older = messages.page(noting, view, cursor=cursor, limit=50)
        messages.page(noting, view, cursor=older.newer, limit=50)
    assert noting.asked
    for statement, values in noting.asked:
        plan = many.plan(statement, *values)
        table = re.search(r" from (\w+)", statement)[1]
        if table == "messages":
            assert INDEXES & set(re.findall(r"\w+", plan)), (statement, plan)
        elif view.types:  # else PostgreSQL may well read all counts of minutes, which are few
            assert "minute_counts_" in plan
        assert table in ("progress", "runs") or f"SCAN {table}\n" not in f"{plan}\n"
        assert "Seq Scan on messages" not in plan
        if table == "messages" and "order by" in statement and "is null" not in statement:
            assert "TEMP B-TREE" not in plan
            assert "Sort Key: message_id" not in plan


def test_counts_sessions_and_single_messages_are_found_by_an_index(many):
    noting = Noting(many)
    assert messages.count(noting, View(types=("3",))) == MANY // 500
    message_id = messages.page(many, View(types=("3",)), limit=1).rows[0]["message_id"]
    assert messages.message(noting, message_id)
    assert len(messages.around(noting, message_id, each=3)) >= 4
    executions(noting, View(), limit=5)
    for statement, values in noting.asked:
        plan = many.plan(statement, *values)
        assert "Seq Scan on messages" not in plan, statement
        assert "SCAN messages\n" not in f"{plan}\n"
        assert "SCAN m\n" not in f"{plan}\n"
