"""The new parts of a batch and the parts already done are the batch, each row once."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fixfeed.io.ledger.ledger import merged
from fixfeed.io.ledger.new_parts import missing, new_parts
from fixfeed.io.ledger.witness import note
from fixfeed.transforms.batch import Batch
from tests.io.ledger.test_ledger import STRETCHES, positions

WITNESS = "9f" * 16


def rows(at):
    return pa.record_batch({"position": pa.array(at, pa.int64()), "raw": [b"%d" % n for n in at]})


def batch_of(start, end):
    """A batch whose even positions are messages, and whose odd ones are failures."""
    messages, failures = range(start + start % 2, end, 2), range(start + 1 - start % 2, end, 2)
    return Batch(
        "file:key",
        start,
        end,
        rows([*messages]),
        rows([*failures]),
        filtered=7,
        skipped=5,
        witness=WITNESS,
    )


def done_by(stretches):
    """Progress over stretches; every second one has our rules."""
    return [
        (("ours", "others")[number % 2], start, end, 0, 0, 0, 0, "")
        for number, (start, end) in enumerate(merged(stretches))
    ]


@given(
    stretches=STRETCHES, start=st.integers(0, 50), length=st.integers(0, 40), replace=st.booleans()
)
def test_each_row_outside_the_done_stretches_is_in_one_part(stretches, start, length, replace):
    batch, done = batch_of(start, start + length), done_by(stretches)
    parts = new_parts(batch, done, rules="ours", replace=replace)
    kept = positions((row[1], row[2]) for row in done if not replace or row[0] == "ours")
    expected = sorted(set(range(start, start + length)) - kept)
    assert sorted(positions(part.stretch for part in parts)) == expected
    stored = [(part.messages, part.failures) for part in parts]
    for number, odd in enumerate((0, 1)):
        found = [row for part in stored for row in part[number].to_pylist()]
        assert found == [{"position": n, "raw": b"%d" % n} for n in expected if n % 2 == odd]
    assert [part.stretch for part in parts] == missing(
        (start, start + length), done, rules="ours", replace=replace
    )


@given(stretches=STRETCHES, start=st.integers(0, 50), length=st.integers(1, 40))
def test_the_progress_of_parts_counts_their_rows(stretches, start, length):
    batch = batch_of(start, start + length)
    for part in new_parts(batch, done_by(stretches), rules="ours"):
        rules, first, end, stored, filtered, failed, skipped, notes = part.progress
        assert rules == "ours"
        assert (stored, failed) == (part.messages.num_rows, part.failures.num_rows)
        assert (filtered, skipped) == ((7, 5) if first == start else (0, 0))
        assert notes == (note(end, WITNESS) if end == batch.end else "")


def test_a_batch_that_is_all_new_is_passed_on_uncopied():
    batch = batch_of(10, 20)
    (part,) = new_parts(batch, [], rules="ours")
    assert part.messages is batch.messages
    assert part.failures is batch.failures
