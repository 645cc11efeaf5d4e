"""Words that name fields without a dictionary place have room for all their parts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fixfeed.transforms.fix.vector.slots import (
    _MOST_SLOTS,
    _MOST_TYPES,
    _packed,
    _unpacked,
)
from fixfeed.transforms.fix.vector.tag_ids import MOST_IDS, TagTable

SLOTS = st.integers(0, _MOST_SLOTS - 1)


@given(st.tuples(SLOTS, SLOTS, st.integers(0, _MOST_TYPES - 1), st.integers(0, MOST_IDS - 1)))
def test_a_word_keeps_the_two_slots_the_type_and_the_tag_that_it_is_made_of(parts):
    (word,) = _packed(*(np.array([part]) for part in parts)).tolist()
    assert _unpacked(word) == parts


def test_a_table_never_has_more_ids_than_a_word_has_room_for():
    table = TagTable([8, 9, 35], lambda text: True)
    tags = [b"%d" % number for number in range(1, 20_000)]
    garbled = [b"x%d" % number for number in range(2_000)]
    for texts in tags, garbled, tags:
        table.ids(np.array([int.from_bytes(text, "little") for text in texts], np.uint64))
    assert len(table.tags) == MOST_IDS
