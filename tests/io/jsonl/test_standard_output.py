"""Standard output gets whole lines, all of them in every run; failures go to a file."""

import os
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from fixfeed.io.jsonl.files import FAILURES
from fixfeed.io.jsonl.standard_output import StandardOutputLedger, WriteToStandardOutput
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.ledger.source import Source
from tests.io.jsonl.test_sink import BATCHES, MESSAGES, environment, expected

ENDLESS = """
from fixfeed.io.jsonl.standard_output import WriteToStandardOutput
from tests.io.jsonl.test_sink import *

def endless(_):
    while True:
        yield from BATCHES

with beam.Pipeline(runner=FnApiRunner()) as pipeline:
    pipeline | beam.Create([0]) | beam.FlatMap(endless) | WriteToStandardOutput()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(batches, **options):
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(batches) | WriteToStandardOutput(**options)


def test_every_run_writes_every_line(capfdbinary):
    for _ in range(2):
        run(BATCHES, names={"file:key": "day.log"})
        lines = capfdbinary.readouterr().out.splitlines(keepends=True)
        assert sorted(lines) == expected()[0]


def test_a_source_without_a_name_is_called_by_its_key(capfdbinary):
    run(BATCHES)
    lines = capfdbinary.readouterr().out.splitlines(keepends=True)
    assert sorted(lines) == expected("file:key")[0]


def test_a_pipe_that_takes_partial_writes_gets_everything(capfdbinary, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda to, octets: write(to, octets[:100]))
    run(BATCHES, names={"file:key": "day.log"})
    monkeypatch.undo()
    lines = capfdbinary.readouterr().out.splitlines(keepends=True)
    assert sorted(lines) == expected()[0]


def test_each_run_starts_the_failures_file_anew():
    for _ in range(2):
        StandardOutputLedger().prepare()
        assert not FAILURES.exists()
        run(BATCHES, names={"file:key": "day.log"})
        assert sorted(FAILURES.read_bytes().splitlines(keepends=True)) == expected()[1]


def test_without_failures_there_is_no_file():
    run([one for one in BATCHES if not one.failures.num_rows])
    assert not FAILURES.exists()


def test_each_batch_is_counted():
    def tell(committed):
        ((_, count),) = committed
        with open("told", "a") as file:
            file.write(f"{count}\n")

    run(BATCHES, on_commit=tell)
    told = [int(line) for line in Path("told").read_text().split()]
    assert (len(told), sum(told)) == (len(BATCHES), MESSAGES)


def test_the_ledger_knows_names_but_no_finished_parts():
    ledger = StandardOutputLedger()
    ledger.prepare()
    one, other = (Source(key, "file", f"{key}.log") for key in ("a", "b"))
    assert ledger.register([one], rules="r").keys() == {"a"}
    found = ledger.register([one, other], rules="r")
    assert {key: (known.source_id, known.done) for key, known in found.items()} == {
        "a": (1, ()),
        "b": (2, ()),
    }
    assert ledger.names == {"a": "a.log", "b": "b.log"}


def test_a_reader_that_goes_away_ends_the_run_with_a_reason():
    writer = subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    writer.stdout.readline()
    writer.stdout.close()
    errors = writer.stderr.read()
    assert writer.wait() == 1
    assert b"OutputClosed: nobody reads standard output any more" in errors


def test_a_worker_process_refuses_to_write_to_standard_output(monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 1)
    transform = WriteToStandardOutput()
    monkeypatch.undo()
    with pytest.raises(SinkError, match=r"--workers 1"):
        transform._fn.setup()
