"""A JSON lines file holds each message once, in whole lines, whatever happens to its writers."""

import dataclasses
import itertools
import os
import random
import signal
import subprocess
import sys
import time

import apache_beam as beam
import orjson
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from fixfeed.io.commit import Limits, Run
from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.jsonl.sink import WriteToJsonLines
from fixfeed.io.jsonl.writer import JsonlWriter
from fixfeed.io.ledger.ledger import SchemaError, SinkError, sources_of
from fixfeed.io.ledger.source import Source
from fixfeed.io.sql.progress import progress_of
from fixfeed.transforms.batch import TRUNCATED, Block
from fixfeed.transforms.fix.framing.leftovers import REASONS
from fixfeed.transforms.fix.parser import parse_block
from tests.io.ledger.known_sources import (
    check_known_by_what_was_read,
    finished,
    registered,
)
from tests.transforms.fix.messages import encode
from tests.transforms.fix.test_envelope import one_by_one, parsed

LOG = b"".join(
    encode([(35, b"D"), (34, b"%d" % n), (49, b"A"), (56, b"B"), (11, b"C%d" % n)]) + b"\n"
    if n % 7
    else b"8=FIX.4.4|junk=%d|2=3|\n" % n
    for n in range(40)
)
BORDERS = [0, *itertools.accumulate(map(len, LOG.splitlines(keepends=True)))]


def batch(start, end, **options):
    return parse_block(Block("file:key", start, LOG[start:end], **options), fix_json=True)


BATCHES = [batch(start, end) for start, end in itertools.pairwise(BORDERS)]
MESSAGES = sum(one.messages.num_rows for one in BATCHES)


def source(key="file:key", name="day.log"):
    return Source(key, "file", name)


def register(place, rules="r", one=None):
    return registered(JsonlLedger(str(place)), one or source(), rules)


def write(place, *batches, source_id=1, **options):
    writer = JsonlWriter(str(place))
    writer.prepare()
    try:
        return writer.write(
            [(source_id, one) for one in batches], **({"rules": "r", "replace": False} | options)
        )
    finally:
        writer.close()


def finish(place, stored_end=""):
    finished(JsonlLedger(str(place)), stored_end)


def lines(path):
    """Return the lines of a file, all of them whole."""
    content = path.read_bytes() if path.exists() else b""
    assert content == b"" or content.endswith(b"\n")
    return content.splitlines(keepends=True)


def failures_of(place):
    return place.with_name("out.failures.jsonl")


def progress(place):
    ledger = JsonlLedger(str(place))
    ledger.prepare()
    rows = progress_of(ledger.query, [1]).get(1, [])
    ledger.close()
    return sorted(rows)


def content(place):
    """Return all lines and all failures, sorted, and the progress."""
    return sorted(lines(place)), sorted(lines(failures_of(place))), progress(place)


def expected(name="day.log"):
    """Return the complete result, made message by message, without the code under test."""
    messages, failures = [], []
    for one in BATCHES:
        messages += [f"{text}\n".encode() for text in one_by_one(one, name)]
        for row in one.failures.to_pylist():
            row["raw"] = row["raw"].decode()
            failures.append(orjson.dumps({"source": name, **row}) + b"\n")
    counts = (MESSAGES, 0, len(failures), 0)
    return sorted(messages), sorted(failures), [("r", 0, len(LOG), *counts, "")]


WHOLE = expected()


@pytest.fixture
def place(tmp_path):
    register(tmp_path / "out.jsonl")
    return tmp_path / "out.jsonl"


def test_a_log_becomes_ordered_lines_with_failures_beside_them_and_one_stretch(place):
    assert write(place, batch(0, len(LOG))) == [MESSAGES]
    assert content(place) == WHOLE
    rows = [orjson.loads(line) for line in lines(place)]
    assert [row["position"] for row in rows] == sorted(row["position"] for row in rows)
    assert list(rows[0]) == [
        "source", "position", "captured_at", "ingested_at", "session", "direction", "defects",
        "masked", "message",
    ]  # fmt: skip
    assert sorted(path.name for path in place.parent.iterdir()) == [
        "out.failures.jsonl", "out.jsonl", "out.jsonl.progress.db",
    ]  # fmt: skip


def test_the_same_again_adds_nothing(place):
    write(place, *BATCHES[:20])
    write(place, *BATCHES[20:])
    before = place.read_bytes(), failures_of(place).read_bytes()
    assert write(place, *BATCHES) == [0] * len(BATCHES)
    assert (place.read_bytes(), failures_of(place).read_bytes()) == before
    assert content(place) == WHOLE


