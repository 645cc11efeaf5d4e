"""Stretches are joined, subtracted and settled as sets of positions are."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fixio.ledger import (
    Source,
    agree,
    fingerprint,
    free_fingerprint,
    gaps,
    matching,
    merged,
    settled,
)

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
def test_gaps_are_what_no_stretch_holds(stretches, start, length):
    left = gaps(stretches, start, start + length)
    assert positions(left) == set(range(start, start + length)) - positions(stretches)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(left))


@given(stretches=STRETCHES)
def test_settling_joins_neighbours_and_adds_their_counts(stretches):
    rows = [("r", start, end, end - start, 0, 0, 0) for start, end in merged(stretches)]
    cut = [
        part
        for _, start, end, *_ in rows
        for part in (
            ("r", start, start + 1, 1, 0, 0, 0),
            ("r", start + 1, end, end - start - 1, 0, 0, 0),
        )
        if part[1] < part[2]
    ]
    assert settled(cut, "r", replaced=False) == rows


def test_stretches_of_other_rules_go_where_those_of_the_run_cover_them():
    rows = [("old", 0, 10, 1, 0, 0, 0), ("old", 20, 30, 1, 0, 0, 0), ("new", 0, 12, 2, 0, 0, 0)]
    assert settled(rows, "new", replaced=True) == [rows[2], rows[1]]
    assert settled(rows, "new", replaced=False) == [rows[2], rows[0], rows[1]]


def test_the_longest_stored_head_with_agreeing_digests_is_the_source():
    head = b"0123456789"
    stored = [(1, fingerprint(head[:4]), ""), (2, fingerprint(head[:8]), "8:aa"), (3, "9:ff", "")]
    assert matching(Source("k", "file", "n", head, "8:aa"), stored) == 2
    assert matching(Source("k", "file", "n", head, "8:bb"), stored) == 1
    assert matching(Source("k", "file", "n", b"other"), stored) is None
    taken = {fingerprint(head), f"{fingerprint(head)}#2"}
    assert free_fingerprint(Source("k", "file", "n", head), taken) == f"{fingerprint(head)}#3"


def test_digests_agree_at_the_last_position_that_both_have():
    assert agree("512:a 1024:b 1500:c", "512:a 1024:b 2048:d")
    assert not agree("512:a 1024:b", "512:a 1024:x")
    assert agree("100:a", "512:b")
