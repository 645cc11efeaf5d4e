"""Each message is stored once, even if it comes twice, is cut differently, or fails midway."""

import contextlib
import datetime
import itertools
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from fixfeed.io.commit import Run
from fixfeed.io.ledger.ledger import SchemaError, SinkError, SinkFailed
from fixfeed.io.ledger.source import Source
from fixfeed.io.sql import postgresql, progress, tables
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.sink import WriteToSql
from fixfeed.transforms.batch import Batch, Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.fix.schema import COLUMNS, DATE, DECIMAL, MESSAGES, TIME
from tests.io.ledger.known_sources import check_known_by_what_was_read
from tests.transforms.fix.messages import encode


def source(key="file:key", name="day.log"):
    return Source(key, "file", name)


def opened(uri):
    store = open_store(uri)
    store.prepare()
    return store


def registered(store, rules="r", one=None):
    one = one or source()
    return store.register([one], rules=rules)[one.key]


def write(store, number, *batches):
    return store.write([(number, one) for one in batches], rules="r", replace=False)


def order(number):
    return encode([(35, b"D"), (34, b"%d" % number), (49, b"A"), (56, b"B"), (11, b"C%d" % number)])


LOG = b"".join(order(n) + b"\n" for n in range(30)) + b"8=FIX.4.4|junk=1|2=3|\n"


def batch(start, end, **options):
    return parse_block(Block("file:key", start, LOG[start:end], **options))


BORDERS = [0]
for line in LOG.splitlines(keepends=True):
    BORDERS.append(BORDERS[-1] + len(line))


def content(select, uri):
    messages = select(uri, "select message_id, msg_seq_num, raw from messages order by message_id")
    failures = select(uri, "select failure_id, reason, raw from failures order by failure_id")
    progress = select(
        uri,
        'select source_id, rules, start, "end", stored, filtered, failed from progress'
        " order by 2, 3",
    )
    return messages, failures, progress


@pytest.fixture
def whole(select, tmp_path_factory):
    uri = f"sqlite:///{tmp_path_factory.mktemp('whole') / 'whole.db'}"
    store = opened(uri)
    write(store, registered(store).source_id, batch(0, len(LOG)))
    store.close()
    return content(select, uri)


def test_every_column_is_stored_unchanged(database, select):
    when = datetime.datetime(2025, 1, 2, 9, 30, 0, 123456, datetime.UTC)
    example = {
        pa.string(): 'text "quoted" é\\',
        pa.int64(): 2**53 + 1,
        pa.bool_(): True,
        TIME: when,
        DATE: when.date(),
        DECIMAL: Decimal("1234.5600000000"),
        pa.binary(): b"8=FIX\x00\xff",
    }
    full = {field.name: example[field.type] for field in MESSAGES}
    full |= {
        "position": 5,
        "fields": '{"Text":"a\\u0001\\"","55":["1","2"]}',
        "enriched": '{"a":1}',
    }
    empty = dict.fromkeys(MESSAGES.names) | {"position": 9, "fields": "{}", "raw": b""}
    rows = Batch("file:key", 0, 20, pa.RecordBatch.from_pylist([full, empty], MESSAGES), read=2)
    store = opened(database)
    assert write(store, registered(store).source_id, rows) == [2]
    store.close()

    found = select(database, f"select {', '.join(FIX.table.keyed)} from messages order by 1")

    postgresql = database.startswith("postgresql")
    stored = {
        TIME: when if postgresql else "2025-01-02 09:30:00.123456",
        DATE: when.date() if postgresql else "2025-01-02",
        DECIMAL: Decimal("1234.5600000000") if postgresql else 1234.56,
        pa.bool_(): True if postgresql else 1,
    }
    first = (1 << 40) + 5
    expected = [first, 1, *(stored.get(f.type, full[f.name]) for f in list(MESSAGES)[1:])]
    if postgresql:
        where = {name: n for n, name in enumerate(FIX.table.keyed)}
        expected[where["fields"]] = {"Text": 'a\x01"', "55": ["1", "2"]}
        expected[where["enriched"]] = {"a": 1}
    assert list(found[0]) == expected
    assert {n: v for n, v in zip(FIX.table.keyed, found[1], strict=True) if v is not None} == {
        "message_id": first + 4,
        "source_id": 1,
        "fields": {} if postgresql else "{}",
        "raw": b"",
    }


def test_postgresql_stores_a_replacement_character_for_a_nul(postgresql, select):
    raw = encode([(35, b"D"), (49, b"A\x00B"), (5001, b"x\x00\\u0000\x00\x00")])
    store = opened(postgresql)
    one = parse_block(Block("file:key", 0, raw))
    write(store, registered(store).source_id, one)
    store.close()
    found = select(postgresql, "select sender_comp_id, fields ->> 'Tag5001', raw from messages")
    assert found == [("A�B", "x�\\u0000��", raw)]


