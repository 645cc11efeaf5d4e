"""Stretches are joined, subtracted and settled as sets of positions are."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fixio.identity import agree, fingerprint, identify
from fixio.ledger import Source, gaps, merged, settled

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
    stored = [
        (1, "file", fingerprint(head[:4]), ""),
        (2, "file", fingerprint(head[:8]), "8:aa"),
        (3, "file", "9:ff", ""),
        (4, "tcp", fingerprint(head), ""),
    ]
    sources = [
        Source("grown", "file", "n", head, "8:aa"),
        Source("other rest", "file", "n", head, "8:bb"),
        Source("as it was", "tcp", "n", head),
        Source("new", "file", "n", b"other"),
    ]
    ids = {"grown": 2, "other rest": 1, "as it was": 4}
    assert identify(sources, stored) == ids
    added = []
    assert identify(sources, stored, lambda *one: added.append(one) or 5) == ids | {"new": 5}
    assert added == [(sources[3], fingerprint(b"other"))]


def test_new_sources_are_told_from_each_other_as_from_those_that_are_stored():
    head = b"0123456789"
    sources = [
        Source("a", "file", "n", head, "8:aa"),
        Source("b", "file", "n", head, "8:bb"),
        Source("a grown", "file", "n", head + b"more", "8:aa"),
        Source("c", "file", "n", head, "8:cc"),
        Source("a again", "file", "n", head, "8:aa"),
    ]
    names = []
    stored = [(1, "file", fingerprint(head), "8:zz"), (2, "file", f"{fingerprint(head)}#2", "8:yy")]
    ids = identify(sources, stored, lambda source, name: names.append(name) or 2 + len(names))
    assert ids == {"a": 3, "b": 4, "a grown": 3, "c": 5, "a again": 3}
    assert names == [f"{fingerprint(head)}#{number}" for number in (3, 4, 5)]


@given(heads=st.lists(st.binary(min_size=1, max_size=6), max_size=30), head=st.binary(min_size=1))
def test_of_any_heads_the_longest_that_begins_another_is_found(heads, head):
    heads = list(dict.fromkeys([*heads, *(head[:length] for length in (1, 3))]))
    stored = [(number, "file", fingerprint(one), "") for number, one in enumerate(heads)]
    longest = max((one for one in heads if head.startswith(one)), key=len)
    assert identify([Source("k", "file", "n", head)], stored) == {"k": heads.index(longest)}


def test_digests_agree_at_the_last_position_that_both_have():
    assert agree("512:a 1024:b 1500:c", "512:a 1024:b 2048:d")
    assert not agree("512:a 1024:b", "512:a 1024:x")
    assert agree("100:a", "512:b")
