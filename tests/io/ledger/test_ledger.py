"""Stretches are joined, subtracted and settled like sets of positions."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fixfeed.io.ledger.ledger import carved, gaps, merged, settled
from fixfeed.io.ledger.witness import note, noted

STRETCHES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda one: (one[0], one[0] + one[1])),
    max_size=8,
)


def positions(stretches):
    return {position for start, end in stretches for position in range(start, end)}


@given(stretches=STRETCHES)
def test_the_union_has_the_same_positions_and_no_neighbours(stretches):
    union = merged(stretches)
    assert positions(union) == positions(stretches)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(union))


@given(stretches=STRETCHES, start=st.integers(0, 50), length=st.integers(0, 40))
def test_gaps_are_outside_all_stretches(stretches, start, length):
    left = gaps(stretches, start, start + length)
    assert positions(left) == set(range(start, start + length)) - positions(stretches)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(left))


@given(stretches=STRETCHES)
def test_settling_joins_neighbours_and_adds_their_counts(stretches):
    rows = [
        ("r", start, end, end - start, 0, 0, 0, note(end, "9f")) for start, end in merged(stretches)
    ]
    cut = [
        part
        for _, start, end, *_ in rows
        for part in (
            ("r", start, start + 1, 1, 0, 0, 0, note(start + 1, "9f")),
            ("r", start + 1, end, end - start - 1, 0, 0, 0, note(end, "9f")),
        )
        if part[1] < part[2]
    ]
    assert settled(cut) == rows


def test_stretches_of_other_rules_are_not_joined():
    rows = [
        ("a", 0, 10, 1, 0, 0, 0, ""),
        ("b", 10, 20, 1, 0, 0, 0, ""),
        ("a", 20, 30, 1, 0, 0, 0, ""),
    ]
    assert settled(reversed(rows)) == rows


@given(start=st.integers(0, 60), length=st.integers(1, 60), data=st.data())
def test_carving_leaves_the_rest_and_its_counts(start, length, data):
    row = ("old", 20, 50, 30, 3, 0, 0, note(30, "3a") + note(50, "5a"))
    end = start + length
    # One message per position.
    gone = max(0, min(end, 50) - max(start, 20))
    if not gone:
        return
    left = carved(row, (start, end), (gone, 0, 0, 0), lambda part: (part[1] - part[0], 0, 0, 0))
    assert positions((one[1], one[2]) for one in left) == set(range(20, 50)) - set(
        range(start, end)
    )
    assert all(one[3] == one[2] - one[1] for one in left)
    assert sum(one[4] for one in left) == (3 if left else 0)
    kept = {at: one for part in left for at, one in noted(part[-1]).items()}
    assert kept == {
        at: text
        for at, text in ((30, "3a"), (50, "5a"))
        if any(a < at <= b for _, a, b, *_ in left)
    }