def test_a_repeated_batch_adds_nothing(database, select, whole):
    store = opened(database)
    number = registered(store).source_id
    assert write(store, number, batch(0, len(LOG))) == [30]
    assert write(store, number, batch(0, len(LOG))) == [0]
    store.close()
    assert content(select, database) == whole


@pytest.mark.parametrize("done", [[(0, 9)], [(3, 7), (12, 31)], [(5, 6), (8, 9), (20, 25)]])
def test_blocks_cut_differently_add_only_what_is_missing(database, select, whole, done):
    store = opened(database)
    number = registered(store).source_id
    for first, last in done:
        one = batch(BORDERS[first], BORDERS[last])
        write(store, number, one)
    write(store, number, batch(0, BORDERS[10]))
    write(store, number, batch(BORDERS[10], len(LOG), last=True))
    store.finish({number: ""})
    store.close()
    assert content(select, database) == whole


def test_batches_of_one_commit_may_overlap_and_come_in_any_order(database, select, whole):
    store = opened(database)
    number = registered(store).source_id
    cuts = [(12, 20), (0, 5), (5, 10), (3, 12), (0, 5)]
    group = [batch(BORDERS[first], BORDERS[last]) for first, last in cuts]
    tail = parse_block(Block("file:key", BORDERS[20], LOG[BORDERS[20] :][:20], provisional=True))
    assert write(store, number, *group, tail) == [8, 5, 0, 7, 0, 0]
    assert write(store, number, batch(BORDERS[20], len(LOG), last=True)) == [10]
    store.finish({number: ""})
    store.close()
    assert content(select, database) == whole


def test_rows_another_job_stores_meanwhile_are_left_out(postgresql, select, whole, monkeypatch):
    store, other = opened(postgresql), opened(postgresql)
    number = registered(store).source_id
    look, meanwhile = progress.overlapping_any, iter([batch(0, BORDERS[5])])

    def overtaken(*arguments):
        done = look(*arguments)
        for one in meanwhile:
            write(other, number, one)
        return done

    monkeypatch.setattr("fixfeed.io.sql.store.overlapping_any", overtaken)
    cuts = [0, 3, 10, 31]
    group = [batch(BORDERS[first], BORDERS[last]) for first, last in itertools.pairwise(cuts)]
    assert write(store, number, *group) == [0, 5, 20]
    store.finish({number: ""})
    other.close()
    store.close()
    assert content(select, postgresql) == whole


@pytest.mark.parametrize("first", ["stretch", "end"])
def test_an_unfinished_end_is_removed_when_another_worker_stores_its_stretch(
    postgresql, select, whole, monkeypatch, first
):
    stores = [opened(postgresql), opened(postgresql)]
    number = registered(stores[0]).source_id
    stretch = batch(0, len(LOG), last=True)
    end = parse_block(Block("file:key", BORDERS[9] + 1, b"", provisional=True, error="gone"))
    written = [stretch, end] if first == "stretch" else [end, stretch]
    ingest = stores[0]._ingest
    with ThreadPoolExecutor(1) as threads:
        others = []

        def overtaken(*arguments):
            if not others:
                others.append(threads.submit(write, stores[1], number, written[1]))
                # It waits for us or ends in time.
                with contextlib.suppress(TimeoutError):
                    others[0].result(timeout=1)
            ingest(*arguments)

        monkeypatch.setattr(stores[0], "_ingest", overtaken)
        write(stores[0], number, written[0])
        others[0].result()
    for store in stores:
        store.finish({number: ""})
        store.close()
    assert content(select, postgresql) == whole


def test_jobs_that_commit_the_same_batches_in_opposite_orders_do_not_deadlock(
    postgresql, select, monkeypatch
):
    stores = [opened(postgresql), opened(postgresql)]
    numbers = [registered(stores[0], one=source(key)).source_id for key in ("one", "two")]
    group = [(number, batch(0, len(LOG))) for number in numbers]
    both = threading.Barrier(2)

    def entering(enter):
        def entered(*arguments):
            result = enter(*arguments)
            # If each has entered one source, each would wait for the other's.
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.5)
            return result

        return entered

    for store in stores:
        monkeypatch.setattr(store, "_enter", entering(store._enter))
    with ThreadPoolExecutor(2) as threads:
        writing = [
            threads.submit(store.write, ordered, rules="r", replace=False)
            for store, ordered in zip(stores, (group, group[::-1]), strict=True)
        ]
        assert sorted(one.result() for one in writing) == [[0, 0], [30, 30]]
    for store in stores:
        store.close()
    assert select(postgresql, "select count(*) from messages") == [(60,)]


