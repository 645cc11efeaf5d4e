"""`--input follow:` stores what programs write to logs, once, whatever ends in the middle."""

import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter

import pytest

from fixfeed.pipelines.fixfeed import main
from tests.pipelines.jobs import FIXFEED
from tests.services.postgresql_server import Server
from tests.services.stored import rows_in
from tests.transforms.fix.messages import encode

SECONDS = 12  # that logs are written for while jobs are killed


def line(number):
    fields = [(35, b"0"), (34, b"%d" % number), (112, b"a test")]
    return encode(fields, delimiter=b"|") + b"\n"


def append(path, *numbers):
    with open(path, "ab", buffering=0) as file:
        for number in numbers:
            file.write(line(number))


def follow(pattern, *outputs, **options):
    words = [*FIXFEED, "--json", "--quiet", "--input", f"follow:{pattern}"]
    words += [word for output in outputs for word in ("--output", str(output))]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, **streams | options)


def stopped(job):
    """Stop a job as people do; return its summary."""
    job.send_signal(signal.SIGTERM)
    out, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    return json.loads(out)


def numbers_in(uri):
    return Counter(rows_in(uri, "msg_seq_num"))


def wait_until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_what_is_written_is_stored_in_every_sink_until_the_job_is_stopped(tmp_path, logs):
    uri, lines = f"sqlite:///{tmp_path}/f.db", tmp_path / "out.jsonl"
    append(logs / "a.log", *range(5))
    job = follow(logs / "*.log", uri, f"jsonl:{lines}", f"parquet:{tmp_path}/lake")
    wait_until(lambda: len(numbers_in(uri)) == 5)
    for number in range(5, 10):
        append(logs / f"{number % 2}.log", number)
        wait_until(lambda number=number: number in numbers_in(uri))
        wait_until(lambda number=number: len(lines.read_bytes().splitlines()) == number + 1)
    with open(logs / "a.log", "ab") as file:
        file.write(b"no FIX at all\n8=FIX.4.4|9=5|35=0|10=000|\n" + line(10)[:30])
    wait_until(lambda: sum(numbers_in(uri).values()) >= 10)
    time.sleep(0.5)
    summary = stopped(job)
    expected = {"read": 11, "stored": 11, "repeated": 0, "filtered": 0, "skipped": 1, "failed": {}}
    for counts in summary["sinks"].values():
        assert counts | expected == counts
    assert len(summary["sinks"]) == 3
    assert (summary["exit_code"], summary["ended"], summary["files"]) == (0, "done", 3)


def test_batch_runs_and_streams_of_one_folder_store_each_message_once(tmp_path, logs, database):
    append(logs / "a.log", *range(300))
    batch = [*FIXFEED, "--json", "--quiet", "--input", str(logs / "*.log"), "--output", database]
    subprocess.run(batch, check=True, stdout=subprocess.DEVNULL)
    append(logs / "a.log", *range(300, 310))
    append(logs / "b.log", *range(310, 320))
    job = follow(logs / "*.log", database)
    wait_until(lambda: len(numbers_in(database)) == 320)
    append(logs / "b.log", 320)
    wait_until(lambda: 320 in numbers_in(database))
    (counts,) = stopped(job)["sinks"].values()
    assert (counts["read"], counts["stored"]) == (21, 21)
    again = subprocess.run(batch, check=True, stdout=subprocess.PIPE)
    (counts,) = json.loads(again.stdout)["sinks"].values()
    assert counts["read"] == 0
    assert numbers_in(database) == Counter(range(321))