@pytest.mark.parametrize("seed", range(20))
def test_blocks_cut_differently_in_any_order_give_each_message_once(place, seed):
    rng = random.Random(seed)
    for _ in range(12):
        start, end = sorted(rng.sample(BORDERS, 2))
        write(place, *rng.sample([batch(start, end), *rng.sample(BATCHES, 3)], 4))
    write(place, batch(0, len(LOG)))
    finish(place)
    assert content(place) == WHOLE


def test_a_grown_source_adds_only_what_is_new(place):
    first = BORDERS[20]
    half = batch(first, first + 20, provisional=True)
    write(place, batch(0, first), half)
    before = place.read_bytes(), failures_of(place).read_bytes()
    write(place, half)
    assert (place.read_bytes(), failures_of(place).read_bytes()) == before
    write(place, batch(first, first + 30, provisional=True))
    write(place, batch(first, len(LOG)), half)
    finish(place)
    ends = [
        orjson.dumps(
            {
                "source": "day.log",
                "position": first,
                "reason": TRUNCATED,
                "detail": REASONS[TRUNCATED],
                "raw": LOG[first : first + length].decode(),
            }
        )
        + b"\n"
        for length in (20, 30)
    ]
    assert content(place) == (WHOLE[0], sorted(WHOLE[1] + ends), WHOLE[2])
    assert place.read_bytes().startswith(before[0])


def test_a_source_with_only_a_key_is_called_by_it(tmp_path):
    place = tmp_path / "out.jsonl"
    register(place, one=sources_of(BATCHES)[0])
    write(place, *BATCHES)
    write(place, *BATCHES)
    assert content(place) == expected("file:key")


def test_filtered_messages_and_lines_without_fix_are_counted_with_the_stretch(place):
    one = batch(0, BORDERS[10])
    one = one.only(pa.array([row >= 3 for row in range(one.messages.num_rows)]))
    write(place, dataclasses.replace(one, skipped_positions=pa.array([7, 8])))
    write(place, one, batch(BORDERS[10], BORDERS[11]))
    # Of a partly done stretch, those in the rest of it.
    rest = batch(0, BORDERS[12])
    last = rest.messages.num_rows - 1
    rest = rest.only(pa.array([0 < row < last for row in range(last + 1)]))
    write(place, dataclasses.replace(rest, skipped_positions=pa.array([7, BORDERS[12] - 1])))
    finish(place)
    stored, failed = one.messages.num_rows + 1, one.failures.num_rows
    assert progress(place) == [("r", 0, BORDERS[12], stored, 4, failed, 3, "")]


def test_without_failures_no_failure_file_is_made(place):
    write(place, *BATCHES[1:7])
    assert not failures_of(place).exists()


# Each run of the child completes one more of these calls before it is killed.
KILLED = """
import os, signal, sys
from pathlib import Path
from fixfeed.io.jsonl import files as jsonl_files
from tests.io.jsonl.test_sink import *

class HalfWritten:
    def __init__(self, file, due):
        self.file, self.due = file, due
    def __getattr__(self, name):
        return getattr(self.file, name)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()
    def writelines(self, lines):
        if self.due():
            whole = b"".join(lines)
            self.file.write(whole[:len(whole) * 2 // 3])
            self.file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.file.writelines(lines)

def arm(number):
    left = [number]
    def due():
        left[0] -= 1
        return left[0] < 0
    def wrapped(function):
        def call(*args, **options):
            if due():
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)
        return call
    os.fsync = wrapped(os.fsync)
    JsonlLedger.query = wrapped(JsonlLedger.query)
    jsonl_files.open = lambda *args: HalfWritten(open(*args), due)

number = 0
while True:
    folder = Path(sys.argv[1]) / str(number)
    folder.mkdir()
    child = os.fork()
    if child == 0:
        arm(number)
        register(folder / "out.jsonl")
        write(folder / "out.jsonl", batch(0, BORDERS[12]))
        write(folder / "out.jsonl", *BATCHES[9:14])
        finish(folder / "out.jsonl")
        os._exit(0)
    ended = os.waitpid(child, 0)[1]
    number += 1
    if ended == 0:
        break
    assert os.WIFSIGNALED(ended), ended
print(number)
"""


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_the_next_run_completes_what_a_kill_interrupted(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        check=True,
        capture_output=True,
        env=environment(),
    )
    steps = int(done.stdout)
    assert steps > 60
    halves = 0
    for step in range(steps):
        place = tmp_path / str(step) / "out.jsonl"
        halves += place.exists() and place.read_bytes()[-1:] not in (b"", b"\n")
        register(place)
        stored = progress(place)
        assert len(lines(place)) == sum(row[3] for row in stored), step
        assert len(lines(failures_of(place))) == sum(row[5] for row in stored), step
        write(place, batch(0, len(LOG)))
        finish(place)
        assert content(place) == WHOLE, step
    assert halves >= 2