def test_a_failure_before_the_commit_leaves_neither_rows_nor_progress(
    database, select, monkeypatch
):
    store = opened(database)
    number = registered(store).source_id

    def fails(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(store, "commit", fails)
    with pytest.raises(RuntimeError, match="the disk is full"):
        write(store, number, batch(0, BORDERS[5]))
    store.close()
    assert content(select, database) == ([], [], [])


def test_the_unfinished_end_of_a_source_is_a_failure_until_it_has_grown(database, select, whole):
    store = opened(database)
    number = registered(store).source_id
    write(store, number, batch(0, BORDERS[4]))
    for cut in (20, 50):
        tail = parse_block(
            Block("file:key", BORDERS[4], LOG[BORDERS[4] : BORDERS[4] + cut], provisional=True)
        )
        write(store, number, tail)
    reasons = select(database, "select reason, raw from failures")
    assert reasons == [("truncated", LOG[BORDERS[4] : BORDERS[4] + 50])]
    write(store, number, batch(BORDERS[4], len(LOG)))
    store.close()
    assert content(select, database) == whole


def test_reprocessing_replaces_each_stretch_and_resumes_after_an_interruption(database, select):
    store = opened(database)
    number = registered(store).source_id
    store.write([(number, batch(0, len(LOG)))], rules="old", replace=False)
    store.restart([number], rules="new")
    filtered = batch(0, BORDERS[10]).only(pa.array([row < 4 for row in range(10)]))
    store.write([(number, filtered)], rules="new", replace=True)

    known = registered(store, rules="new")
    assert (known.done, known.current) == (((0, len(LOG)),), ((0, BORDERS[10]),))
    assert known.rules == {"old", "new"}
    store.restart([number], rules="new")
    assert registered(store, rules="new").current == ((0, BORDERS[10]),)

    store.write([(number, batch(BORDERS[10], len(LOG)))], rules="new", replace=True)
    store.finish({number: ""})
    assert select(database, "select count(*), max(msg_seq_num) from messages") == [(24, 29)]
    assert content(select, database)[2] == [(1, "new", 0, len(LOG), 24, 6, 1)]

    store.restart([number], rules="new")
    known = registered(store, rules="new")
    assert (known.done, known.current) == (((0, len(LOG)),), ())
    store.close()


def test_sources_are_known_by_their_content_whatever_their_name(database, tmp_path):
    store = opened(database)

    def written(source_id, one):
        write(store, source_id, one)

    check_known_by_what_was_read(tmp_path, store, written, LOG, batch(0, len(LOG)))
    store.close()


def test_many_known_sources_take_as_many_queries_as_one(database, monkeypatch):
    store = opened(database)
    many = [Source(f"file:{n}", "file", f"{n}.log") for n in range(300)]
    first = store.register(many, rules="r")
    assert [first[one.key].source_id for one in many] == list(range(1, 301))
    asked = []
    query = store.query
    monkeypatch.setattr(store, "query", lambda *given: asked.append(given[0]) or query(*given))
    assert store.register(many[7:8], rules="r")["file:7"].source_id == 8
    for_one = len(asked)
    known = store.register(many, rules="r")
    assert (len(asked), known.keys()) == (2 * for_one, first.keys())
    assert all(known[one.key].source_id == first[one.key].source_id for one in many)
    store.close()


def test_a_commit_takes_as_many_statements_for_many_sources_as_for_two(
    database, select, whole, monkeypatch
):
    store = opened(database)
    many = [Source(f"file:{n}", "file", f"{n}.log") for n in range(40)]
    numbers = [one.source_id for one in store.register(many, rules="r").values()]
    asked = []
    query = store.query

    def commit(numbers, first, last, **flags):
        one = batch(BORDERS[first], BORDERS[last], **flags)
        asked.clear()
        monkeypatch.setattr(store, "query", lambda *given: asked.append(given[0]) or query(*given))
        group = [(number, one) for number in numbers]
        counts = store.write(group[::-1], rules="r", replace=False)
        monkeypatch.setattr(store, "query", query)
        assert counts == [one.messages.num_rows] * len(numbers)
        return len(asked)

    assert commit(numbers[2:], 0, 5) == commit(numbers[:2], 0, 5)
    for number in numbers:  # what is at the end of each is a failure until more comes
        write(store, number, batch(BORDERS[5], BORDERS[5] + 20, provisional=True))
    assert commit(numbers[2:], 5, 31) == commit(numbers[:2], 5, 31)
    store.close()
    found = content(select, database)
    for number in numbers:
        own = [[row for row in rows if row[0] >> 40 == number] for rows in found[:2]]
        own.append([row for row in found[2] if row[0] == number])
        shift = number - 1 << 40
        expected = [[(one[0] + shift, *one[1:]) for one in rows] for rows in whole[:2]]
        assert own == [*expected, [(number, *whole[2][0][1:])]]


WRITER = """
import sys
from tests.io.sql.test_sink import *
store = opened(sys.argv[1])
number = registered(store, one=source(sys.argv[2])).source_id
for first in range(0, 30, 3):
    write(store, number, batch(BORDERS[first], BORDERS[first + 3]))
store.close()
"""


@pytest.mark.parametrize("heads", [("one", "two"), ("same", "same")])
def test_two_jobs_write_to_an_empty_database_at_once(database, select, heads):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, database, head]) for head in heads]
    assert [writer.wait() for writer in writers] == [0, 0]
    sources = len(set(heads))
    assert select(database, "select count(*), count(distinct source_id) from messages") == [
        (30 * sources, sources)
    ]


