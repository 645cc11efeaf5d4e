"""Logs that begin alike, are rotated or read again lose nothing and add nothing."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apache_beam as beam
import pandas
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from fixfeed.io.commit import Run
from fixfeed.io.files.source import ReadFromFiles
from fixfeed.io.jsonl.sink import WriteToJsonLines
from fixfeed.io.parquet.sink import WriteToParquet
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.sink import WriteToSql
from fixfeed.pipelines import run as fixfeed
from fixfeed.transforms.batch import Block
from fixfeed.transforms.parse import ParseFix
from tests.pipelines.test_fixfeed import counted, family, log
from tests.transforms.fix.messages import encode, news

BANNER = b"# log of the FIX engine, version 1\n"


def session(name, count):
    return b"".join(
        encode([(35, b"D"), (49, name), (56, b"B"), (34, b"%d" % n), (11, b"%b-%d" % (name, n))])
        + b"\n"
        for n in range(count)
    )


@pytest.fixture(params=["sqlite", "postgresql", "parquet", "jsonl"])
def output(request, tmp_path):
    """The URI of an empty sink of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")
    names = {"sqlite": "sqlite:///{}/fixfeed.db", "parquet": "parquet:{}/lake"}
    return names.get(request.param, "jsonl:{}/out.jsonl").format(tmp_path)


@pytest.fixture
def run(capsys):
    """Run the job in this process; return its summary."""

    def running(*arguments, expected=0):
        given = ["--json", "--quiet", "--workers", "1", *map(str, arguments)]
        assert fixfeed.main(given) == expected
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return running


def stored(output, select):
    """The number of messages per sender in a sink."""
    kind, _, place = output.partition(":")
    if kind == "parquet":
        frame = pandas.read_parquet(Path(place) / "messages")
        return dict(frame.sender_comp_id.value_counts())
    if kind == "jsonl":
        found: dict[str, int] = {}
        for line in Path(place).read_bytes().splitlines():
            name = json.loads(line)["message"]["Header"]["SenderCompID"]
            found[name] = found.get(name, 0) + 1
        return found
    return dict(select(output, "select sender_comp_id, count(*) from messages group by 1"))


@pytest.mark.parametrize("beginning", [BANNER, BANNER * 150, session(b"X", 1)], ids=len)
def test_sessions_first_seen_with_the_same_content_are_all_stored(
    tmp_path, output, select, run, beginning
):
    names = [b"A", b"C", b"D", b"E", b"F"]
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in names[:3]:
        (logs / name.decode()).write_bytes(beginning)
    run("--input", logs / "*", "--output", output, expected=0 if b"8=FIX" in beginning else 7)
    for name in names:
        (logs / name.decode()).write_bytes(beginning + session(name, 300))
    for _ in range(2):
        run("--input", logs / "*", "--output", output)
    found = stored(output, select)
    found.pop("X", None)
    assert found == {name.decode(): 300 for name in names}


def test_two_logs_with_the_same_first_mebibyte_are_both_stored(tmp_path, output, select, run):
    alike = session(b"X", 20_000)
    assert len(alike) > 1 << 20
    (tmp_path / "a.log").write_bytes(alike + session(b"A", 50))
    run("--input", tmp_path / "a.log", "--output", output)
    (tmp_path / "b.log").write_bytes(alike + session(b"C", 50))
    run("--input", tmp_path / "b.log", "--output", output)
    assert stored(output, select) == {"X": 40_000, "A": 50, "C": 50}