WRITER = """
import sys
from pathlib import Path
from tests.io.jsonl.test_sink import *
place, head = Path(sys.argv[1]), sys.argv[2]
number = register(place, one=source(head, f"{head}.log")).source_id
writer = JsonlWriter(str(place))
writer.prepare()
print("ready", flush=True)
for first in range(0, 40, 2):
    numbered = [(number, one) for one in BATCHES[first : first + 2]]
    writer.write(numbered, rules="r", replace=False)
writer.close()
"""


@pytest.mark.parametrize("heads", [("one", "two"), ("same", "same")])
def test_two_jobs_write_to_a_new_file_at_once(tmp_path, heads):
    place = tmp_path / "out.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(place), head], env=environment())
        for head in heads
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    names = sorted({f"{head}.log" for head in heads})
    assert sorted(lines(place)) == sorted(line for name in names for line in expected(name)[0])
    assert sorted(lines(failures_of(place))) == sorted(
        line for name in names for line in expected(name)[1]
    )


def test_repeated_kills_of_writers_lose_and_double_nothing(tmp_path):
    place = tmp_path / "out.jsonl"
    rng = random.Random(1)
    for _ in range(5):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(place), "same"],
                env=environment(),
                stdout=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        for writer in writers:
            writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    subprocess.run(
        [sys.executable, "-c", WRITER, str(place), "same"], env=environment(), check=True
    )
    assert (sorted(lines(place)), sorted(lines(failures_of(place)))) == expected("same.log")[:2]


def test_the_next_commit_cuts_off_what_an_error_left(place, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    write(place, *BATCHES[:5])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match=r"cannot write to jsonl:.*No space left.*run it again"):
        write(place, *BATCHES[5:9])
    monkeypatch.undo()
    assert len(lines(place)) > 4  # They were appended, but do not count.
    write(place, *BATCHES)
    finish(place)
    assert content(place) == WHOLE


@pytest.mark.parametrize("name", ["out.jsonl", "out.failures.jsonl"])
def test_a_file_that_was_changed_or_lost_is_refused(place, name):
    write(place, *BATCHES)
    path = place.with_name(name)
    before = path.read_bytes()
    size = f"but fixfeed has written {len(before):,} bytes to it and counts them as stored: put"
    for found, found_text in (
        (before[:-30], f"{name} has {len(before) - 30:,} bytes, {size}"),
        (before.replace(b"day.log", b"DAY.log") + b"x", f"{name} has other content, {size}"),
        (None, f"{name} is not there, {size}"),
    ):
        path.unlink()
        if found is not None:
            path.write_bytes(found)
        with pytest.raises(SinkError) as error:
            register(place)
        assert found_text in str(error.value)
        assert path.exists() == (found is not None)
        path.write_bytes(before)
    assert write(place, *BATCHES) == [0] * len(BATCHES)
    place.unlink()
    writer = JsonlWriter(str(place))
    more = dataclasses.replace(BATCHES[1], start=len(LOG), end=len(LOG) + 9)
    with pytest.raises(SinkError, match="is not there"):
        writer.write([(1, more)], rules="new", replace=False)


def test_files_and_ledgers_of_others_are_refused_untouched(tmp_path):
    place = tmp_path / "out.jsonl"
    for name in ("out.jsonl", "out.failures.jsonl"):
        (tmp_path / name).write_bytes(b'{"mine": 1}\n')
        with pytest.raises(SinkError, match=rf"{name} is there already, and no out.jsonl.progress"):
            register(place)
        assert (tmp_path / name).read_bytes() == b'{"mine": 1}\n'
        assert [path.name for path in tmp_path.iterdir()] == [name]
        # A job killed before it made its tables.
        (tmp_path / "out.jsonl.progress.db").touch()
        with pytest.raises(SinkError, match=rf"{name} is there already"):
            register(place)
        assert (tmp_path / name).read_bytes() == b'{"mine": 1}\n'
        (tmp_path / name).unlink()
        (tmp_path / "out.jsonl.progress.db").unlink()
    place.mkdir()
    with pytest.raises(SinkError, match="write to another file"):
        register(place)
    place.rmdir()
    database = tmp_path / "out.jsonl.progress.db"
    database.write_bytes(b"this is no database, whatever its name says" * 99)
    with pytest.raises(SinkError, match="file is not a database"):
        register(place)
    database.unlink()
    with pytest.raises(SinkError, match="there is no folder"):
        register(tmp_path / "none" / "out.jsonl")
    ledger = JsonlLedger(str(place))
    ledger.query("create table others (x)")
    with pytest.raises(SchemaError, match="is not of fixfeed's making"):
        ledger.prepare()
    ledger.query("pragma user_version = 3")
    with pytest.raises(SchemaError, match="use the newer fixfeed"):
        ledger.prepare()
    ledger.close()


