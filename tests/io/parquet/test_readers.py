"""Readers of a lake that is being replaced find every file and one schema, with any library."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet import commits as parquet_commits
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.schema import columns_of_a_run
from fixfeed.transforms.enrich import Enrich
from fixfeed.transforms.fix.protocol import FIX
from tests.io.parquet.test_sink import (
    BATCHES,
    BORDERS,
    LOG,
    batch,
    claim,
    content,
    duck,
    finish,
    opened,
    register,
)
from tests.io.parquet.test_sink import write as write_without_claim
from tests.pipelines.jobs import fixfeed
from tests.pipelines.test_fixfeed import log


@pytest.fixture
def lake(tmp_path):
    register(tmp_path / "lake")
    return tmp_path / "lake"


def write(place, *batches, rules="r", replace=False):
    """Write as a job does: a job that replaces stored rows claims its sources first."""
    if replace:
        claim(place, rules)
    return write_without_claim(place, *batches, rules=rules, replace=replace)


def files(lake, table="messages"):
    return sorted((lake / table).rglob("*.parquet"))


def ids_of(paths):
    return [key for path in paths for key in pq.ParquetFile(path).read()["message_id"].to_pylist()]


def with_names(one):
    return Enrich(names=True)._enrich(one)


def without(one, *numbers):
    """Return a batch of the whole log without some messages that the rules left out."""
    return one.only(pa.array([n not in numbers for n in range(one.messages.num_rows)]))


def moved(one, *numbers):
    """Return a batch of the whole log in which some messages have another type."""
    types = [
        "Q" if n in numbers else kind for n, kind in enumerate(one.messages["msg_type"].to_pylist())
    ]
    at = one.messages.schema.get_field_index("msg_type")
    rows = one.messages.set_column(at, "msg_type", pa.array(types))
    return dataclasses.replace(one, messages=rows)


# Replaced files.


@pytest.mark.parametrize("parts", [[(0, 30)], [(0, 9), (9, 30)], [(20, 30), (5, 20), (0, 5)]])
def test_a_replaced_file_keeps_its_name_and_its_messages(lake, parts):
    write(lake, *BATCHES[:12], rules="old")
    write(lake, *BATCHES[12:], rules="old")
    before = {path: ids_of([path]) for path in files(lake)}
    for first, last in parts:
        end = len(LOG) if last == 30 else BORDERS[last]
        write(lake, batch(BORDERS[first], end), rules="new", replace=True)
    finish(lake)
    assert {path: ids_of([path]) for path in files(lake)} == before
    assert [row[1] for row in content(lake)[2]] == ["new"]


def test_an_emptied_file_can_be_opened_for_a_while_and_is_then_removed(lake, monkeypatch):
    write(lake, batch(0, len(LOG)), rules="old")
    listed, failed = files(lake), files(lake, "failures")
    sell = [n for n in range(30) if n % 4 == 1]
    write(lake, without(batch(0, len(LOG)), *sell), rules="new", replace=True)
    finish(lake)
    emptied = [path for path in listed if not ids_of([path])]
    assert {path.parent.name for path in emptied} == {"by_msg_type=is-8"}
    assert duck("select count(*), count(distinct message_id) from messages", lake) == [(22, 22)]
    assert len(pandas.read_parquet(lake / "messages")) == 22
    register(lake)
    assert files(lake) == listed
    write(lake, batch(0, len(LOG)), rules="third", replace=True)  # They are never reused.
    assert all(not ids_of([path]) for path in emptied)

    monkeypatch.setattr(parquet_commits, "GRACE", -1.0)
    register(lake)
    assert set(listed) - set(files(lake)) == set(emptied)
    assert files(lake, "failures") == failed
    assert duck("select count(*), count(distinct message_id) from messages", lake) == [(30, 30)]


def test_the_failure_of_a_completed_message_can_be_opened_for_a_while(lake, monkeypatch):
    write(lake, batch(0, BORDERS[4]))
    write(lake, batch(BORDERS[4], BORDERS[4] + 20, provisional=True))
    (path,) = files(lake, "failures")
    write(lake, batch(BORDERS[4], BORDERS[20]))
    assert pq.ParquetFile(path).read().num_rows == 0
    monkeypatch.setattr(parquet_commits, "GRACE", -1.0)
    register(lake)
    assert files(lake, "failures") == []


@pytest.mark.parametrize("change", [without, moved])
def test_a_reader_that_opens_old_and_new_files_sees_no_message_twice(lake, change):
    whole = batch(0, len(LOG))
    write(lake, *BATCHES[:12], rules="old")
    write(lake, *BATCHES[12:], rules="old")
    listed = files(lake)
    before = {path: path.read_bytes() for path in listed}
    write(lake, change(whole, 1, 7, 8, 13, 22), rules="new", replace=True)
    after = {path: path.read_bytes() for path in listed}
    for opened_before in range(len(listed) + 1):
        for path in listed[:opened_before]:
            path.write_bytes(before[path])
        ids = ids_of(listed)
        assert len(ids) == len(set(ids)) >= 25
        for path in listed:
            path.write_bytes(after[path])
    ids = ids_of(files(lake))
    assert len(ids) == len(set(ids)) == (25 if change is without else 30)


def test_rows_replaced_by_another_writer_meanwhile_are_not_taken_back(lake, monkeypatch):
    write(lake, batch(0, len(LOG)), rules="old")
    claim(lake, "new")
    writer = opened(lake)
    write_files, others = writer._write_files, []

    def interrupted(commit):
        if not others:
            one = without(batch(0, BORDERS[9]), 2, 5)
            others.append(write_without_claim(lake, one, rules="new", replace=True))
        write_files(commit)

    monkeypatch.setattr(writer, "_write_files", interrupted)
    new = [(1, batch(BORDERS[9], len(LOG)))]
    assert writer.write(new, rules="new", replace=True) == [21]
    writer.close()
    assert duck("select count(*), count(distinct message_id) from messages", lake) == [(28, 28)]


def test_rows_that_another_writer_replaces_before_a_failed_one_has_ended_stay(lake, full_disk):
    write(lake, batch(0, len(LOG)), rules="old")
    claim(lake, "new")
    failing, other = opened(lake), opened(lake)
    with full_disk(), pytest.raises(SinkError, match="No space left"):
        failing.write([(1, batch(0, BORDERS[9]))], rules="new", replace=True)
    rest = without(batch(BORDERS[9], len(LOG)), 2, 5)
    assert other.write([(1, rest)], rules="new", replace=True) == [19]
    for one in (failing, other):
        one.close()
    finish(lake)
    assert duck("select count(*), count(distinct message_id) from messages", lake) == [(28, 28)]


REPROCESSING = """
import sys
from tests.io.parquet.test_readers import *
lake, first = Path(sys.argv[1]), int(sys.argv[2])
for number in range(first, first + 8):
    claim(lake, f"rules {number}")
    writer = opened(lake)
    for start, end in ((0, 11), (11, 20), (20, 31)):
        part = batch(BORDERS[start], BORDERS[end])
        writer.write([(1, part)], rules=f"rules {number}", replace=True)
    writer.close()
    finish(lake)
