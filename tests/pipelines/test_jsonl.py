"""The whole job with JSON lines output: to a file once, to standard output every time."""

import random
import subprocess

import orjson
import pytest

from fixfeed.pipelines.sinks import is_standard_output, sink_of
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing.borders import endings, last_border
from fixfeed.transforms.fix.parser import parse_block
from tests.pipelines.jobs import FIXFEED, printed
from tests.transforms.fix.messages import random_log
from tests.transforms.fix.test_envelope import one_by_one

LOG = random_log(random.Random(7), 300, mutated=0.1, delimiter=b"|")


def fixfeed(*arguments, cwd, expected=0):
    """Run the job; return its standard output and standard error."""
    code, out, err = printed("--json", "--quiet", *arguments, cwd=cwd)
    assert code == expected, err.decode()
    return out, err


def whole(data):
    """Return all lines of a log, and of its failures, as (position, reason)."""
    end = last_border(data, b"|", at_end=endings(data[: 64 << 10], b"|"))
    batch = parse_block(Block("x", 0, data[:end], b"|"), fix_json=True)
    rest = parse_block(Block("x", end, data[end:], b"|", provisional=True))
    failures = batch.failures.to_pylist() + rest.failures.to_pylist()
    return (
        [untimed(text) for text in one_by_one(batch, "day.log")],
        [(row["position"], row["reason"]) for row in failures],
    )


def untimed(line):
    """Return a line without the time of ingestion, which no two runs share."""
    row = orjson.loads(line)
    del row["ingested_at"]
    return orjson.dumps(row)


def stored(lines, failures):
    """Return the job's output in the form of `whole`."""
    rows = [orjson.loads(line) for line in failures.splitlines()]
    return (
        sorted(map(untimed, lines.splitlines())),
        sorted((row["position"], row["reason"]) for row in rows),
    )


def test_a_file_gets_every_message_once_over_many_partial_runs(tmp_path):
    log, out = tmp_path / "day.log", tmp_path / "out.jsonl"
    job = ("--input", "day.log", "--output", "jsonl:out.jsonl")
    half = last_border(LOG[: len(LOG) // 2], b"|")
    for data in (LOG[:half], LOG[:half], LOG, LOG):
        log.write_bytes(data)
        fixfeed(*job, cwd=tmp_path)
        messages, failures = whole(data)
        found = stored(out.read_bytes(), (tmp_path / "out.failures.jsonl").read_bytes())
        assert found == (sorted(messages), sorted(failures))
    _, errors = fixfeed(*job, "--reprocess", cwd=tmp_path, expected=2)
    assert b"has lines of day.log already, and lines of a file cannot be replaced" in errors
    fixfeed(*job[:2], "--output", "jsonl:new.jsonl", "--reprocess", cwd=tmp_path)
    assert stored((tmp_path / "new.jsonl").read_bytes(), b"")[0] == sorted(messages)


def test_standard_output_gets_every_line_in_every_run_and_standard_error_the_summary(tmp_path):
    (tmp_path / "day.log").write_bytes(LOG)
    for _ in range(2):
        words = ["--json", "--quiet", "--input", "day.log", "--output", "jsonl:-"]
        done = subprocess.run([*FIXFEED, *words], cwd=tmp_path, capture_output=True, check=True)
        lines, errors = done.stdout, done.stderr
        failures = (tmp_path / "fixfeed.failures.jsonl").read_bytes()
        messages, failed = whole(LOG)
        assert stored(lines, failures) == (sorted(messages), sorted(failed))
        summary = orjson.loads(errors.splitlines()[-1])
        assert summary["sinks"]["jsonl:-"]["stored"] == len(messages)


@pytest.mark.parametrize(
    "uri", ["jsonl:", "jsonl:/", "jsonl:.", "jsonl://x", "jsonl:///data/out.jsonl"]
)
def test_a_uri_without_a_file_name_is_answered_with_a_correct_one(uri):
    with pytest.raises(UnknownPlace, match=r"names no file: write jsonl:out\.jsonl"):
        sink_of(uri, partition_by=("date",))


def test_a_sink_of_lines_asks_for_whole_messages():
    found = [sink_of(f"jsonl:{place}", partition_by=()) for place in ("out.jsonl", "-")]
    assert [(one.name, one.fix_json, is_standard_output(one.name)) for one in found] == [
        ("jsonl:out.jsonl", True, False),
        ("jsonl:-", True, True),
    ]