def test_a_schema_of_another_version_is_refused_until_it_is_migrated(database, monkeypatch, select):
    opened(database).close()
    old = tables.VERSION
    steps = {old: dict.fromkeys(tables.DIALECTS, ("alter table runs add column host text",))}
    monkeypatch.setattr("fixfeed.io.sql.database.VERSION", old + 1)
    monkeypatch.setattr("fixfeed.io.sql.migrations.VERSION", old + 1)
    monkeypatch.setattr("fixfeed.io.sql.migrations.MIGRATIONS", steps)
    store = open_store(database)
    with pytest.raises(SchemaError, match=rf"has schema version {old}, .* fixfeed migrate"):
        store.prepare()
    assert store.migrate() == (old, old + 1)
    store.prepare()
    store.close()
    assert select(database, "select host from runs") == []
    monkeypatch.setattr("fixfeed.io.sql.database.VERSION", old)
    store = open_store(database)
    with pytest.raises(SchemaError, match="use the newer fixfeed"):
        store.prepare()
    store.close()


def test_foreign_tables_are_refused_and_left_alone(database):
    store = open_store(database)
    store.query("create table messages (text text)")
    with pytest.raises(SchemaError, match="has a table 'messages' that fixfeed did not make"):
        store.prepare()
    assert store.tables() == {"messages"}
    store.close()


def test_the_view_spells_out_codes(database, select):
    store = opened(database)
    text = encode(
        [(35, b"8"), (54, b"1"), (39, b"2"), (150, b"F"), (40, b"2"), (59, b"0"), (44, b"14.94")]
    )
    one = parse_block(Block("file:key", 0, text))
    write(store, registered(store).source_id, one)
    store.close()
    found = select(
        database,
        "select msg_type_name, side_name, ord_status_name, exec_type_name, ord_type_name,"
        " time_in_force_name, cast(price as text) from messages_named",
    )
    assert found == [("ExecutionReport", "Buy", "Filled", "Trade", "Limit", "Day", "14.94")]


def test_the_transform_stores_batches_and_reports_their_counts(database, select, whole):
    committed = []
    batches = [batch(BORDERS[n], BORDERS[n + 1]) for n in range(0, 31)]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create([*batches, *batches[:5]])
            | WriteToSql(
                database,
                Run(rules="r", on_commit=committed.extend),
            )
        )
    assert content(select, database)[:2] == whole[:2]


def test_an_unusable_place_is_named_without_its_password(tmp_path):
    with pytest.raises(
        SinkError, match=r"cannot connect to postgresql://u:\*\*\*@127.0.0.1:1/db"
    ) as error:
        open_store("postgresql://u:secret@127.0.0.1:1/db")
    assert "secret" not in str(error.value)
    with pytest.raises(SinkError, match="there is no folder"):
        open_store(f"sqlite:///{tmp_path}/none/day.db")
    with pytest.raises(SinkError, match=r"write sqlite:///relative\.db"):
        open_store("sqlite://day.db")


@pytest.mark.parametrize(
    ("usual", "variable", "query"),
    [("2", "", ""), ("10000", "", "?connect_timeout=2"), ("10000", "2", "")],
)
def test_a_server_that_is_frozen_is_not_waited_for_without_end(usual, variable, query, monkeypatch):
    monkeypatch.setattr(postgresql, "_CONNECT", int(usual))
    if variable:
        monkeypatch.setenv("PGCONNECT_TIMEOUT", variable)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(SinkFailed, match=r"cannot connect to .* timeout expired") as error,
    ):
        open_store(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db{query}")
    assert error.value.away


def test_the_tables_have_the_columns_of_the_batch():
    assert FIX.table.keyed[2:] == tuple(MESSAGES.names[1:])
    assert {column.name for column in COLUMNS} < set(FIX.table.keyed)
