"""The whole job, as users run it: every message is counted and stored once."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing.borders import endings, last_border
from fixfeed.transforms.fix.parser import parse_block
from tests.pipelines.jobs import FIXFEED, fixfeed
from tests.services.select import SelectFailed
from tests.transforms.fix.messages import news, random_log

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


def summary_of_process(*arguments, cwd, **options):
    """Run the job as people do, in a process of its own; return its summary."""
    command = [*FIXFEED, "--json", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, **options)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def log(messages, seed, mutated=0.02, delimiter=b"|"):
    return random_log(random.Random(seed), messages, mutated=mutated, delimiter=delimiter)


def expected_rows(data, delimiter=b"|"):
    """The stored rows of a file: (position, raw) of messages and of failures."""
    end = last_border(data, delimiter, at_end=endings(data[: 64 << 10], delimiter))
    batch = parse_block(Block("x", 0, data[:end], delimiter))
    tail = parse_block(Block("x", end, data[end:], delimiter, provisional=True))
    failures = batch.failures.to_pylist() + tail.failures.to_pylist()
    return (
        [(row["position"], row["raw"]) for row in batch.messages.to_pylist()],
        [(row["position"], row["raw"]) for row in failures],
    )


def stored_rows(select, uri):
    """{source name: (messages, failures)} as stored, each a (position, raw)."""
    result = {}
    for number, name in select(uri, "select source_id, name from sources"):
        parts = []
        for table, key in (("messages", "message_id"), ("failures", "failure_id")):
            rows = select(
                uri, f"select {key}, raw from {table} where source_id = {number} order by {key}"
            )
            parts.append([(row[0] & (1 << 40) - 1, row[1]) for row in rows])
        result[os.path.basename(name)] = tuple(parts)
    return result


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    contents = {"a.log": log(800, 1), "b.log": log(500, 2, delimiter=b";"), "c.log": log(300, 3)}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    packed = log(400, 4)
    (folder / "d.log.gz").write_bytes(gzip.compress(packed))
    return folder, contents | {"d.log.gz": packed}


def expected_of(contents):
    delimiters = {"b.log": b";"}
    return {
        name: expected_rows(data, delimiters.get(name, b"|")) for name, data in contents.items()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_every_message_is_stored_once_and_the_counts_add_up(
    logs, database, select, tmp_path, workers
):
    folder, contents = logs
    summary = summary_of_process(
        "--input", folder / "*", "--output", database, "--workers", workers, cwd=tmp_path
    )
    expected = expected_of(contents)
    assert stored_rows(select, database) == expected
    (counts,) = summary["sinks"].values()
    assert counts["stored"] == sum(len(messages) for messages, _ in expected.values())
    assert sum(counts["failed"].values()) == sum(len(failures) for _, failures in expected.values())
    assert counts["read"] == counts["stored"] + sum(counts["failed"].values())
    sums = select(database, "select sum(stored), sum(failed), sum(filtered) from sources")
    in_tables = select(database, "select count(*) from messages")
    assert sums[0][0] == in_tables[0][0]

    again = fixfeed("--input", folder / "*", "--output", database, cwd=tmp_path)
    (counts,) = again["sinks"].values()
    assert (counts["stored"], again["exit_code"]) == (0, 0)
    assert stored_rows(select, database) == expected
    ended = select(database, "select ended from runs order by run_id")
    assert ended == [("done",), ("done",)]


def test_a_grown_renamed_or_compressed_file_adds_only_what_is_new(database, select, tmp_path):
    data = log(900, 5, mutated=0)
    cut = len(data) * 2 // 3
    path = tmp_path / "day.log"
    path.write_bytes(data[:cut])
    fixfeed("--input", path, "--output", database)
    path.write_bytes(data)
    grown = fixfeed("--input", path, "--output", database)
    (counts,) = grown["sinks"].values()
    assert counts["bytes"] < len(data) - cut + 2000
    assert stored_rows(select, database) == {"day.log": expected_rows(data)}
    path.rename(tmp_path / "renamed.log")
    (tmp_path / "packed.log.gz").write_bytes(gzip.compress(data))
    fixfeed("--input", tmp_path / "*.log*", "--output", database)
    assert stored_rows(select, database) == {"day.log": expected_rows(data)}


def family(process_id):
    """The process and all its descendants, parents first."""
    found = [process_id]
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process_id:
            found += family(int(status.parent.name))
    return found


@pytest.fixture(scope="module")
def long_log(tmp_path_factory):
    """A log of several commits, and its stored rows."""
    path = tmp_path_factory.mktemp("long") / "long.log"
    part, times = log(1000, 1, delimiter=b"\x01") + news(4000, octets=1000), 10
    path.write_bytes(part * times)
    messages, failures = (
        [(turn * len(part) + position, raw) for turn in range(times) for position, raw in rows]
        for rows in expected_rows(part, b"\x01")
    )
    return path, (messages, failures)


def counted(uri, select):
    """How many messages are stored, by the ledger: it costs little, however many there are."""
    try:
        return select(uri, "select coalesce(sum(stored), 0) from progress")[0][0]
    except SelectFailed:
        return 0


def test_a_killed_job_run_again_gives_exactly_the_right_rows(long_log, database, select, tmp_path):
    path, (messages, failures) = long_log
    command = [sys.executable, "-m", "fixfeed", "--input", str(path)]
    command += ["--output", database, "--workers", "2", "--quiet"]
    kills = 0
    before = 0
    while kills < 3:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        while process.poll() is None and (now := counted(database, select)) <= before:
            time.sleep(0.1)
        if process.poll() is not None:
            break
        for number in family(process.pid):
            os.kill(number, signal.SIGKILL)
        process.wait()
        kills += 1
        before = now
    assert kills
    fixfeed("--input", path, "--output", database, cwd=tmp_path)
    assert stored_rows(select, database) == {"long.log": (messages, failures)}
    progress = select(database, 'select start, "end", stored, failed from progress')
    assert progress == [(0, path.stat().st_size, len(messages), len(failures))]


def test_a_job_stopped_by_a_signal_reports_it_and_resumes_when_run_again(
    long_log, database, select, tmp_path
):
    path, expected = long_log
    command = [sys.executable, "-m", "fixfeed", "--input", str(path), "--json"]
    command += ["--output", database, "--workers", "2", "--quiet"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )
    while not counted(database, select):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 5, errors.decode()
    assert json.loads(output)["ended"] == "stopped before the end; run again to go on"
    assert b"stopping" in errors
    fixfeed("--input", path, "--output", database, cwd=tmp_path)
    assert stored_rows(select, database) == {"long.log": expected}


def test_two_jobs_write_to_one_database_at_once(logs, database, select, tmp_path):
    folder, contents = logs
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "fixfeed", "--quiet", "--output", database]
            + ["--input", str(folder / pattern)],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        for pattern in ("[ab]*", "[cd]*", "*")
    ]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    assert stored_rows(select, database) == expected_of(contents)


def test_damaged_and_missing_files_are_named_and_the_rest_is_stored(logs, select, tmp_path):
    folder, _ = logs
    data = b"".join(log(300, seed, mutated=0) for seed in range(10))
    packed = gzip.compress(data)
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) * 2 // 3])
    uri = f"sqlite:///{tmp_path}/day.db"
    cut = tmp_path / "cut.gz"
    summary = fixfeed("--input", cut, "--input", folder / "a.lgo", "--output", uri, expected=3)
    missing, damaged = summary["unreadable"]
    assert missing == f"{folder}/a.lgo: does not exist; there is '{folder}/a.log'"
    assert damaged.startswith(
        f"{tmp_path}/cut.gz: its gz data ends too early; it was read up to byte "
    )
    failures = select(uri, "select reason, detail from failures")
    assert failures == [("unreadable", damaged)]
    stored = select(uri, "select count(*) from messages")[0][0]
    assert 1500 < stored < 3000
    (tmp_path / "cut.gz").write_bytes(packed)
    fixfeed("--input", tmp_path / "cut.gz", "--output", uri)
    assert select(uri, "select count(*) from messages") == [(3000,)]
    assert select(uri, "select count(*) from failures") == [(0,)]


def test_other_rules_are_reported_and_reprocessing_replaces_stored_rows(logs, database, select):
    folder, contents = logs
    arguments = ("--input", folder / "a.log", "--output", database)
    first = fixfeed(*arguments, "--include", "MsgType = D", "--no-admin")
    (counts,) = first["sinks"].values()
    assert counts["filtered"] > 0
    types = "select distinct msg_type from messages order by 1"
    assert select(database, types) == [("D",)]
    second = fixfeed(*arguments)
    assert "was stored under other rules" in second["warnings"][0]
    assert "--reprocess" in second["warnings"][0]
    assert select(database, types) == [("D",)]
    fixfeed(*arguments, "--reprocess")
    assert stored_rows(select, database) == {"a.log": expected_rows(contents["a.log"])}
    assert select(database, "select sum(filtered) from sources") == [(0,)]
    assert fixfeed(*arguments)["warnings"] == []


def test_failures_are_printed_with_source_position_reason_and_bytes(select, tmp_path):
    (tmp_path / "a.log").write_bytes(log(3, 1, mutated=0) + b"8=FIX|44=1|\n")
    uri = f"sqlite:///{tmp_path}/day.db"
    fixfeed("--input", "a.log", "--output", uri, cwd=tmp_path)
    printed = [
        subprocess.run(
            [sys.executable, "-m", "fixfeed.pipelines.failures", uri, *flags],
            capture_output=True,
            check=True,
        ).stdout
        for flags in ([], ["--json"], ["--raw"], ["--source", "other"])
    ]
    position = (tmp_path / "a.log").stat().st_size - 12
    assert f"a.log at {position}: no_begin_string".encode() in printed[0]
    assert json.loads(printed[1])["raw"] == "8=FIX|44=1|"
    assert printed[2:] == [b"8=FIX|44=1|\n", b""]


def test_lookups_and_names_reach_every_sink(select, tmp_path):
    (tmp_path / "a.log").write_bytes(log(50, 1, mutated=0))
    (tmp_path / "symbols.csv").write_text("symbol,sector\nAAPL,Technology\n")
    uri = f"sqlite:///{tmp_path}/day.db"
    fixfeed(
        "--input", "a.log", "--output", uri, "--output", "parquet:lake", "--names",
        "--lookup", "symbols.csv:symbol", cwd=tmp_path,
    )  # fmt: skip
    found = select(uri, "select distinct symbol, enriched from messages where enriched is not null")
    assert found == [("AAPL", '{"sector":"Technology"}')]
    frame = pandas.read_parquet(tmp_path / "lake" / "messages")
    assert set(frame[frame.symbol == "AAPL"].enriched) == {'{"sector":"Technology"}'}
    assert "Buy" in set(frame.side_name)
    stored = select(uri, "select count(*), count(ingested_at) from messages")
    assert stored == [(50, 50)]
    assert len(frame) == 50


HOSTILE = {
    "empty": b"",
    "binary": random.Random(1).randbytes(3_000_000),
    "nul": b"\0" * 100_000,
    "long_line": b"x" * 20_000_000,
    "long_value": b"8=FIX.4.4\x019=20\x0135=B\x0158=" + b"y" * 20_000_000 + b"\x0110=000\x01\n",
    "not_utf8": b"8=FIX.4.4\x019=20\x0135=B\x0149=\xff\xfe\x0156=\x80\x0110=000\x01\n",
    "named.gz": log(20, 1),
    "only_delimiters": b"\x01" * 50_000 + b"|" * 50_000,
    "all_begin": b"8=FIX.4.4\x01" * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_accounted_for_to_the_last_byte(name, select, tmp_path):
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    uri = f"sqlite:///{tmp_path}/day.db"
    code = 0 if name in ("empty", "not_utf8", "named.gz") else 7
    summary = fixfeed("--input", path, "--output", uri, expected=code)
    (counts,) = summary["sinks"].values()
    assert counts["read"] == counts["stored"] + sum(counts["failed"].values())
    assert counts["bytes"] == len(HOSTILE[name])
    if name == "binary":
        kept = select(uri, "select sum(length(raw)) from failures")[0][0]
        assert kept > 0.95 * path.stat().st_size
    if name == "nul":
        ((reason, detail),) = select(uri, "select reason, detail from failures")
        assert reason == "repeated_byte"
        assert "100,000" in detail


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the real samples are not beside this checkout")
def test_the_real_samples_are_stored_without_a_loss(select, tmp_path):
    uri = f"sqlite:///{tmp_path}/day.db"
    fixfeed("--input", SAMPLES / "*.*", "--output", uri)
    found = dict(
        select(
            uri,
            "select replace(s.name, rtrim(s.name, replace(s.name, '/', '')), ''), count(message_id)"
            " from sources s left join messages m on m.source_id = s.source_id group by 1",
        )
    )
    found.pop("README.md")
    assert found == {
        "banzai-4.1.fix": 16,
        "cme-secdef-no-header.dat": 216,
        "mixed-versions-prefixed.log": 11,
        "nested-parties-4.2.txt": 1,
        "orders-fixt11-5.0.fix": 65,
    }
    failures = select(uri, "select reason, raw from failures")
    assert [(r, raw) for r, raw in failures if b"invalid_stuff" in raw] == [
        (
            "no_begin_string",
            b"2015-08-31 20:48:26,536 FIXT.1.1:DUMMY_INC->ANOTHER_INC: 8=invalid_stuff",
        )
    ]
    order = select(
        uri,
        "select session, captured_at, msg_type, side_name, order_qty, price, transact_time, defects"
        " from messages_named where cl_ord_id = '15051230'",
    )
    assert order == [
        ("FIX.4.2:ANOTHER_INC->DUMMY_INC", "2015-08-26 23:03:21.150000", "D", "Buy", 2.0, 22710.0,
         "2025-04-07 13:14:15.000000", "body_length,check_sum")
    ]  # fmt: skip
    kept = select(uri, "select raw from messages order by message_id")
    every_byte = b"".join(path.read_bytes() for path in SAMPLES.glob("*.*"))
    assert all(raw in every_byte for (raw,) in kept)


def test_standard_input_is_read_and_recognised(logs, select, tmp_path):
    folder, contents = logs
    uri = f"sqlite:///{tmp_path}/day.db"
    for expected in (True, False):
        with open(folder / "a.log", "rb") as file:
            words = ["--input", "-", "--output", uri]
            summary = summary_of_process(*words, cwd=tmp_path, stdin=file)
        assert (summary["sinks"][uri]["stored"] > 0) is expected
    assert stored_rows(select, uri) == {"-": expected_rows(contents["a.log"])}


def test_a_reader_that_closes_standard_output_ends_the_job_quietly(tmp_path):
    (tmp_path / "a.log").write_bytes(b"".join(log(1000, seed) for seed in range(5)))
    command = [sys.executable, "-m", "fixfeed", "--quiet", "--input", "a.log"]
    job = subprocess.Popen(
        [*command, "--output", "jsonl:-"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert json.loads(job.stdout.readline())["source"] == "a.log"
    job.stdout.close()
    assert job.stderr.read() == b""
    assert job.wait() == 5


def test_too_many_failures_end_with_their_own_exit_code(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(log(50, 1) + b"8=FIX|1=2|\n" * 5)
    uri = f"sqlite:///{tmp_path}/day.db"
    fixfeed("--input", path, "--output", uri, "--max-failures", 2, expected=4)


def test_a_dry_run_only_shows_the_plan(logs, tmp_path):
    folder, _ = logs
    (tmp_path / "venue.xml").write_text(
        "<fix type='FIX' major='4' minor='2'><fields>"
        "<field number='20001' name='Venue' type='STRING'/></fields></fix>"
    )
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "fixfeed", "--dry-run", "--input", str(folder / "*")]
        + ["--validate", "off", "--dictionary", "A->B=+venue.xml", "--default-appl-ver-id", "7"]
        + ["--mask", "Account=drop", "--mask", "554=keep", "--mask", "20001"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    shown = done.stdout.decode()
    assert "a.log" in shown
    assert "cl_ord_id" in shown
    for text in (
        "looking for defects: off",
        "  A->B=+venue.xml (FIX.4.2)",
        "  else those of fixfeed; FIX.5.0 for FIXT.1.1 that does not say its version",
        "  Account (1): drop",
        "  Password (554): keep",
        "  RawData (96) of Logons: mask",
        "  20001: mask",
    ):
        assert text in shown.splitlines()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bug_is_not_taken_for_bad_input(logs, tmp_path):
    folder, _ = logs
    code = (
        "import sys, fixfeed.transforms.fix.protocol, fixfeed.pipelines.run\n"
        "def buggy(*_, **__): raise KeyError('a bug')\n"
        "fixfeed.transforms.fix.protocol.parse_block = buggy\n"
        "sys.exit(fixfeed.pipelines.run.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--workers", "1", "--quiet", "--input", str(folder / "a.log")],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 1
    assert b"a bug" in done.stderr


def test_a_file_without_read_permission_is_named(tmp_path):
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.fail("as root this test needs setpriv to give up its rights")
    (tmp_path / "secret.log").write_bytes(log(5, 1))
    (tmp_path / "secret.log").chmod(0)
    tmp_path.chmod(0o755)
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "fixfeed", "--json", "--quiet"] + ["--input", "secret.log"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 3, done.stderr.decode()
    assert json.loads(done.stdout)["unreadable"] == ["secret.log: permission denied"]