def test_lines_are_not_replaced_and_reprocessing_is_refused_before_reading(place):
    write(place, batch(0, BORDERS[10]), rules="old")
    ledger = JsonlLedger(str(place))
    with pytest.raises(SinkError, match=r"has lines of day\.log already.*or write to a new file"):
        ledger.restart([1], rules="new")
    ledger.close()
    before = content(place)
    with pytest.raises(SinkError, match=r"has lines of day\.log already"):
        write(place, batch(0, len(LOG)), rules="new", replace=True)
    assert content(place) == before
    assert write(place, batch(0, len(LOG)), rules="new") == [MESSAGES - before[2][0][3]]
    assert content(place)[:2] == WHOLE[:2]


def test_reprocessing_into_a_new_file_works(place):
    ledger = JsonlLedger(str(place))
    ledger.restart([1], rules="r")
    write(place, batch(0, len(LOG)), replace=True)
    # A copy of the same source comes later in the same run.
    ledger.restart([1], rules="r")
    assert write(place, batch(0, len(LOG)), replace=True) == [0]
    ledger.finish({1: ""})
    ledger.close()
    assert content(place) == WHOLE


def test_sources_are_known_by_their_content_whatever_their_name(place, tmp_path):
    def written(source_id, one):
        write(place, one, source_id=source_id)

    ledger = JsonlLedger(str(place))
    check_known_by_what_was_read(tmp_path, ledger, written, LOG, batch(0, len(LOG)))
    ledger.close()


def test_the_ledger_knows_which_stretches_were_stored_under_which_rules(place):
    write(place, *BATCHES[:4], rules="old")
    write(place, *BATCHES[4:8], rules="new")
    known = register(place, rules="new")
    assert (known.done, known.current) == (((0, BORDERS[8]),), ((BORDERS[4], BORDERS[8]),))
    assert known.rules == {"old", "new"}


def test_the_transform_stores_batches_and_reports_their_counts(tmp_path):
    place = tmp_path / "out.jsonl"
    told = tmp_path / "told"

    def tell(committed):
        with open(told, "a") as file:
            for one, stored in committed:
                file.write(f"{one.messages.num_rows} {stored}\n")

    tail = batch(len(LOG), len(LOG), provisional=True)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create([*BATCHES, *BATCHES[:5], tail])
            | WriteToJsonLines(str(place), Run(rules="r", on_commit=tell))
        )
    finish(place)
    assert content(place) == expected("file:key")
    told_lines = [tuple(map(int, line.split())) for line in told.read_text().splitlines()]
    assert (len(told_lines), sum(stored for _, stored in told_lines)) == (46, MESSAGES)


def test_batches_without_fix_json_are_refused(tmp_path):
    one = parse_block(Block("file:key", 0, LOG))
    with (
        pytest.raises(Exception, match=r"ParseFix\(fix_json=True\)"),
        beam.Pipeline(runner=FnApiRunner()) as pipeline,
    ):
        _ = pipeline | beam.Create([one]) | WriteToJsonLines(str(tmp_path / "out.jsonl"))


def test_many_batches_are_committed_before_the_bundle_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("fixfeed.io.jsonl.sink._LIMITS", Limits(bytes=16 << 20, rows=10))
    commits = []
    written = JsonlWriter.write

    def counting(self, batches, **options):
        commits.append(len(batches))
        return written(self, batches, **options)

    monkeypatch.setattr(JsonlWriter, "write", counting)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(BATCHES) | WriteToJsonLines(str(tmp_path / "out.jsonl"))
    assert sum(commits) == len(BATCHES)
    assert max(commits) <= 13
    assert sorted(lines(tmp_path / "out.jsonl")) == expected("file:key")[0]


def test_a_message_of_any_text_is_one_line(tmp_path):
    fields = [(35, b"B"), (49, b'A"\\\x02'), (56, b"B\xe9\n"), (58, b'say "x"\r\n\xe2\x80\xa8')]
    one = parsed(encode(fields) + b"\n")
    register(tmp_path / "out.jsonl")
    write(tmp_path / "out.jsonl", one)
    (line,) = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert orjson.loads(line)["session"] == one.messages["session"][0].as_py()
