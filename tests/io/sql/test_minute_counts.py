"""`minute_counts` adds up to the messages after every commit."""

import contextlib
import random

import pytest

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql import minute_counts
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines import migrate
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode, random_log

MINUTES = {
    "sqlite": "substr(coalesce(sending_time, captured_at), 1, 16) || ':00.000000'",
    "postgresql": "date_trunc('minute', coalesce(sending_time, captured_at))",
}
BEFORE_1970 = encode([(35, b"D"), (49, b"A"), (56, b"B"), (52, b"19691231-23:59:30.5")])
WITHOUT_TIME = encode([(35, b"8"), (49, b"A"), (56, b"B")])


@pytest.fixture
def store(database):
    with contextlib.closing(open_store(database)) as found:
        found.prepare()
        yield found


def log(seed, messages=60):
    data = random_log(random.Random(seed), messages, mutated=0.2, delimiter=b"|")
    return data + b"\n" + BEFORE_1970 + b"\n" + WITHOUT_TIME + b"\n"


def write(store, data, *, key="file:key", rules="r", replace=False, start=0):
    number = store.register([Source(key, "file", "day.log")], rules=rules, replace=replace)[key]
    batch = parse_block(Block(key, start, data, b"|"))
    store.write([(number.source_id, batch)], rules=rules, replace=replace)
    return batch.messages.num_rows


def counted(store):
    rows = store.query(
        "select minute, session, direction, msg_type, sum(messages), sum(defective)"
        " from minute_counts group by 1, 2, 3, 4 having sum(messages) <> 0 or sum(defective) <> 0"
    )
    return sorted(tuple(map(str, row)) for row in rows)


def there(store):
    rows = store.query(
        f"select {MINUTES[store.dialect]}, session, direction, msg_type, count(*), count(defects)"
        " from messages group by 1, 2, 3, 4"
    )
    return sorted(tuple(map(str, row)) for row in rows)


def test_the_sums_are_those_of_the_messages_whatever_is_stored_again_or_replaced(store):
    write(store, log(1))
    assert counted(store) == there(store)
    write(store, log(1))  # again
    write(store, log(2), key="file:other", start=77)
    assert counted(store) == there(store)
    write(store, log(3, 20), rules="new", replace=True)
    assert counted(store) == there(store)
    assert len(there(store)) > 10
    assert {row[0] for row in counted(store)} >= {"None"}


def test_merging_leaves_a_row_for_each_minute_and_kind_and_the_same_sums(store):
    for number in range(4):
        write(store, log(number), key=f"file:{number}")
    before = counted(store)
    store.gather_statistics(1)
    assert counted(store) == before == there(store)
    assert store.query("select count(*) from minute_counts") == [(len(before),)]
    store.gather_statistics(1)
    assert counted(store) == before


def test_what_is_replaced_by_nothing_leaves_no_row_once_merged(store):
    write(store, log(1))
    write(store, b"\n" * len(log(1)), rules="new", replace=True)
    assert there(store) == counted(store) == []
    store.gather_statistics(1)
    assert store.query("select count(*) from minute_counts") == [(0,)]


def test_what_is_not_committed_is_not_counted(store, monkeypatch):
    ingest = store.ingest

    def fails(table, batches):
        if table == "messages":
            raise KeyboardInterrupt
        ingest(table, batches)

    monkeypatch.setattr(store, "ingest", fails)
    with pytest.raises(KeyboardInterrupt):
        write(store, log(1))
    assert store.query("select count(*) from minute_counts") == [(0,)]


def test_two_jobs_may_store_while_one_merges(database):
    with (
        contextlib.closing(open_store(database)) as one,
        contextlib.closing(open_store(database)) as other,
    ):
        one.prepare()
        write(one, log(1))
        if one.dialect == "postgresql":  # in SQLite the second waits
            with one.transaction():
                minute_counts.merge_counts(one)
                write(other, log(2), key="file:other")
                minute_counts.merge_counts(one)
            other.gather_statistics(1)
        write(other, log(3), key="file:third")
        one.gather_statistics(1)
        assert counted(one) == there(one)


def test_a_migrated_database_has_its_counts(database):
    with contextlib.closing(open_store(database)) as store:
        store.prepare()
        write(store, log(1))
        expected = counted(store)
        tables = [name for one in store.table.derived for name in one.tables]
        for name in (*tables, "derive_stretches", "derive_removed", "minute_counts"):
            store.query(f"drop table {name}")
        store.query("update schema_version set version = 4")
    assert migrate.main([database]) == 0
    with contextlib.closing(open_store(database)) as store:
        assert counted(store) == expected == there(store)
