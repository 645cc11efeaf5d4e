"""Records that are told to be whole messages read the same alone and with others around them."""

import random

import numpy as np
import pyarrow as pa
import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing import whole as module
from fixfeed.transforms.fix.framing.whole import whole
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import SPLICES, encode, mutate, random_fields


def told(records, delimiter=b"\x01"):
    """Return which records are whole, with a line end between one and the next."""
    ends = np.cumsum([len(one) + 1 for one in records]) - 1
    begins = ends - [len(one) for one in records]
    return whole(b"\n".join(records), begins, ends, delimiter).tolist()


def message(number=1, text=b"a"):
    return encode([(35, b"D"), (34, b"%d" % number), (11, text)])


GOOD = message()


@pytest.mark.parametrize(
    "record",
    [
        GOOD,
        GOOD + b"\n",
        GOOD + b"\r\n",
        GOOD[:-1],
        GOOD[:-1] + b"\n" + GOOD,
        GOOD + message(2),
        GOOD + b"\n" + message(2) + b"\r\n" + message(3),
        encode([(35, b"0")], version="FIXT.1.1"),
        encode([(35, b"B"), (95, b"12"), (96, b"a\x0110=123\x01bc")]),
    ],
)
def test_messages_that_end_where_they_say_are_whole(record):
    assert told([b"x", record, record, b"y"]) == [False, True, True, False]


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b" " + GOOD,
        b"in: " + GOOD,
        GOOD + b" ",
        GOOD + b"\n\n\n",
        GOOD[:-2],
        GOOD + GOOD[:-2],
        GOOD[:-1] + GOOD,
        GOOD.replace(b"9=", b"9=0000000"),
        GOOD.replace(b"\x0135", b"\x01\x0135"),
        GOOD.replace(b"10=", b"11="),
        GOOD.replace(b"8=FIX.4.4", b"8=FIX.X.4"),
        GOOD.replace(b"\x01", b"|"),
        b"8=FIX.4.4\x019=\x01",
        b"8=FIX.4.4\x019=99999",
        encode([(35, b"B"), (58, b"two\nlines")]),
    ],
)
def test_any_other_record_is_not(record):
    assert told([GOOD, record, GOOD]) == [True, False, True]


def test_a_message_cut_anywhere_is_not():
    records = [GOOD[:end] for end in range(len(GOOD) - 1)]
    assert not any(told([one for record in records for one in (record, GOOD)])[::2])


def test_a_length_that_reaches_the_next_record_is_not():
    first, second = message(1), message(2)
    longer = first.replace(
        b"9=%d" % (len(first) - 22), b"9=%d" % (len(first) - 22 + len(second) + 1)
    )
    assert longer != first
    assert told([longer, second]) == [False, True]


@pytest.fixture
def rounds(monkeypatch):
    """How many messages each round has looked at."""
    looked, real = [], module._after_message

    def counting(octets, at, end, one):
        looked.append(len(at))
        return real(octets, at, end, one)

    monkeypatch.setattr(module, "_after_message", counting)
    return looked


def test_records_of_many_messages_are_told_as_long_as_there_are_many(rounds):
    assert all(told([message(number) * 50 for number in range(100)]))
    assert rounds == [100] * 50


def test_a_few_records_of_many_messages_take_a_few_rounds_and_are_left_to_others(rounds):
    assert told([GOOD * 5_000, GOOD, GOOD * 2, GOOD * 5_000]) == [False, True, True, False]
    assert rounds == [4, 3, 2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_whole_records_are_read_together_as_alone(seed):
    rng = random.Random(seed)
    records = []
    for number in range(300):
        record = b"".join(encode(random_fields(rng, number)) for _ in range(rng.choice([1, 1, 3])))
        if rng.random() < 0.2:
            record = record[:-1]
        elif rng.random() < 0.5:
            record = mutate(rng, record)
        if rng.random() < 0.2:
            at = rng.randrange(len(record))
            record = record[:at] + rng.choice(SPLICES) + record[at:]
        records.append(record)
    good = [record for record, is_whole in zip(records, told(records), strict=True) if is_whole]
    assert len(good) > 100
    together = parse_block(Block("q", 0, b"\n".join(good), layout=b"\x01"))
    alone, at = [], 0
    for record in good:
        alone.append(parse_block(Block("q", at, record, layout=b"\x01")))
        at += len(record) + 1
    assert together.messages.equals(pa.concat_batches([one.messages for one in alone]))
    assert together.failures.num_rows == sum(one.failures.num_rows for one in alone)
    assert together.skipped_positions == pa.concat_arrays([one.skipped_positions for one in alone])
