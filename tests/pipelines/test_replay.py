"""`--input replay:` stores a past day at its own pace, each message once."""

import gzip
import json
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing

import pytest

from fixfeed.pipelines.fixfeed import main
from tests.io.files.test_timed import line
from tests.pipelines.jobs import FIXFEED


def write(path, *numbers, step=1.0):
    data = b"".join(line(one * step, fields=[(34, b"%d" % one)]) for one in numbers)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def replay(pattern, database, *words):
    return ["--input", f"replay:{pattern}", "--output", database, "--json", "--quiet", *words]


def numbers_in(database):
    try:
        with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection:
            found = connection.execute("select msg_seq_num from messages order by rowid")
            return [number for (number,) in found]
    except sqlite3.OperationalError:
        return []


def wait_until(true, job):
    while not true():
        assert job.poll() is None, job.communicate()
        time.sleep(0.05)


@pytest.fixture
def database(tmp_path):
    return f"sqlite:///{tmp_path}/replay.db"


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_a_day_is_replayed_once_into_a_database(logs, database, capfd):
    write(logs / "a.log", *range(0, 1000, 2))
    write(logs / "b.log.gz", *range(1, 1000, 2))
    words = replay(f"{logs}/*?speed=3000", database, "--exclude", "MsgSeqNum = 7")
    assert main(words) == 0
    out, err = capfd.readouterr()
    summary = json.loads(out)
    (counts,) = summary["sinks"].values()
    assert (counts["read"], counts["stored"], counts["filtered"]) == (1000, 999, 1)
    told = summary["replayed"]
    assert (told["speed"], told["messages"]) == (3000, {"sending_time": 1000})
    assert told["from"] == "2026-03-02T09:00:00+00:00"
    assert told["to"] == "2026-03-02T09:16:39+00:00"
    assert 0 <= told["late_ms"]["p50"] <= told["late_ms"]["p99"] <= told["late_ms"]["worst"]
    assert "note: replaying from 2026-03-02 09:00:00 UTC on, at speed 3000, by sending_time" in err
    assert Counter(numbers_in(database)) == Counter({*range(1000)} - {7})
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["sinks"][database]["read"] == 0
    assert "name another database with --output" in err


def test_a_part_is_replayed_and_the_rest_stays_unread(logs, database, capfd):
    write(logs / "a.log", *range(100), step=60)
    window = "from=09:30&to=20260302-10:00"
    assert main(replay(f"{logs}/a.log?speed=0&{window}", database)) == 2
    assert "two times of day, or two dates with a time" in capfd.readouterr().err
    assert main(replay(f"{logs}/a.log?speed=0&from=09:30&to=10:00", database)) == 0
    assert numbers_in(database) == [*range(30, 60)]
    assert json.loads(capfd.readouterr().out)["replayed"]["late_ms"] is None
    assert main(["--input", str(logs / "a.log"), "--output", database, "--quiet"]) == 0
    assert sorted(numbers_in(database)) == [*range(100)]


def test_a_replay_that_was_stopped_or_killed_goes_on_where_it_was(logs, database):
    write(logs / "a.log", *range(0, 6000, 2), step=0.001)
    write(logs / "b.log", *range(1, 6000, 2), step=0.001)
    words = [*FIXFEED, *replay(f"{logs}/*.log?speed=2", database)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    for ending in (signal.SIGKILL, signal.SIGTERM):
        job = subprocess.Popen(words, **pipes)
        before = len(numbers_in(database))
        wait_until(lambda before=before: len(numbers_in(database)) > before, job)
        job.send_signal(ending)
        out, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    summary = json.loads(out)
    assert summary["ended"] == "stopped before the end; run again to go on"
    stored = summary["sinks"][database]["stored"]
    done = subprocess.run(words, check=True, **pipes)
    last = json.loads(done.stdout)
    assert last["ended"] == "done"
    assert 0 < last["sinks"][database]["stored"] < 6000 - stored
    assert b"0 are stored already and 2 in part; what is stored is left out" in done.stderr
    assert Counter(numbers_in(database)) == Counter(range(6000))


def test_a_signal_pauses_a_replay_and_lets_it_go_on(logs, database):
    write(logs / "a.log", *range(10), step=0.3)
    words = [*FIXFEED, *replay(f"{logs}/a.log", database)]
    job = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: len(numbers_in(database)) > 2, job)
    job.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    first = numbers_in(database)
    time.sleep(1)
    assert numbers_in(database) == first != [*range(10)]
    job.send_signal(signal.SIGUSR1)
    _, err = job.communicate(timeout=60)
    assert job.returncode == 0
    assert numbers_in(database) == [*range(10)]
    assert b"the same signal lets it go on" in err
    assert b"the replay goes on" in err


def test_that_the_files_of_a_replay_are_empty_is_told(logs, database, capfd):
    (logs / "a.log").touch()
    assert main(replay(f"{logs}/a.log", database)) == 0
    err = capfd.readouterr().err
    assert "nothing is left to replay: all files are empty" in err
    assert "stored already" not in err


def test_what_cannot_be_read_is_told_and_the_rest_replayed(logs, database, capfd):
    write(logs / "a.log", *range(10))
    words = replay(f"{logs}/a.log?speed=0", database, "--input", f"replay:{logs}/b.log")
    assert main(words) == 3
    (problem,) = json.loads(capfd.readouterr().out)["unreadable"]
    assert "b.log: does not exist" in problem
    assert numbers_in(database) == [*range(10)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.log?sped=10", "replay has no parameter 'sped'; did you mean speed?"),
        ("a.log?maxgap=10s", "did you mean max-gap?"),
        ("a.log?speed=fast", "speed is 'fast', expected a number such as 10 or 0.5, or 0 for"),
        ("a.log?speed=-1", "speed is '-1', expected a number"),
        ("a.log?from=9", "from is '9', expected a time of day such as 09:30, or a date with one"),
        ("a.log?to=2026-13-01", "to is '2026-13-01', expected a time of day"),
        ("a.log?from=10:00&to=10:00", "nothing is from 10:00:00 to 10:00:00"),
        ("a.log?max-gap=1", "max-gap is '1', expected a length of time such as 100ms, 30s or 2h"),
        ("", "names no logs; write replay:logs/day.log?speed=10"),
        ("s4://bucket/a.log", "is none of"),
    ],
)
def test_wrong_parameters_are_answered_with_the_right_ones(text, expected, capsys):
    assert main(["--input", f"replay:{text}"]) == 2
    assert expected in " ".join(capsys.readouterr().err.split())


def test_there_is_one_clock_for_all(capsys):
    words = ["--input", "replay:a.log?speed=2", "--input", "replay:b.log?speed=3"]
    assert main(words) == 2
    assert "found two values of speed" in " ".join(capsys.readouterr().err.split())