def test_renamed_copied_and_compressed_logs_add_nothing(tmp_path, output, select, run):
    path = tmp_path / "day.log"
    path.write_bytes(session(b"A", 300))
    run("--input", path, "--output", output)
    (tmp_path / "copy.log").write_bytes(path.read_bytes())
    path = path.rename(tmp_path / "day.log.1")
    run("--input", f"{tmp_path}/*.log*", "--output", output)
    (tmp_path / "copy.log").unlink()
    (tmp_path / "day.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    summary = run("--input", f"{tmp_path}/*.log*", "--output", output)
    path.unlink()
    for _ in range(2):
        summary = run("--input", f"{tmp_path}/*.log*", "--output", output)
    assert summary["finished"] == [f"{tmp_path}/day.log.1.gz"]
    assert stored(output, select) == {"A": 300}


def test_standard_input_is_recognised_by_content(tmp_path, select):
    uri = f"sqlite:///{tmp_path}/fixfeed.db"
    path = tmp_path / "day.log"
    path.write_bytes(session(b"A", 300))
    command = [sys.executable, "-m", "fixfeed", "--quiet", "--output", uri, "--input"]
    for name, more in ((str(path), b""), ("-", b""), ("-", session(b"C", 5))):
        with open(path, "ab") as file:
            file.write(more)
        with open(path, "rb") as file:
            subprocess.run([*command, name], check=True, stdin=file, stdout=subprocess.DEVNULL)
    assert stored(uri, select) == {"A": 300, "C": 5}


def test_a_custom_pipeline_after_the_job_adds_nothing(tmp_path, output, select, run):
    path = tmp_path / "day.log"
    path.write_bytes(session(b"A", 300))
    run("--input", path, "--output", output)
    with open(path, "ab") as file:
        file.write(session(b"C", 5))
    place = output.partition(":")[2]
    sinks = {"parquet": WriteToParquet, "jsonl": WriteToJsonLines}
    sink = sinks.get(output.partition(":")[0], WriteToSql)
    where = place if sink in sinks.values() else output
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        blocks = pipeline | ReadFromFiles.matching([str(path)])
        _ = blocks | ParseFix(fix_json=sink is WriteToJsonLines) | sink(where)
    assert stored(output, select) == {"A": 300, "C": 5}
    if sink is WriteToSql:
        found = select(output, "select name, bytes, stored, failed from sources")
        assert found == [(str(path), path.stat().st_size, 305, 0)]
    assert run("--input", path, "--output", output)["finished"] == [str(path)]


def test_two_different_blocks_with_one_source_and_start_are_an_error(output):
    place = output.partition(":")[2]
    sinks = {"parquet": WriteToParquet, "jsonl": WriteToJsonLines}
    sink = sinks.get(output.partition(":")[0], WriteToSql)
    blocks = [Block("mine:1", 0, session(b"A", 3)), Block("mine:1", 0, session(b"C", 2))]
    with (
        pytest.raises(Exception, match="two different blocks came as source 'mine:1'"),
        beam.Pipeline(runner=FnApiRunner()) as pipeline,
    ):
        _ = (
            pipeline
            | beam.Create(blocks)
            | ParseFix(fix_json=True)
            | sink(place if sink in sinks.values() else output)
        )


# Reprocessing.


def traded(count):
    """Lines of orders and reports by turns, with some damage, which are read fast."""
    part = log(250, 1) + b"".join(
        encode([(35, kind), (49, b"A"), (56, b"B"), (34, b"%d" % n), (58, b"x" * 340)]) + b"\n"
        for n in range(4_875)
        for kind in (b"D", b"8")
    )
    return part * (count // 10_000)


TYPES = "select msg_type, count(*) from messages group by 1 order by 1"


def contents(output, select):
    """All rows except the ingestion time."""
    kind, _, place = output.partition(":")
    if kind == "parquet":
        frame = pandas.read_parquet(Path(place) / "messages").sort_values("message_id")
        return list(zip(frame.message_id, frame.raw, strict=True))
    rows = select(output, "select message_id, raw from messages order by 1")
    return [(number, bytes(raw)) for number, raw in rows]


def test_reprocessing_with_the_old_rules_undoes_an_interrupted_reprocessing(
    tmp_path, select, run, database
):
    path = tmp_path / "day.log"
    path.write_bytes(traded(20_000))
    arguments = ["--input", str(path), "--output", database]
    run(*arguments)
    first = contents(database, select)
    command = [sys.executable, "-m", "fixfeed", *arguments, "--quiet", "--workers", "1"]
    other = [*command, "--reprocess", "--include", "MsgType = D"]
    process = subprocess.Popen(other, cwd=tmp_path, stdout=subprocess.DEVNULL)
    while process.poll() is None and counted(database, select) >= len(first):
        time.sleep(0.02)
    for number in family(process.pid):
        os.kill(number, signal.SIGKILL)
    process.wait()
    assert 0 < counted(database, select) < len(first)
    sums = "select sum(stored), sum(failed) from sources"
    rows = "select (select count(*) from messages), (select count(*) from failures)"
    assert select(database, sums) == select(database, rows)
    run(*arguments, "--reprocess")
    assert contents(database, select) == first
    assert select(database, sums) == select(database, rows)
    assert select(database, "select sum(filtered) from sources") == [(0,)]


def test_reprocessing_a_lake_with_the_old_rules_undoes_an_interrupted_reprocessing(tmp_path, run):
    path, lake = tmp_path / "day.log", tmp_path / "lake"
    path.write_bytes(traded(80_000))
    arguments = ["--input", str(path), "--output", f"parquet:{lake}"]
    run(*arguments)
    first = contents(f"parquet:{lake}", None)
    command = [sys.executable, "-m", "fixfeed", *arguments, "--quiet", "--workers", "1"]
    other = [*command, "--reprocess", "--include", "MsgType = D"]
    process = subprocess.Popen(other, cwd=tmp_path, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list((lake / "_fixfeed" / "commits").glob("*.json")):
        time.sleep(0.02)
    for number in family(process.pid):
        os.kill(number, signal.SIGKILL)
    process.wait()
    run(*arguments, "--reprocess")
    assert contents(f"parquet:{lake}", None) == first


def test_of_two_jobs_that_reprocess_with_different_rules_one_stops_with_a_message(
    tmp_path, database, select, run
):
    path = tmp_path / "day.log"
    path.write_bytes(traded(20_000))
    arguments = ["--input", str(path), "--output", database]
    run(*arguments)
    command = [sys.executable, "-m", "fixfeed", *arguments, "--quiet", "--reprocess"]
    jobs = [
        subprocess.Popen(
            [*command, "--workers", "1", "--include", rule],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for rule in ("MsgType = D", "MsgType = 8")
    ]
    told = [job.communicate()[1].decode() for job in jobs]
    codes = sorted(job.returncode for job in jobs)
    rules = dict(select(database, "select distinct rules, 1 from progress"))
    if codes == [0, 0]:  # One ended before the other began.
        assert len(rules) == 1
    else:
        stopped = next(text for text in told if text)
        assert f"another job has begun to reprocess {path} under other rules" in stopped
        assert "Traceback" not in stopped
    # Ledger and rows agree, whoever stopped.
    sums = "select sum(stored), sum(failed) from sources"
    rows = "select (select count(*) from messages), (select count(*) from failures)"
    assert select(database, sums) == select(database, rows)
    for rule, kind in (("MsgType = D", "D"), ("MsgType = 8", "8")):
        run(*arguments, "--reprocess", "--include", rule)
        assert {row[0] for row in select(database, TYPES)} == {kind}


def test_a_job_whose_claim_was_taken_stores_nothing_more(tmp_path, database):
    store = open_store(database)
    store.prepare()
    path = tmp_path / "day.log"
    path.write_bytes(session(b"A", 3))
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        blocks = pipeline | ReadFromFiles.matching([str(path)]) | ParseFix()
        _ = blocks | WriteToSql(database, Run(rules="old"))
    store.restart([1], rules="new")
    store.restart([1], rules="newer")
    store.close()
    pipeline = beam.Pipeline(runner=FnApiRunner())
    sink = WriteToSql(database, Run({f"file:{path}": 1}, rules="new", replace=True))
    _ = pipeline | ReadFromFiles.matching([str(path)]) | ParseFix() | sink
    with pytest.raises(Exception, match=r"another job has begun to reprocess .*day\.log under"):
        pipeline.run()


# Rotation during a job.


def long_log():
    """A log of three ranges, the last of which no worker has begun when one has committed."""
    return b"".join(news(3_000, session=b"S%d" % n) for n in range(30))


def begun(command, folder):
    """Start a job, and wait until it has committed something but has not ended."""
    temporary = folder / "temporary"
    temporary.mkdir()
    job = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    while not list(temporary.glob("fixfeed-run-*/metrics/sources.jsonl")):
        assert job.poll() is None, job.communicate()
        time.sleep(0.01)
    return job


@pytest.mark.parametrize("way", ["renamed", "copied and truncated"])
def test_a_log_rotated_while_two_workers_read_it_is_read_whole(tmp_path, select, way):
    database = f"sqlite:///{tmp_path}/fixfeed.db"
    path = tmp_path / "day.log"
    path.write_bytes(long_log())
    command = [sys.executable, "-m", "fixfeed", "--quiet", "--output", database]
    command += ["--input", str(path), "--workers", "2"]
    job = begun(command, tmp_path)
    if way == "renamed":
        path.rename(tmp_path / "day.log.1")
        path.write_bytes(news(5_000, session=b"NEW"))
    else:
        (tmp_path / "day.log.1").write_bytes(path.read_bytes())
        with open(path, "r+b") as file:
            file.truncate()
            file.write(news(5_000, session=b"NEW"))
    out, errors = job.communicate()
    assert job.returncode == 0, out.decode() + errors.decode()
    expected = {f"S{n}": 3_000 for n in range(30)}
    assert stored(database, select) == expected
    done = subprocess.run([*command, "--input", f"{path}.1"], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert stored(database, select) == expected | {"NEW": 5_000}


def test_a_log_replaced_while_two_workers_read_it_is_reported_as_not_read_whole(tmp_path, select):
    database = f"sqlite:///{tmp_path}/fixfeed.db"
    path = tmp_path / "day.log"
    path.write_bytes(long_log())
    data = path.read_bytes()
    command = [sys.executable, "-m", "fixfeed", "--quiet", "--output", database, "--json"]
    command += ["--input", str(path), "--workers", "2"]
    job = begun(command, tmp_path)
    with open(path, "r+b") as file:
        file.truncate()
        file.write(news(5_000, session=b"NEW"))
    out, errors = job.communicate()
    assert job.returncode == 3, errors.decode()
    summary = json.loads(out)
    (told,) = summary["unreadable"]
    assert told.startswith(f"{path}: ")
    places = select(database, "select failure_id, reason from failures order by 1")
    assert {reason for _, reason in places} == {"unreadable"}
    (counts,) = summary["sinks"].values()
    assert counts["failed"] == {"unreadable": len(places)}
    assert "NEW" not in stored(database, select)
    # When the log is back, only the missing messages are added.
    path.write_bytes(data)
    done = subprocess.run(command, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert stored(database, select) == {f"S{n}": 3_000 for n in range(30)}
    assert select(database, "select count(*) from failures") == [(0,)]
