"""A source is counted as if it was read once, whatever its outputs had of it, and in what order.

Each log is one block, and has messages that the rules leave out and lines without FIX, also in the
part of the block that an output has already.
"""

import json
import signal
import subprocess
import sys

import pytest

from fixfeed.io.sql.store import Store
from tests.pipelines.jobs import fixfeed
from tests.pipelines.test_follow import wait_until
from tests.transforms.fix.messages import encode

LINES = [
    b"a line without FIX\n"
    if number % 5 == 2
    else b"8=FIX.4.4|junk=1|2=3|\n"
    if number % 7 == 3
    else encode([(35, b"D08"[number % 3 :][:1]), (34, b"%d" % number), (49, b"A"), (56, b"B")])
    + b"\n"
    for number in range(60)
]
PART, WHOLE = b"".join(LINES[:25]), b"".join(LINES)
COUNTS = "bytes, stored, filtered, failed, skipped"


@pytest.fixture
def log(tmp_path):
    """Return a log that has its first lines alone, and the arguments that read it."""
    path = tmp_path / "day.log"
    path.write_bytes(PART)
    return path, ["--input", path, "--include", "MsgType = D"]


@pytest.fixture
def once(tmp_path_factory, select):
    """Return the whole log's row of `sources`, read once, of a database and of a lake."""
    folder = tmp_path_factory.mktemp("once")
    path = folder / "day.log"
    path.write_bytes(WHOLE)
    outputs = [f"sqlite:///{folder}/once.db", f"parquet:{folder}/lake"]
    fixfeed("--input", path, "--include", "MsgType = D", *outputs_of(outputs), cwd=folder)
    found = [rows_of(uri, select) for uri in outputs]
    assert found[0] == found[1]
    ((_, stored, filtered, failed, skipped),) = found[0]
    assert stored + filtered + failed + skipped == len(LINES)
    assert min(stored, filtered, failed, skipped) > 5
    return found[0]


def outputs_of(uris):
    return [word for uri in uris for word in ("--output", uri)]


def rows_of(uri, select):
    """Return the rows of `sources` of an output, by the names in COUNTS."""
    if not uri.startswith("parquet:"):
        return select(uri, f"select {COUNTS} from sources order by source_id")
    with open(f"{uri.removeprefix('parquet:')}/_fixfeed/sources.json", "rb") as file:
        found = json.load(file)["sources"]
    return [tuple(one[name] for name in COUNTS.split(", ")) for one in found]


def test_an_output_that_is_added_later_and_one_that_has_a_part_count_alike(
    log, once, database, select, tmp_path
):
    path, arguments = log
    outputs = [database, f"parquet:{tmp_path}/lake"]
    fixfeed(*arguments, "--output", database, cwd=tmp_path)
    path.write_bytes(WHOLE)
    fixfeed(*arguments, *outputs_of(outputs), cwd=tmp_path)
    assert [rows_of(uri, select) for uri in outputs] == [once, once]


KILLED = """
import os, signal, sys
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.fixfeed import main

stored = []

def only_the_first(write):
    def write_or_die(self, *arguments, **options):
        if stored:
            os.kill(os.getpid(), signal.SIGKILL)
        found = write(self, *arguments, **options)
        stored.append(self)
        return found
    return write_or_die

for sink in (Store, ParquetWriter):
    sink.write = only_the_first(sink.write)
main(sys.argv[1:])
"""


def test_outputs_of_a_job_that_was_killed_between_their_commits_count_alike(
    log, once, select, tmp_path
):
    path, arguments = log
    outputs = [f"sqlite:///{tmp_path}/fixfeed.db", f"parquet:{tmp_path}/lake"]
    words = [*map(str, arguments), *outputs_of(outputs), "--quiet", "--workers", "1"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    in_database = select(outputs[0], "select count(*) from messages") != [(0,)]
    in_lake = any(tmp_path.glob("lake/messages/**/*.parquet"))
    assert in_database != in_lake
    path.write_bytes(WHOLE)
    fixfeed(*arguments, *outputs_of(outputs), cwd=tmp_path)
    assert [rows_of(uri, select) for uri in outputs] == [once, once]


WAITING = """
import pathlib, sys, time
from fixfeed.io.sql.store import Store
from fixfeed.pipelines.fixfeed import main

write = Store.write

def write_when_told(self, *arguments, **options):
    pathlib.Path("read").touch()
    while not pathlib.Path("write").exists():
        time.sleep(0.02)
    return write(self, *arguments, **options)

Store.write = write_when_told
sys.exit(main(sys.argv[1:]))
"""


def test_two_jobs_that_store_the_same_log_at_once_count_it_once(
    log, once, select, tmp_path, monkeypatch
):
    path, arguments = log
    arguments = [*arguments, "--output", f"sqlite:///{tmp_path}/fixfeed.db"]
    words = [*map(str, arguments), "--quiet", "--workers", "1"]
    write = Store.write
    with subprocess.Popen([sys.executable, "-c", WAITING, *words], cwd=tmp_path) as other:
        wait_until((tmp_path / "read").exists)
        path.write_bytes(WHOLE)

        def write_after_the_other(self, *given, **options):
            (tmp_path / "write").touch()
            assert other.wait() == 0
            return write(self, *given, **options)

        monkeypatch.setattr(Store, "write", write_after_the_other)
        fixfeed(*arguments, cwd=tmp_path)
    assert rows_of(arguments[-1], select) == once