def rotate(path, number, rng):
    new = f"{path}.{number}"
    how = rng.choice(["rename", "rename", "copy and truncate"])
    if how == "rename":
        os.rename(path, new)
    else:
        shutil.copyfile(path, new)
        os.truncate(path, 0)
    if rng.random() < 0.5:
        with open(new, "rb") as plain, gzip.open(f"{new}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        os.unlink(new)


def write(logs, database, rng, over, written):
    """Write logs and rotate them, until `over` is set."""
    paths = [logs / "a.log", logs / "b.log"]
    for path in paths:
        append(path, *range(-120, 0))
    known_by = dict.fromkeys(paths, -1)
    rotations = 0
    while not over.is_set():
        path = rng.choice(paths)
        for _ in range(rng.choice([1, 5, 50])):
            written.append(len(written))
            whole, cut = line(written[-1]), rng.randrange(40)
            with open(path, "ab", buffering=0) as file:
                file.write(whole[:cut])
                time.sleep(0.01 * rng.random())
                file.write(whole[cut:])
            if path not in known_by and path.stat().st_size > 4096:
                known_by[path] = written[-1]
        time.sleep(0.05 * rng.random())
        # A log of which less is stored is known by its name alone.
        if rng.random() < 0.03 and known_by.get(path, over) in numbers_in(database):
            rotations += 1
            rotate(path, rotations, rng)
            del known_by[path]


def test_no_message_is_lost_or_doubled_when_jobs_are_killed_while_logs_are_rotated(
    tmp_path, logs, database
):
    seed = int(os.environ.get("FIXFEED_SEED", "1"))
    rng = random.Random(seed)
    over, written = threading.Event(), []
    writer = threading.Thread(
        target=write, args=(logs, database, random.Random(seed + 1), over, written)
    )
    writer.start()
    try:
        deadline = time.monotonic() + float(os.environ.get("FIXFEED_SECONDS", SECONDS))
        while time.monotonic() < deadline:
            job = follow(logs / "*", database)
            before = len(numbers_in(database))
            wait_until(lambda before=before: len(numbers_in(database)) > before)
            time.sleep(2 * rng.random())
            job.kill()
            job.communicate()
    finally:
        over.set()
        writer.join()
    job = follow(logs / "*", database)
    everything = set(written) | set(range(-120, 0))
    wait_until(lambda: everything == set(numbers_in(database)))
    stopped(job)
    counts = numbers_in(database)
    assert {number: counts[number] for number in written} == dict.fromkeys(written, 1)


def test_a_stream_outlives_its_database(tmp_path, logs):
    with tempfile.TemporaryDirectory(prefix="fixfeed-pg-", dir="/tmp") as folder:
        server = Server(folder)
        server.start()
        try:
            append(logs / "a.log", *range(10))
            job = follow(logs / "*.log", server.uri)
            wait_until(lambda: len(numbers_in(server.uri)) == 10)
            server.stop(signal.SIGINT)
            for number in range(10, 40):
                if number in (18, 25, 32):
                    # Names that do not match: those between are seen by nobody.
                    os.rename(logs / "a.log", logs / f"a.log.{number}")
                append(logs / "a.log", number)
                append(logs / f"{number % 3}.log", number + 100)
                time.sleep(0.1)
            server.start()
            append(logs / "a.log", 40)
            expected = Counter([*range(41), *range(110, 140)])
            wait_until(lambda: numbers_in(server.uri) == expected)
            job.send_signal(signal.SIGTERM)
            out, err = job.communicate(timeout=60)
        finally:
            server.stop()
    assert job.returncode == 0
    (counts,) = json.loads(out)["sinks"].values()
    assert counts["read"] == counts["stored"] + counts["repeated"] == 71
    *lines, last = err.decode().splitlines()
    assert any("meanwhile it is tried again and again" in line for line in lines)
    assert last == "fixfeed: stopping after what is being stored; once more to end now"


def test_a_stream_ends_after_the_time_it_is_given(tmp_path, logs, capsys):
    append(logs / "a.log", 1)
    uri = f"sqlite:///{tmp_path}/f.db"
    words = ["--input", f"follow:{logs}/*.log", "--output", uri, "--quiet", "--for", "2s"]
    assert main(words) == 0
    assert re.search("stored +│ +1 ", capsys.readouterr().out)


# From its own first line on; before that Python itself is started.
@pytest.mark.parametrize("seconds", [0, 0.2, 0.6])
def test_a_stream_that_is_stopped_in_its_first_second_ends_as_any_other(seconds, tmp_path, logs):
    heeds = "import fixfeed.pipelines.early_signals as e, sys; f = e.asking; "
    heeds += "e.asking = lambda: (print('now', flush=True), f())[1]; "
    heeds += "from fixfeed.pipelines.fixfeed import main; sys.exit(main())"
    words = ["--json", "--quiet", "--input", f"follow:{logs}/*.log", "--output", "sqlite:///f.db"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    job = subprocess.Popen([sys.executable, "-c", heeds, *words], cwd=tmp_path, **pipes)
    job.stdout.readline()
    time.sleep(0.05 + seconds)
    job.send_signal(signal.SIGTERM)
    out, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["exit_code"] == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--input", "day.log"], "shares no job with input of another kind"),
        (["--workers", "2"], "a stream is read by one worker"),
        (["--reprocess"], "name the files without follow: or replay:, and start"),
        (
            ["--runner", "PrismRunner"],
            "is read by one machine: have a job there send it to Kafka",
        ),
        (["--for", "10"], "for is '10', expected a length of time such as 100ms, 30s or 2h"),
        (["--until", "25:00"], "until is '25:00', expected a time of day such as 17:30"),
        (["--input", "follow:s3://bucket/*"], "names no local files; write follow:logs/*.log"),
        (["--input", "follow:"], "names no local files"),
        (["--input", "follow://logs/a"], "is no URL: write follow:logs/a, or follow:/logs/a for"),
    ],
)
def test_what_does_not_go_with_a_stream_is_refused(words, text, capsys):
    assert main(["--input", "follow:logs/*.log", *words]) == 2
    assert text in capsys.readouterr().err.replace("\n", " ")
