"""Parquet files appear whole, hold each message once, and are read as is by DuckDB and pandas."""

import dataclasses
import datetime
import itertools
import os
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import apache_beam as beam
import duckdb
import orjson
import pandas
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from fixfeed.io.commit import Run
from fixfeed.io.ledger.ledger import SchemaError, SinkError, merged
from fixfeed.io.ledger.source import Source
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.sink import WriteToParquet
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.transforms.batch import DATE, FAILURES, Batch, Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.schema import DECIMAL, MESSAGES, TIME
from tests.io.ledger.known_sources import (
    check_known_by_what_was_read,
    finished,
    registered,
)
from tests.transforms.fix.messages import encode

KINDS = (b"D", b"8", b"0", b"F")


def message(number):
    fields = [(35, KINDS[number % 4]), (34, b"%d" % number), (49, b"A"), (56, b"B")]
    if number % 5:
        fields.append((52, b"202501%02d-09:30:00.123456" % (2 + number % 2)))
    if number % 4 == 0:
        fields += [(11, b"C%d" % number), (44, b"%d.0000000001" % number)]
    return encode(fields)


LOG = b"".join(message(n) + b"\n" for n in range(30)) + b"8=FIX.4.4|junk=1|2=3|\n"
BORDERS = [0]
for line in LOG.splitlines(keepends=True):
    BORDERS.append(BORDERS[-1] + len(line))


def batch(start, end, **options):
    return parse_block(Block("file:key", start, LOG[start:end], **options))


BATCHES = [batch(start, end) for start, end in itertools.pairwise(BORDERS)]


def source(key="file:key", name="day.log"):
    return Source(key, "file", name)


def opened(place, **options):
    writer = ParquetWriter(str(place), **options)
    writer.prepare()
    return writer


def write(place, *batches, source_id=1, rules="r", replace=False, **options):
    writer = opened(place, **options)
    numbered = [(source_id, one) for one in batches]
    stored = writer.write(numbered, rules=rules, replace=replace)
    writer.close()
    return stored


def register(place, rules="r", one=None):
    return registered(ParquetLedger(str(place)), one or source(), rules)


def claim(place, rules):
    ledger = ParquetLedger(str(place))
    ledger.restart([1], rules=rules)
    ledger.close()


def finish(place, stored_end=""):
    finished(ParquetLedger(str(place)), stored_end)


def duck(statement, place):
    files = f"read_parquet('{place}/messages/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(statement.replace("messages", files)).fetchall()


def content(place):
    """Return (id, raw) of all messages, (id, reason, raw) of all failures, and the progress."""
    found = [
        sorted(rows_of(place, table, columns))
        for table, columns in (
            ("messages", ["message_id", "raw"]),
            ("failures", ["failure_id", "reason", "raw"]),
        )
    ]
    ledger = ParquetLedger(str(place))
    return (*found, sorted(tuple(row) for row in ledger.progress(ledger.load())))


def rows_of(place, table, columns):
    """Return these columns of all files of a table; to read the others would take seconds."""
    tables = [
        pq.ParquetFile(path).read(columns=columns)
        for path in (Path(place) / table).rglob("*.parquet")
    ]
    return [
        row
        for one in tables
        for row in zip(*(one[name].to_pylist() for name in columns), strict=True)
    ]