"""


@pytest.mark.parametrize("reader", ["pandas", "duckdb", "arrow"])
def test_a_reader_that_loops_during_reprocessing_sees_each_message_once(lake, reader):
    write(lake, *BATCHES[:12], rules="old")
    write(lake, *BATCHES[12:], rules="old")
    everything = set(ids_of(files(lake)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen([sys.executable, "-c", REPROCESSING, lake, "1"], env=environment)
    rounds = 0
    while writer.poll() is None or not rounds:
        if reader == "pandas":
            ids = pandas.read_parquet(lake / "messages")["message_id"].tolist()
        elif reader == "duckdb":
            ids = [row[0] for row in duck("select message_id from messages", lake)]
        else:
            listed = pyarrow.dataset.dataset(lake / "messages", partitioning="hive").files
            time.sleep(0.05)
            ids = ids_of(listed)
        assert len(ids) == 30
        assert set(ids) == everything
        rounds += 1
    assert writer.wait() == 0
    assert rounds > 3


# One schema.


def test_a_change_of_names_between_runs_is_refused_with_the_flag_to_give(tmp_path):
    plain, named = tmp_path / "plain", tmp_path / "named"
    for place, one in ((plain, BATCHES[0]), (named, with_names(BATCHES[0]))):
        register(place)
        write(place, one)

    def planned(place, *, names):
        ParquetLedger(str(place), columns=columns_of_a_run(FIX.table, names=names)).prepare()

    planned(plain, names=False)
    planned(named, names=True)
    added = r"has the columns of --names \(appl_ver_id_name, .*add --names, or name another"
    with pytest.raises(SinkError, match=added):
        planned(named, names=False)
    left = r"begun without --names and has no column appl_ver_id_name, .*leave out --names, or name"
    with pytest.raises(SinkError, match=left):
        planned(plain, names=True)
    with pytest.raises(SinkError, match=added):
        write(named, BATCHES[1])
    with pytest.raises(SinkError, match=left):
        write(plain, with_names(BATCHES[1]))
    assert duck("select count(*) from messages", plain) == [(1,)]
    write(named, with_names(BATCHES[1]))
    assert duck("select msg_type_name from messages order by message_id", named) == [
        ("NewOrderSingle",),
        ("ExecutionReport",),
    ]


def with_desk(one, value="north"):
    rows = one.messages.append_column("desk", pa.array([value]))
    return dataclasses.replace(one, messages=rows)


def test_a_user_column_is_in_all_files_of_a_lake_or_in_none(lake, tmp_path):
    write(lake, with_desk(BATCHES[0]))
    write(lake, BATCHES[1], BATCHES[2])
    assert len({pq.read_schema(path) for path in files(lake)}) == 1
    found = duck("select desk from messages order by message_id", lake)
    assert found == [("north",), (None,), (None,)]
    with pytest.raises(SinkError, match=r"has a column desk of type string, .* of type int64"):
        write(lake, with_desk(BATCHES[3], 7))
    other = tmp_path / "other"
    register(other)
    write(other, BATCHES[0])
    with pytest.raises(SinkError, match=r"has no column desk, .*leave it out, or name another"):
        write(other, with_desk(BATCHES[1]))
    register(tmp_path / "third")
    with pytest.raises(SinkError, match="has a column desk of type"):
        write(tmp_path / "third", with_desk(BATCHES[0]), with_desk(BATCHES[1], 7))


def test_a_lake_without_a_stored_schema_uses_the_one_in_its_files(lake):
    write(lake, with_names(BATCHES[0]))
    (lake / "_fixfeed" / "messages.schema").unlink()
    with pytest.raises(SinkError, match="add --names"):
        ParquetLedger(str(lake), columns=columns_of_a_run(FIX.table, names=False)).prepare()
    with pytest.raises(SinkError, match="add --names"):
        write(lake, BATCHES[1])
    write(lake, with_names(BATCHES[1]))
    assert (lake / "_fixfeed" / "messages.schema").exists()
    (lake / "_fixfeed" / "messages.schema").write_bytes(b"?")
    with pytest.raises(SinkError, match=r"is no schema .*remove it"):
        write(lake, with_names(BATCHES[2]))


def test_a_lake_of_an_older_version_with_fewer_columns_is_not_extended(lake):
    write(lake, BATCHES[0])
    (path,) = files(lake)
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["masked"]), path)
    (lake / "_fixfeed" / "messages.schema").unlink()
    with pytest.raises(
        SinkError, match=r"older fixfeed and has no column masked, .* fixfeed migrate parquet:"
    ):
        write(lake, BATCHES[1])


def test_another_partitioning_is_refused_before_reading(lake):
    ParquetLedger(str(lake), partition_by=("symbol",)).prepare()
    write(lake, BATCHES[0])
    with pytest.raises(SinkError, match=r"by the same \(--partition-by date --partition-by msg_ty"):
        ParquetLedger(str(lake), partition_by=("symbol",)).prepare()


def test_looking_at_a_lake_leaves_no_trace(tmp_path):
    place = Path(tmp_path / "none")
    assert ParquetLedger(str(place)).check() is False
    assert not place.exists()
    register(place)
    assert ParquetLedger(str(place)).check() is True


# The job.


def test_pandas_and_duckdb_read_while_a_job_reprocesses(tmp_path):
    (tmp_path / "day.log").write_bytes(log(4_000, 7, mutated=0))
    lake = tmp_path / "lake"
    arguments = ["--input", "day.log", "--output", f"parquet:{lake}"]
    stored = fixfeed(*arguments, cwd=tmp_path)["sinks"][f"parquet:{lake}"]["stored"]
    command = [sys.executable, "-m", "fixfeed", *arguments]
    command += ["--reprocess", "--validate", "off", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    listed = files(lake)
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as job:
        while job.poll() is None:
            ids = pandas.read_parquet(lake / "messages")["message_id"]
            assert (len(ids), ids.nunique()) == (stored, stored)
            counts = "select count(*), count(distinct message_id) from messages"
            assert duck(counts, lake) == [(stored, stored)]
            assert len(ids_of(listed)) == stored
    assert job.returncode == 0


def test_a_job_that_would_break_a_lake_ends_before_reading_even_with_nothing_new(tmp_path):
    (tmp_path / "day.log").write_bytes(log(50, 1))
    arguments = ["--input", "day.log", "--output", "parquet:lake"]
    fixfeed(*arguments, cwd=tmp_path)
    before = {path: path.read_bytes() for path in files(tmp_path / "lake")}
    for flags, sentence in (
        (["--names"], "leave out --names, or name another folder"),
        (["--partition-by", "symbol"], "(--partition-by date --partition-by msg_type)"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "fixfeed", *arguments, *flags],
            cwd=tmp_path,
            capture_output=True,
        )
        assert done.returncode == 2
        assert sentence in done.stderr.decode()
        assert len(done.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in files(tmp_path / "lake")} == before
