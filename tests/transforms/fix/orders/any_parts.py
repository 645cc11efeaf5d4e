"""Orders are the same whatever parts their messages come in, one by one and all at once."""

import pyarrow as pa

from fixfeed.transforms.fix.orders.rows import rows_of as one_by_one
from tests.transforms.fix.orders.stored import InMemory, messages
from tests.transforms.fix.orders.test_derived import content
from tests.transforms.fix.orders.vector.test_rows import at_once
from tests.transforms.fix.orders.vector.test_rows import content as rows


def check_in_any_parts(log, rng, most, anew=one_by_one):
    """Store a log in any order, less than `most` messages at once, and take a third away again.

    What is left is compared with what `anew` makes of it, and so is the log with other ids.
    """
    whole = messages(log)
    expected = one_by_one(whole)
    assert rows(at_once(whole)) == rows(expected)
    ids = pa.array(rng.sample(range(whole.num_rows), whole.num_rows), pa.int64())
    in_any_order = whole.set_column(0, "message_id", ids)
    assert content(anew(in_any_order), in_any_order) == content(expected, whole)
    shuffled = whole.take(rng.sample(range(whole.num_rows), whole.num_rows))
    stored = InMemory()
    while shuffled.num_rows:
        size = rng.randrange(1, most)
        stored.replace(shuffled.slice(0, size))
        shuffled = shuffled.slice(size)
    assert content(stored.derived, whole) == content(expected, whole)
    gone = rng.sample(whole["message_id"].to_pylist(), whole.num_rows // 3)
    stored.replace(whole.slice(0, 0), gone)
    assert content(stored.derived, whole) == content(anew(stored.all), whole)