@pytest.fixture
def lake(tmp_path):
    register(tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = tmp_path_factory.mktemp("whole") / "lake"
    register(place)
    assert write(place, batch(0, len(LOG))) == [30]
    return content(place)


def test_the_whole_log_is_there_with_its_stretch(whole):
    first = 1 << 40
    assert whole == (
        [(first + BORDERS[n], message(n)) for n in range(30)],
        [(first + BORDERS[30], "no_msg_type", LOG[BORDERS[30] : -1])],
        [(1, "r", 0, len(LOG), 30, 0, 1, 0, "")],
    )


def every_type():
    when = datetime.datetime(2025, 1, 2, 23, 30, 0, 123456, datetime.UTC)
    example = {
        pa.string(): 'text "quoted" é\\',
        pa.int64(): 2**53 + 1,
        pa.bool_(): True,
        TIME: when,
        DATE: when.date(),
        DECIMAL: Decimal("1234567890123456789012345678.0000000001"),
        pa.binary(): b"8=FIX\x00\xff",
    }
    full = {field.name: example[field.type] for field in MESSAGES} | {"position": 5}
    empty = dict.fromkeys(MESSAGES.names) | {"position": 9, "fields": "{}", "raw": b""}
    digit = full | {"position": 12, "msg_type": "8", "captured_at": None}
    zero = full | {"position": 14, "msg_type": "0", "side": "1"}
    rows = [full, empty, digit, zero]
    return rows, Batch("file:key", 0, 20, pa.RecordBatch.from_pylist(rows, MESSAGES), read=4)


PARTITIONS = [
    ("date", "msg_type"),
    (),
    ("hour", "side"),
    ("source_id", "price", "poss_dup_flag", "text"),
    ("msg_type_name", "sending_time"),
]


@pytest.mark.parametrize("names", PARTITIONS, ids=str)
def test_duckdb_and_pandas_read_every_column_unchanged_with_any_partitioning(lake, names):
    rows, one = every_type()
    write(lake, one, partition_by=names)
    expected = [
        {"message_id": (1 << 40) + row["position"], "source_id": 1}
        | {name: value for name, value in row.items() if name != "position"}
        for row in rows
    ]
    columns = list(expected[0])

    selected = duck(f"select {', '.join(columns)} from messages order by 1", lake)
    assert [dict(zip(columns, row, strict=True)) for row in selected] == expected

    frame = pandas.read_parquet(lake / "messages", dtype_backend="pyarrow")
    assert (
        pa.Table.from_pandas(frame[columns], preserve_index=False).sort_by("message_id").to_pylist()
        == expected
    )
    plain = pandas.read_parquet(lake / "messages").sort_values("message_id")
    assert plain["msg_type"].tolist()[2:] == ["8", "0"]
    assert plain["price"].tolist()[0] == expected[0]["price"]
    assert str(plain["sending_time"].dtype) == "datetime64[us, UTC]"


def test_the_json_for_other_sinks_is_left_out(lake):
    one = parse_block(Block("file:key", 0, LOG), fix_json=True)
    assert one.messages.schema.names[-1] == "fix_json"
    write(lake, one)
    for path in (lake / "messages").rglob("*.parquet"):
        assert pq.read_schema(path).names == ["message_id", "source_id", *MESSAGES.names[1:]]


def test_msg_types_of_digits_stay_text(lake):
    heartbeats = [one for n, one in enumerate(BATCHES[:30]) if n % 4 in (1, 2)]
    write(lake, *heartbeats)
    assert duck("select distinct msg_type, by_msg_type from messages order by 1", lake) == [
        ("0", "is-0"),
        ("8", "is-8"),
    ]
    frame = pandas.read_parquet(lake / "messages")
    assert set(frame["msg_type"]) == {"0", "8"}


def test_files_are_compressed_and_sorted_in_folders_by_date_and_type(lake):
    write(lake, batch(0, len(LOG)))
    folders = sorted(
        str(path.parent.relative_to(lake)) for path in (lake / "messages").rglob("*.parquet")
    )
    assert folders == sorted(
        {
            f"messages/date={f'2025-01-{2 + n % 2:02d}' if n % 5 else '0001-01-01'}"
            f"/by_msg_type=is-{KINDS[n % 4].decode()}"
            for n in range(30)
        }
    )
    for path in (lake / "messages").rglob("*.parquet"):
        file = pq.ParquetFile(path)
        ids = file.read()["message_id"].to_pylist()
        assert ids == sorted(ids)
        assert path.name.startswith(f"1-{ids[0] - (1 << 40)}-{ids[-1] - (1 << 40)}-")
        group = file.metadata.row_group(0)
        assert {group.column(n).compression for n in range(group.num_columns)} == {"ZSTD"}
    assert duck("select distinct typeof(date) from messages", lake) == [("DATE",)]


def test_a_commit_has_one_sorted_file_per_folder_and_one_schema_for_any_order_of_batches(
    lake,
):
    batches = BATCHES[:]
    rows = batches[4].messages.append_column("desk", pa.array(["north"]))
    batches[4] = dataclasses.replace(batches[4], messages=rows)
    write(lake, *batches[16:], *batches[:16])
    tables = [pq.ParquetFile(path).read() for path in (lake / "messages").rglob("*.parquet")]
    folders = {path.parent for path in (lake / "messages").rglob("*.parquet")}
    assert len(tables) == len(folders)
    for table in tables:
        ids = table["message_id"].to_pylist()
        assert ids == sorted(ids)
        assert table.schema == tables[0].schema
    assert sum(table["desk"].to_pylist().count("north") for table in tables) == 1
    assert duck("select count(distinct message_id) from messages", lake) == [(30,)]


def test_a_repeated_batch_adds_nothing(lake, whole):
    assert write(lake, batch(0, len(LOG)), batch(0, len(LOG))) == [30, 0]
    assert write(lake, batch(0, len(LOG))) == [0]
    assert content(lake) == whole


@pytest.mark.parametrize("done", [[(0, 9)], [(3, 7), (12, 31)], [(5, 6), (8, 9), (20, 25)]])
def test_blocks_cut_differently_add_only_what_is_missing(lake, whole, done):
    for first, last in done:
        write(lake, batch(BORDERS[first], BORDERS[last]))
    write(lake, batch(BORDERS[10], len(LOG)), batch(0, BORDERS[10]))
    finish(lake)
    assert content(lake) == whole


def test_finish_merges_all_commits_and_counts(lake):
    for one in BATCHES:
        write(lake, one)
    finish(lake, "7:end")
    assert list((lake / "_fixfeed" / "commits").iterdir()) == []
    state = orjson.loads((lake / "_fixfeed" / "sources.json").read_bytes())
    assert state["progress"] == [[1, "r", 0, len(LOG), 30, 0, 1, 0, ""]]
    (one,) = state["sources"]
    kept = ("source_id", "kind", "name", "bytes", "stored", "filtered", "failed", "skipped")
    assert [one[name] for name in kept] == [1, "file", "day.log", len(LOG), 30, 0, 1, 0]
    assert register(lake).stored_end == "7:end"


def test_a_commit_that_is_already_in_sources_json_does_not_count_twice(lake, monkeypatch):
    write(lake, *BATCHES)

    def killed(path, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        register(lake)
    monkeypatch.undo()
    assert list((lake / "_fixfeed" / "commits").glob("*.json"))
    finish(lake)
    assert content(lake)[2] == [(1, "r", 0, len(LOG), 30, 0, 1, 0, "")]


def test_the_unfinished_end_of_a_source_is_a_failure_until_it_has_grown(lake, whole):
    write(lake, batch(0, BORDERS[4]))
    for cut in (20, 50):
        write(lake, batch(BORDERS[4], BORDERS[4] + cut, provisional=True))
    register(lake, one=source("file:other", "other.log"))
    empty = Batch("file:other", 0, 0, pa.RecordBatch.from_pylist([], MESSAGES))
    write(lake, empty, source_id=2)
    assert [raw for _, _, raw in content(lake)[1]] == [LOG[BORDERS[4] : BORDERS[4] + 50]]
    assert content(lake)[2] == [(1, "r", 0, BORDERS[4], 4, 0, 0, 0, "")]
    write(lake, batch(BORDERS[4], len(LOG)))
    finish(lake)
    assert content(lake) == whole
    write(lake, batch(BORDERS[4], BORDERS[4] + 20, provisional=True))
    assert content(lake) == whole


def test_the_unfinished_end_of_a_source_survives_commits_of_its_other_parts(lake):
    tail = batch(BORDERS[20], BORDERS[20] + 30, provisional=True)
    write(lake, batch(BORDERS[10], BORDERS[20]), tail)
    write(lake, batch(0, BORDERS[10]))
    assert [raw for _, _, raw in content(lake)[1]] == [LOG[BORDERS[20] : BORDERS[20] + 30]]


def test_reprocessing_replaces_each_stretch_and_resumes_after_an_interruption(lake, whole):
    write(lake, batch(0, len(LOG)), rules="old")
    ledger = ParquetLedger(str(lake))
    ledger.restart([1], rules="new")
    part = batch(0, BORDERS[10]).only(pa.array([row < 4 for row in range(10)]))
    assert write(lake, part, rules="new", replace=True) == [4]
    assert content(lake)[0] == whole[0][:4] + whole[0][10:]

    known = register(lake, rules="new")
    assert (known.done, known.current) == (((0, len(LOG)),), ((0, BORDERS[10]),))
    assert known.rules == {"old", "new"}
    ledger.restart([1], rules="new")
    assert register(lake, rules="new").current == ((0, BORDERS[10]),)

    assert write(lake, batch(0, len(LOG)), rules="new", replace=True) == [20]
    finish(lake)
    assert content(lake) == (
        whole[0][:4] + whole[0][10:],
        whole[1],
        [(1, "new", 0, len(LOG), 24, 6, 1, 0, "")],
    )
    ledger.restart([1], rules="new")
    known = register(lake, rules="new")
    assert (known.done, known.current) == (((0, len(LOG)),), ())
    ledger.close()


def test_replacing_keeps_the_columns_of_other_rows(lake):
    one = batch(0, BORDERS[8])
    write(lake, one, rules="old")
    claim(lake, "new")
    write(lake, batch(0, BORDERS[4]), rules="new", replace=True)
    files = [pq.ParquetFile(p).schema_arrow for p in (lake / "messages").rglob("*.parquet")]
    assert {tuple(schema.names) for schema in files} == {
        ("message_id", "source_id", *MESSAGES.names[1:])
    }
    assert duck("select count(*), count(distinct message_id) from messages", lake) == [(8, 8)]


EACH = 3
"""Of all calls each third one is interrupted, beginning with a random one: there are some 200."""

# Each run of the child completes so many more of these calls before it is killed.
KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tests.io.parquet.test_sink import *

CALLS = [(os, "replace"), (os, "fsync"), (os, "unlink"), (os, "mkdir"), (pq, "write_table")]

def arm(number):
    left = [number]
    def wrapped(function):
        def call(*args, **options):
            if left[0] == 0:
                if function is pq_write:  # in the middle of a file
                    Path(args[1]).write_bytes(b"PAR1 half a file")
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return function(*args, **options)
        return call
    pq_write = pq.write_table
    for module, name in CALLS:
        setattr(module, name, wrapped(getattr(module, name)))

place, replace, number = sys.argv[1], sys.argv[2] == "replace", int(sys.argv[3])
while True:
    lake = f"{place}/{number}"
    child = os.fork()
    if child == 0:
        if replace:
            register(lake)
            write(lake, batch(0, BORDERS[20]), rules="old")
            write(lake, batch(BORDERS[20], BORDERS[20] + 9, provisional=True), rules="old")
            claim(lake, "r")
        arm(number)
        register(lake)
        write(lake, batch(0, BORDERS[12]), rules="r", replace=replace)
        finish(lake)
        os._exit(0)
    ended = os.waitpid(child, 0)[1]
    number += EACH
    if ended == 0:
        break
    assert os.WIFSIGNALED(ended), ended
print(number)
"""


@pytest.mark.parametrize("kind", ["new", "replace"])
def test_the_next_run_completes_what_a_kill_interrupted(tmp_path, whole, kind):
    first = random.randrange(EACH)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), kind, str(first)],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    steps = int(done.stdout)
    assert steps > 40
    for step in range(first, steps, EACH):
        lake = tmp_path / str(step)
        # A reader finds only whole files, and no message in two of them.
        ids = [number for (number,) in rows_of(lake, "messages", ["message_id"])]
        assert len(ids) == len(set(ids))
        assert set(ids) <= {row[0] for row in whole[0]}
        prepared = ParquetLedger(str(lake))
        prepared.prepare()
        prepared.register([source()], rules="r")
        ids = [number for (number,) in rows_of(lake, "messages", ["message_id"])]
        assert len(ids) == len(set(ids))
        stored = merged((row[1], row[2]) for row in prepared.done().get(1, ()))
        assert len(ids) == sum(
            start <= BORDERS[n] < end for start, end in stored for n in range(30)
        )
        assert [p for p in (lake / "_fixfeed").rglob("*") if p.suffix == ".inprogress"] == []
        assert list((lake / "_fixfeed" / "writers").iterdir()) == []
        write(lake, batch(0, len(LOG)), rules="r", replace=kind == "replace")
        prepared.finish({1: ""})
        prepared.close()
        assert content(lake)[:2] == whole[:2], step


WRITER = """
import sys
from tests.io.parquet.test_sink import *
place, head = sys.argv[1:]
number = register(place, one=source(head)).source_id
writer = opened(place)
for first in range(0, 30, 3):
    part = batch(BORDERS[first], BORDERS[first + 3])
    writer.write([(number, part)], rules="r", replace=False)
writer.close()
"""


@pytest.mark.parametrize("heads", [("one", "two"), ("same", "same")])
def test_two_jobs_write_to_an_empty_folder_at_once(tmp_path, heads):
    lake = tmp_path / "lake"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(lake), head], env=environment)
        for head in heads
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    sources = len(set(heads))
    counts = "select count(*), count(distinct message_id), count(distinct source_id) from messages"
    assert duck(counts, lake) == [(30 * sources, 30 * sources, sources)]


def test_rows_stored_by_another_writer_meanwhile_are_left_out(lake, whole, monkeypatch):
    writer = opened(lake)
    write_files, others = writer._write_files, []

    def interrupted(commit):
        if not others:
            others.append(write(lake, batch(BORDERS[3], BORDERS[9])))
        write_files(commit)

    monkeypatch.setattr(writer, "_write_files", interrupted)
    assert writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False) == [24]
    writer.close()
    finish(lake)
    assert content(lake) == whole
    assert list((lake / "_fixfeed" / "inprogress").iterdir()) == []


def test_files_of_a_live_writer_are_not_swept_away(lake):
    writer = opened(lake)
    path = writer.storage.scratch(writer.storage.aside())
    path.write_bytes(b"half")
    register(lake)
    assert path.exists()
    writer.close()
    register(lake)
    assert not path.exists()


def test_a_full_disk_is_reported_and_leaves_nothing(lake, monkeypatch):
    writer = opened(lake)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(SinkError, match=r"cannot write to .*No space left.*run it again"):
        writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False)
    writer.close()
    assert content(lake) == ([], [], [])


def test_a_disk_that_is_full_when_a_commit_is_decided_loses_nothing_of_it(lake, whole, full_disk):
    writer = opened(lake)
    with full_disk():
        with pytest.raises(SinkError, match="No space left"):
            writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False)
        writer.close()
    assert write(lake, batch(0, len(LOG))) == [0]
    finish(lake)
    assert content(lake) == whole


def test_sources_are_known_by_their_content_whatever_their_name(lake, tmp_path):
    def written(source_id, one):
        write(lake, one, source_id=source_id)

    ledger = ParquetLedger(str(lake))
    check_known_by_what_was_read(tmp_path, ledger, written, LOG, batch(0, len(LOG)))


def test_the_transform_stores_batches_and_reports_their_counts(tmp_path, whole):
    lake = tmp_path / "lake"
    told = tmp_path / "told"

    def tell(committed):
        with open(told, "a") as file:
            for one, stored in committed:
                file.write(f"{one.messages.num_rows} {stored}\n")

    tail = dataclasses.replace(batch(len(LOG), len(LOG), provisional=True), error="cut off")
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create([*BATCHES, *BATCHES[:5], tail])
            | WriteToParquet(str(lake), Run(rules="r", on_commit=tell))
        )
    assert content(lake)[:2] == whole[:2]
    lines = [tuple(map(int, line.split())) for line in told.read_text().splitlines()]
    assert (len(lines), sum(stored for _, stored in lines)) == (37, 30)


def test_an_unknown_partition_column_is_reported_with_the_nearest():
    with pytest.raises(ValueError, match=r"'sybol': .*did you mean symbol\?"):
        WriteToParquet("lake", partition_by=("date", "sybol"))


def test_a_place_that_is_neither_a_local_folder_nor_in_a_bucket_is_refused(tmp_path):
    with pytest.raises(SinkError, match=r"'hdfs://host/lake' is neither .* parquet:s3://bucket"):
        WriteToParquet("hdfs://host/lake")
    assert ParquetLedger(f"file://{tmp_path}/a%20lake").storage.folder == tmp_path / "a lake"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SinkError, match=r"cannot write to .*file"):
        ParquetLedger(str(tmp_path / "file")).prepare()


def test_foreign_newer_or_differently_partitioned_folders_are_refused(tmp_path, lake):
    write(lake, batch(0, BORDERS[1]))
    with pytest.raises(SinkError, match="is partitioned by date, msg_type, not by symbol"):
        opened(lake, partition_by=("symbol",))
    (tmp_path / "other" / "messages").mkdir(parents=True)
    with pytest.raises(SchemaError, match="that fixfeed did not make"):
        register(tmp_path / "other")
    state = lake / "_fixfeed" / "sources.json"
    state.write_bytes(state.read_bytes().replace(b'"version":2', b'"version":3'))
    with pytest.raises(SchemaError, match="use the newer fixfeed"):
        register(lake)
    state.write_bytes(b"{")
    with pytest.raises(SinkError, match="is no JSON"):
        register(lake)


def test_failures_are_in_separate_files_with_their_own_columns(lake):
    write(lake, batch(0, len(LOG)))
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select * from read_parquet('{lake}/failures/*.parquet')"
        ).fetchall()
        names = [one[0] for one in connection.description]
    assert names == ["failure_id", "source_id", *FAILURES.names[1:]]
    assert [(row[0], row[1], bytes(row[-1])) for row in found] == [
        ((1 << 40) + BORDERS[30], 1, LOG[BORDERS[30] : -1])
    ]


def test_prices_and_quantities_are_computed_with_as_documented(tmp_path):
    values = [Decimal("100.5"), Decimal("0.0000000001")]
    lake = pa.table({"last_qty": pa.array(values, DECIMAL), "last_px": pa.array(values, DECIMAL)})
    path = tmp_path / "lake.parquet"
    pq.write_table(lake, path)
    product = Decimal("10100.25") + Decimal("1e-20")
    assert pc.sum(lake["last_qty"]).as_py() == sum(values)
    with pytest.raises(pa.ArrowInvalid, match="precision out of range"):
        pc.multiply(lake["last_qty"], lake["last_px"])
    doubles = [lake[name].cast("double") for name in lake.schema.names]
    assert pc.sum(pc.multiply(*doubles)).as_py() == pytest.approx(float(product))
    frame = pandas.read_parquet(path)
    assert (frame["last_qty"] * frame["last_px"]).sum() == product
    assert frame["last_px"].astype(float).quantile(1.0) == 100.5
    query = f"select sum(last_qty * last_px), avg(last_px) from '{path}'"
    assert duckdb.sql(query).fetchall() == [(product, pytest.approx(50.25))]
