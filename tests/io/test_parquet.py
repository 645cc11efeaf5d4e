"""Parquet files are whole, hold each message once, and are read by other tools as they are."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import duckdb
import pandas
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from fixio.ledger import SinkError, Source
from fixio.parquet import WriteToParquet
from fixio.parquet_ledger import ParquetLedger
from tests.fix.messages import encode
from transforms.enrich import NAMED, Enrich
from transforms.fix.block import Block
from transforms.fix.parser import parse_block


def order(number, kind=b"D"):
    day = b"2025010%d-09:30:00.%03d" % (1 + number % 3, number)
    fields = [(35, kind), (34, b"%d" % number), (49, b"A"), (56, b"B"), (52, day)]
    return encode([*fields, (44, b"%d.10" % number), (38, b"100"), (5001, b"x")])


LINES = [order(n, b"8" if n % 2 else b"0") + b"\n" for n in range(30)]
LOG = b"".join(LINES) + b"8=FIX.4.4|junk=1|2=3|\n"
BORDERS = [0]
for line in LOG.splitlines(keepends=True):
    BORDERS.append(BORDERS[-1] + len(line))


def batch(first, last, source="file:key", **options):
    start, end = BORDERS[first], BORDERS[last]
    return parse_block(Block(source, start, LOG[start:end], **options))


def write(place, batches, **options):
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(batches) | WriteToParquet(str(place), **options)


def rows(place):
    """(message_id, raw) of all messages and failures that a reader sees."""
    found = []
    for table, key in (("messages", "message_id"), ("failures", "failure_id")):
        files = sorted((place / table).glob("**/*.parquet"))
        tables = [pq.read_table(f, partitioning=None, columns=[key, "raw"]) for f in files]
        pairs = [(r[key], r["raw"]) for t in tables for r in t.to_pylist()]
        found.append(sorted(pairs))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = tmp_path_factory.mktemp("whole")
    write(place, [batch(0, 31)])
    return rows(place)


def test_duckdb_and_pandas_read_the_folder_as_it_is(tmp_path):
    one = batch(0, 31)
    write(tmp_path, [one])
    names = [name for name in one.messages.schema.names if name != "position"]
    table = duckdb.sql(
        f"select {', '.join(names)} from"
        f" read_parquet('{tmp_path}/messages/**/*.parquet', hive_partitioning = true)"
        " order by message_id"
    ).to_arrow_table()
    assert table.to_pylist() == one.messages.select(names).to_pylist()
    days = duckdb.sql(
        f"select date, by_msg_type, count(*) from read_parquet('{tmp_path}/messages/**/*.parquet',"
        " hive_partitioning = true, hive_types_autocast = false) group by all order by all"
    ).fetchall()
    assert days == [(f"2025-01-0{d}", t, 5) for d in (1, 2, 3) for t in ("0", "8")]
    frame = pandas.read_parquet(tmp_path / "messages").sort_values("message_id")
    assert frame["raw"].tolist() == one.messages["raw"].to_pylist()
    assert frame["msg_type"].tolist() == one.messages["msg_type"].to_pylist()
    assert frame["price"].tolist() == one.messages["price"].to_pylist()
    assert str(frame["sending_time"].dtype) == "datetime64[us, UTC]"


def test_columns_of_names_are_texts_that_readers_take(tmp_path):
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        batches = pipeline | beam.Create([batch(0, 31)]) | Enrich(names=True)
        _ = batches | WriteToParquet(str(tmp_path))
    frame = pandas.read_parquet(tmp_path / "messages")
    assert set(frame["msg_type_name"]) == {"Heartbeat", "ExecutionReport"}
    assert {f"{name}_name" for name in NAMED} < set(frame.columns)


def test_batches_that_come_again_add_nothing(tmp_path, whole):
    for _ in range(2):
        write(tmp_path, [batch(0, 31), batch(5, 9)])
    assert rows(tmp_path) == whole


@pytest.mark.parametrize("done", [[(0, 9)], [(3, 7), (12, 31)], [(5, 6), (8, 9), (20, 25)]])
def test_blocks_cut_differently_add_only_what_is_missing(tmp_path, whole, done):
    for first, last in done:
        write(tmp_path, [batch(first, last)])
    counts = []
    # One bundle after the other in this process, so that the list is seen.
    write(tmp_path, [batch(0, 10), batch(10, 31)], on_commit=Append(counts))
    assert rows(tmp_path) == whole
    progress = ParquetLedger(str(tmp_path)).progress()[1]
    assert sum(row[3] for row in progress) == 30
    assert sum(row[5] for row in progress) == 1


class Append:
    def __init__(self, counts):
        self.counts = counts

    def __call__(self, one, stored):
        self.counts.append(stored)


def test_the_unfinished_end_of_a_source_is_a_failure_until_it_has_grown(tmp_path, whole):
    start = BORDERS[4]
    tail = [
        parse_block(Block("file:key", start, LOG[start : start + n], provisional=True))
        for n in (20, 50)
    ]
    write(tmp_path, [batch(0, 4), tail[0]])
    write(tmp_path, [tail[1]])
    assert rows(tmp_path)[1] == [((1 << 40) + start, LOG[start : start + 50])]
    write(tmp_path, [batch(4, 31)])
    assert rows(tmp_path) == whole


def test_reprocessing_takes_the_place_of_what_was_there(tmp_path):
    source = Source("file:key", "file", "day.log", b"head")
    ledger = ParquetLedger(str(tmp_path))
    ledger.prepare()
    number = ledger.register([source], rules="old")[source.key].source_id
    options = {"sources": {source.key: number}}
    write(tmp_path, [batch(0, 31)], rules="old", **options)
    ledger.restart([number], rules="new")
    one = batch(0, 10)
    kept = one.messages.filter(pc.equal(one.messages["msg_type"], "8"))
    one = dataclasses.replace(one, messages=kept, filtered=one.messages.num_rows - kept.num_rows)
    write(tmp_path, [one], rules="new", replace=True, **options)
    messages, failures = rows(tmp_path)
    assert [raw for _, raw in messages] == [
        line[:-1] for n, line in enumerate(LINES) if n >= 10 or n % 2
    ]
    assert len(failures) == 1
    known = ledger.register([source], rules="new")[source.key]
    assert (known.done, known.current) == (((0, len(LOG)),), ((0, BORDERS[10]),))
    write(tmp_path, [batch(0, 31)], rules="new", replace=True, **options)
    ledger.finish({number: None}, rules="new", reprocessed=[number])
    assert ledger.progress() == {number: [["new", 0, len(LOG), 25, 5, 1, 0]]}


KILLED = """
import os, signal, sys
from tests.io.test_parquet import *
from fixio import parquet_ledger
step, place = int(sys.argv[1]), sys.argv[2]
steps = 0
def counted(call):
    def run(*arguments, **options):
        global steps
        steps += 1
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return run
write(place, [batch(0, 10)])
os.replace = counted(os.replace)
os.fsync = counted(os.fsync)
Path.mkdir = counted(Path.mkdir)
write(place, [batch(5, 31)])
print(steps)
"""


def test_a_job_killed_at_any_step_leaves_no_part_and_nothing_twice(tmp_path, whole):
    step = 0
    while True:
        step += 1
        place = tmp_path / str(step)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(step), str(place)], capture_output=True
        )
        for path in place.glob("**/*.parquet"):
            pq.read_table(path, partitioning=None)
        write(place, [batch(0, 31)])
        assert rows(place) == whole, step
        ledger = ParquetLedger(str(place))
        ledger.prepare()
        assert list((place / "_fixfeed" / "writing").iterdir()) == []
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert step > 5


WRITER = """
import sys
from tests.io.test_parquet import *
write(sys.argv[1], [batch(n, n + 1, source=sys.argv[2]) for n in range(31)])
"""


@pytest.mark.parametrize("sources", [("file:a", "file:b", "file:c"), ("file:a",) * 3])
def test_several_jobs_write_to_one_folder_at_once(tmp_path, whole, sources):
    jobs = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), one]) for one in sources]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    messages, _ = rows(tmp_path)
    assert len(messages) == 30 * len(set(sources))
    assert len(dict(messages)) == len(messages)


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        ((), {"."}),
        (("date", "hour"), {f"date=2025-01-0{d}/hour=9" for d in (1, 2, 3)}),
        (("session", "source_id"), {"by_session=FIX.4.4%3AA-%3EB/by_source_id=1"}),
        (("symbol",), {"by_symbol=unknown"}),
    ],
)
def test_the_partitions_are_those_asked_for(tmp_path, names, folders):
    write(tmp_path, [batch(0, 31)], partition_by=names)
    found = {
        os.path.relpath(path.parent, tmp_path / "messages")
        for path in (tmp_path / "messages").glob("**/*.parquet")
    }
    assert found == folders
    assert len(rows(tmp_path)[0]) == 30


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot partition by 'sybol', .* did you mean symbol\?"):
        WriteToParquet("lake", partition_by=("sybol",))
    with pytest.raises(SinkError, match="is no local folder"):
        ParquetLedger("s3://bucket/lake")
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="cannot write to parquet:"):
        ParquetLedger(str(tmp_path / "file" / "lake")).prepare()


def test_a_writer_whose_files_are_gone_says_so_and_commits_nothing(tmp_path):
    ledger = ParquetLedger(str(tmp_path))
    ledger.prepare()
    written = ledger.new_file()
    from fixio.parquet_ledger import Commit

    with pytest.raises(SinkError, match="is gone from"):
        ledger.commit(lambda _: Commit(files=[(written, "messages/x.parquet")]))
    ledger.close()
    assert list(Path(tmp_path).glob("**/*.json")) == []
