"""The tables of orders depend on the set of messages alone."""

import pyarrow as pa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fixfeed.transforms.fix.orders.derived import derive
from tests.transforms.fix.orders.odd_days import made
from tests.transforms.fix.orders.stored import InMemory, messages
from tests.transforms.fix.orders.vector.test_rows import content as rows

# A smaller seed is no simpler day.
tried = settings(deadline=None, max_examples=40, phases=(Phase.explicit, Phase.generate))
NAMES = ("sender_comp_id", "msg_seq_num", "msg_type", "cl_ord_id", "exec_id", "sending_time",
         "poss_dup_flag")  # fmt: skip


def content(tables, stored):
    """Return the rows of all tables, sorted, with messages told by what they are, not by id."""
    names = {
        row["message_id"]: tuple(str(row[name]) for name in NAMES)
        for row in stored.select(["message_id", *NAMES]).to_pylist()
    }
    return {
        name: sorted(
            tuple(
                str(names[value] if column == "message_id" else value)
                for column, value in row.items()
            )
            for row in table.to_pylist()
        )
        for name, table in tables.items()
    }


@tried
@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
def test_messages_give_the_same_tables_in_any_order_and_in_any_parts(seed, rng):
    log = made(seed)
    whole = messages(b"".join(log))
    expected = content(derive(whole), whole)
    rows = list(range(whole.num_rows))
    rng.shuffle(rows)
    shuffled = whole.take(rows)
    ids = pa.array(range(1000, 1000 + len(rows)), pa.int64())
    shuffled = shuffled.set_column(0, "message_id", ids)
    stored = InMemory()
    at = 0
    while at < len(rows):
        size = rng.randrange(1, 12)
        stored.replace(shuffled.slice(at, size))
        at += size
    assert content(stored.derived, stored.all) == expected


@tried
@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
def test_messages_that_go_or_become_others_leave_no_trace(seed, rng):
    stored = InMemory()
    whole = messages(b"".join(made(seed)))
    stored.replace(whole)
    other = messages(b"".join(made(seed + 1, 4)))
    ids = whole["message_id"].to_pylist()
    for _ in range(4):
        gone = rng.sample(ids, min(len(ids), rng.randrange(8)))
        # Some of them come again, as other messages.
        count = min(len(gone), other.num_rows, rng.randrange(8))
        come = other.slice(rng.randrange(other.num_rows - count + 1), count)
        come = come.set_column(0, "message_id", pa.array(gone[:count], pa.int64()))
        stored.replace(come, gone)
        ids = stored.all["message_id"].to_pylist()
        assert content(stored.derived, stored.all) == content(derive(stored.all), stored.all)


@tried
@given(st.integers(0, 1 << 30))
def test_the_log_of_the_other_side_and_a_file_read_twice_add_copies_alone(seed):
    log = made(seed)
    once = messages(b"".join(log))
    twice = pa.concat_tables([once, messages(b"".join(reversed(log)), first=1 << 40)])
    one, two = derive(once), derive(twice)
    assert len({row["order_key"] for row in one["orders"].to_pylist()}) == one["orders"].num_rows
    for name, left_out in (("orders", ["copies"]), ("order_ids", []), ("executions", ["copies"])):
        rows = [
            content({name: tables[name].drop_columns(left_out)}, twice) for tables in (one, two)
        ]
        assert rows[0] == rows[1]
    assert two["order_messages"].num_rows == 2 * one["order_messages"].num_rows


@settings(tried, max_examples=8)
@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
def test_which_of_two_logs_has_the_copy_depends_on_the_ids_of_their_messages_alone(seed, rng):
    log = made(seed, 6)
    twice = pa.concat_tables([messages(b"".join(log)), messages(b"".join(log), first=1 << 40)])
    shuffled = twice.take(rng.sample(range(twice.num_rows), twice.num_rows))
    stored = InMemory()
    at = 0
    while at < twice.num_rows:
        size = rng.randrange(1, 30)
        stored.replace(shuffled.slice(at, size))
        at += size
    assert rows(stored.derived) == rows(derive(shuffled)) == rows(derive(twice))
