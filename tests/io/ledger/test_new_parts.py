"""The new parts of a batch and the parts already done are the batch, each row and line once."""

import itertools

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fixfeed.io.ledger.counts import Counts, newly_counted
from fixfeed.io.ledger.ledger import gaps, merged, totals
from fixfeed.io.ledger.new_parts import missing, new_parts
from fixfeed.io.ledger.witness import note
from fixfeed.transforms.batch import Batch
from tests.io.ledger.test_ledger import STRETCHES, positions

WITNESS = "9f" * 16


def rows(at):
    """Rows that have what is counted of messages and of failures."""
    return pa.record_batch(
        {
            "position": pa.array(at, pa.int64()),
            "defects": pa.nulls(len(at), pa.string()),
            "reason": pa.array(["not_text"] * len(at), pa.string()),
            "detail": pa.nulls(len(at), pa.string()),
        }
    )


def batch_of(start, end):
    """A batch whose positions are in turn messages, failures, filtered messages, and lines."""
    messages, failures, filtered, lines = (
        [at for at in range(start, end) if at % 4 == kind] for kind in range(4)
    )
    return Batch(
        "file:key",
        start,
        end,
        rows(messages),
        rows(failures),
        filtered_positions=pa.array(filtered[::-1], pa.int64()),
        skipped_positions=pa.array(lines, pa.int64()),
        read=len(messages) + len(failures) + len(filtered),
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
    for kind in range(2):
        found = [at for part in stored for at in part[kind]["position"].to_pylist()]
        assert found == [at for at in expected if at % 4 == kind]
    assert [part.stretch for part in parts] == missing(
        (start, start + length), done, rules="ours", replace=replace
    )


def counts_in(stretch):
    """The counts of a stretch of any batch: stored, filtered, failed and skipped."""
    return tuple(sum(at % 4 == kind for at in range(*stretch)) for kind in (0, 2, 1, 3))


@given(stretches=STRETCHES, start=st.integers(0, 50), length=st.integers(1, 40))
def test_the_progress_of_parts_counts_what_is_in_them(stretches, start, length):
    batch = batch_of(start, start + length)
    for part in new_parts(batch, done_by(stretches), rules="ours"):
        notes = note(part.stretch[1], WITNESS) if part.stretch[1] == batch.end else ""
        assert part.progress == ("ours", *part.stretch, *counts_in(part.stretch), notes)


@given(stretches=STRETCHES, borders=st.sets(st.integers(1, 59)), shift=st.integers(0, 9))
def test_blocks_cut_in_any_way_add_up_to_the_counts_of_the_source(stretches, borders, shift):
    progress = [
        ("ours", start, end, *counts_in((start, end)), "") for start, end in merged(stretches)
    ]
    cuts = sorted({0, 80, *borders})
    for start, end in itertools.pairwise(cuts):
        # Each block overlaps the one before it.
        batch = batch_of(max(0, start - shift), end)
        progress += [part.progress for part in new_parts(batch, progress, rules="ours")]
    assert totals(progress) == [80, *counts_in((0, 80))]


@given(stretches=STRETCHES, start=st.integers(0, 50), length=st.integers(1, 40))
def test_a_run_on_a_cluster_counts_what_it_has_not_counted_yet(stretches, start, length):
    batch = batch_of(start, start + length)
    done = merged(stretches)
    left = gaps(done, start, start + length)
    stored, filtered, failed, skipped = (
        sum(column) for column in zip((0, 0, 0, 0), *map(counts_in, left), strict=True)
    )
    expected = Counts(
        bytes=sum(end - begin for begin, end in left),
        read=stored + filtered + failed,
        stored=stored,
        filtered=filtered,
        skipped=skipped,
        failed={"not_text": failed} if failed else {},
    )
    found = newly_counted(batch, stored, done)
    assert sum((one.counts for _, _, one in found), Counts()) == expected
    assert [one[:2] for one in found] == left


def test_a_batch_that_is_all_new_is_passed_on_uncopied():
    batch = batch_of(10, 20)
    (part,) = new_parts(batch, [], rules="ours")
    assert part.messages is batch.messages
    assert part.failures is batch.failures
