"""The blocks of a partition tile its offsets, and each record has its own positions for ever."""

import random
from itertools import pairwise

import pyarrow as pa
import pytest

from fixfeed.io.kafka.records import ROOM, STRETCH, Partition, PartitionId, Records
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.pieces import parsed
from tests.transforms.fix.messages import SPLICES, encode, mutate, random_fields

IDENTITY = PartitionId("C", "T", "fix.raw", 3)
LONGEST = 64 << 20


def message(number=1, delimiter=b"\x01", text=b"a"):
    return encode([(35, b"D"), (34, b"%d" % number), (11, text)], delimiter=delimiter)


def read(records, *, at=0, many=None, longest=LONGEST):
    """Read records, `many` at a time, and return the partition, its blocks and its batches."""
    partition = Partition(IDENTITY, FIX, at=at, longest=longest)
    blocks = []
    for begin in range(0, len(records), many or len(records) or 1):
        some = records[begin : begin + (many or len(records))]
        blocks += partition.blocks(Records(*map(list, zip(*some, strict=True))))
    return partition, blocks, [parsed(FIX, block) for block in blocks]


def records(*values, first=0):
    return [(offset, value, offset, None) for offset, value in enumerate(values, first)]


def rows(batches):
    """Return what is stored of batches, whatever the blocks: messages, failures, counts."""
    messages = pa.Table.from_batches([one.messages for one in batches])
    failures = pa.Table.from_batches([one.failures for one in batches])
    return messages.combine_chunks(), failures.combine_chunks(), sum(one.read for one in batches)


def check_tiling(blocks, batches, *, at=0):
    """Check that the stretches follow each other and each row is in the stretch of its batch."""
    base = {}
    for block, batch in zip(blocks, batches, strict=True):
        if "record-" in block.source:
            continue
        start = base.setdefault(block.source, block.start)
        assert block.start == start
        assert block.start % ROOM == block.end % ROOM == 0
        base[block.source] = block.end
        for table in (batch.messages, batch.failures):
            assert all(block.start <= one < block.end for one in table["position"].to_pylist())
        assert batch.read == batch.messages.num_rows + batch.failures.num_rows


def test_whole_messages_come_in_one_block_with_the_positions_of_their_records():
    given = records(message(1), message(2) + message(3), message(4) + b"\n", first=7)
    partition, blocks, (batch,) = read(given, at=7)
    assert len(blocks) == 1
    first = len(message(2))
    assert batch.messages["position"].to_pylist() == [
        7 * ROOM, 8 * ROOM, 8 * ROOM + first, 9 * ROOM,
    ]  # fmt: skip
    assert (batch.start, batch.end, partition.next) == (7 * ROOM, 10 * ROOM, 10)
    assert batch.source == "kafka:fix.raw/3/0/C/T"


def test_a_record_of_many_messages_is_read_in_the_same_block_as_others():
    many = b"".join(message(number) for number in range(3, 2003))
    _, (block,), (batch,) = read(records(message(1), many, message(2)))
    assert (len(block.apart), batch.failures.num_rows) == (0, 0)
    assert batch.messages["msg_seq_num"].to_pylist() == [1, *range(3, 2003), 2]
    assert batch.messages["position"][1].as_py() == ROOM
    assert batch.messages["position"][2001].as_py() == 2 * ROOM


def test_a_record_cut_anywhere_is_a_failure_and_the_next_one_is_whole():
    whole = message(1, text=b"x" * 20)
    cut = [whole[:end] for end in range(1, len(whole) - 1)]
    values = [one for part in cut for one in (part, message(2))]
    _, blocks, batches = read(records(*values))
    messages, failures, _ = rows(batches)
    check_tiling(blocks, batches)
    good = [at for at in messages["position"].to_pylist() if at // ROOM % 2]
    assert len(good) == len(cut)
    assert set(messages["msg_seq_num"].to_pylist()) == {2}
    at_fault = dict(zip(failures["position"].to_pylist(), failures["raw"].to_pylist(), strict=True))
    lines = sum(batch.skipped for batch in batches)
    assert len(blocks) == 1
    assert len(at_fault) + lines == len(cut)
    assert all(raw == cut[at // ROOM // 2] for at, raw in at_fault.items())


def test_what_a_record_has_before_the_cut_is_read():
    value = b"in: " + message(1) + b"\n" + message(2) + message(3)[:-3]
    _, blocks, batches = read(records(value, message(4)))
    messages, failures, count = rows(batches)
    assert messages["msg_seq_num"].to_pylist() == [1, 2, 4]
    assert failures["reason"].to_pylist() == ["truncated"]
    assert failures["raw"].to_pylist() == [message(3)[:-3]]
    assert count == 4
    check_tiling(blocks, batches)


def test_a_message_without_its_last_delimiter_is_whole_if_checksum_is():
    _, (_block,), (batch,) = read(records(message(1)[:-1], message(2), message(3)[:-1]))
    assert batch.messages["msg_seq_num"].to_pylist() == [1, 2, 3]
    assert batch.messages["defects"].to_pylist() == [None] * 3
    assert batch.messages["raw"][0].as_py() == message(1)[:-1]


@pytest.mark.parametrize("delimiter", [b"|", b"^", b"^A", b"<SOH>"])
def test_a_message_without_its_last_delimiter_is_whole_in_a_delimiter_of_its_own(delimiter):
    bare = [message(number, delimiter).removesuffix(delimiter) for number in range(5)]
    values = [one for number, last in enumerate(bare) for one in (message(number + 5), last)]
    _, _, batches = read(records(*values))
    messages, failures, _ = rows(batches)
    assert sorted(messages["msg_seq_num"].to_pylist()) == list(range(10))
    assert messages["defects"].null_count == 10
    assert failures.num_rows == 0


@pytest.mark.parametrize("others", [[], [message()]], ids=["alone", "among others"])
def test_a_message_without_its_last_delimiter_is_whole_with_a_wrong_body_length_too(others):
    wrong = message(2)[:-1].replace(b"9=", b"9=1", 1)
    _, _, batches = read(records(*others, wrong))
    messages, failures, _ = rows(batches)
    assert messages["raw"].to_pylist()[-1] == wrong
    assert failures.num_rows == 0


@pytest.mark.parametrize("delimiter", [b"\x01", b"^", b"^A"])
def test_a_message_cut_in_its_checksum_is_a_failure(delimiter):
    cut = [message(2, delimiter).removesuffix(delimiter)[:-left] for left in (1, 2, 3, 4)]
    _, _, batches = read(records(message(1), *cut))
    messages, failures, _ = rows(batches)
    assert messages["msg_seq_num"].to_pylist() == [1]
    assert failures["raw"].to_pylist() == cut


@pytest.mark.parametrize("delimiter", [b"|", b"^", b"^A", b"<SOH>"])
def test_each_record_may_have_a_delimiter_of_its_own(delimiter):
    values = [message(1), *(message(n, delimiter) for n in range(2, 50)), message(50), message(51)]
    _, blocks, batches = read(records(*values))
    messages, failures, _ = rows(batches)
    assert messages["msg_seq_num"].to_pylist() == list(range(1, 52))
    assert messages["defects"].null_count == 51
    assert failures.num_rows == 0
    (block,) = blocks
    assert (block.layout, len(block.apart)) == (delimiter, 1)


def test_records_of_many_layouts_are_read_together_by_layout_as_each_is_read_alone():
    layouts = [b"\x01", b"|", b"^", b";", b"\t", b"^A", b"[SOH]", b"<SOH>", b"\\u0001"]
    values = [message(n, layouts[n * 7 % len(layouts)]) for n in range(90)]
    values[7] = message(7)[:-9]
    values[8] = message(8, b"|")[9:]
    values[9] = b"no FIX"
    values[11] = b"in: " + message(11, b"^") + message(12, b"^") + b"\n"
    values[13] = message(13, b";", text=b"x" * 300)
    _, blocks, batches = read(records(*values), longest=200)
    check_tiling(blocks, batches)
    (block,) = blocks
    alone, together = block.apart[:4], block.apart[4:]
    assert [len(one.pieces) for one in alone] == [1] * 4
    assert {one.layout for one in (block, *together)} == set(layouts)
    assert len(together) == len(layouts) - 1
    found, expected = rows(batches), rows(read(records(*values), longest=200, many=1)[2])
    assert found[0].equals(expected[0])
    assert found[1].equals(expected[1])
    assert found[2] == expected[2]


@pytest.mark.parametrize("seed", range(4))
def test_records_read_in_any_portions_give_the_same_rows(seed):
    rng = random.Random(seed)
    values = []
    for number in range(400):
        value = b"".join(encode(random_fields(rng, number)) for _ in range(rng.choice([1, 1, 2])))
        if rng.random() < 0.3:
            value = mutate(rng, value)
        if rng.random() < 0.2:
            at = rng.randrange(len(value))
            value = (
                value[:at] + rng.choice([*SPLICES, b"9=900\x01", b"\x0195=300\x0196="]) + value[at:]
            )
        values.append(value[: rng.randrange(len(value))] if rng.random() < 0.1 else value)
    given = records(*values)
    expected = rows(read(given)[2])
    for many in (1, 100):
        _, blocks, batches = read(given, many=many)
        check_tiling(blocks, batches)
        found = rows(batches)
        assert found[0].equals(expected[0])
        assert found[1].equals(expected[1])
        assert found[2] == expected[2]


def test_offsets_without_a_record_and_records_without_a_value_belong_to_the_next_block():
    given = [(5, message(1), 0, None), (9, None, 0, None), (12, b"", 0, None)]
    partition, blocks, _ = read([*given, (20, message(2), 0, None)], at=3, many=2)
    assert [(one.start // ROOM, one.end // ROOM) for one in blocks] == [(3, 6), (6, 21)]
    assert (partition.next, partition.given) == (21, 21)


def test_a_record_that_came_before_is_left_out():
    _, blocks, _ = read(
        [*records(message(1), message(2)), *records(message(1), message(2))], many=2
    )
    assert len(blocks) == 1


def test_a_source_holds_a_stretch_of_offsets_and_the_next_goes_on():
    first = 3 * STRETCH - 2
    given = records(*map(message, range(5)), first=first)
    _, blocks, batches = read(given, at=first)
    check_tiling(blocks, batches)
    sources = [IDENTITY.source(2 * STRETCH).key, IDENTITY.source(3 * STRETCH).key]
    assert [one.source for one in blocks] == sources
    assert [one.end for one in blocks] == [STRETCH * ROOM, 3 * ROOM]
    done = {one.source: [(one.start, one.end)] for one in blocks}
    assert IDENTITY.done(0, 4 * STRETCH, done) == [(first, first + 5)]


def test_offsets_far_apart_leave_no_gap_between_sources():
    given = [(10, message(1), 0, None), (2 * STRETCH + 5, message(2), 0, None)]
    _, blocks, batches = read(given)
    check_tiling(blocks, batches)
    done = {}
    for one in blocks:
        done.setdefault(one.source, []).append((one.start, one.end))
    assert IDENTITY.done(0, 3 * STRETCH, done) == [(0, 2 * STRETCH + 6)]
    assert rows(batches)[0]["msg_seq_num"].to_pylist() == [1, 2]


def test_positions_never_wrap_however_far_offsets_go():
    first = (1 << 62) // STRETCH * STRETCH + 17
    _, (block,), (batch,) = read(records(message(1), first=first), at=first)
    assert batch.messages["position"].to_pylist() == [17 * ROOM]
    assert block.source == f"kafka:fix.raw/3/{first - 17}/C/T"


def test_a_record_longer_than_its_room_is_a_source_of_its_own():
    long = b"".join(message(n, text=b"y" * 500) for n in range(2100))
    assert len(long) > ROOM
    given = records(message(1), long + message(3)[:-2], message(2))
    _, blocks, batches = read(given)
    check_tiling(blocks, batches)
    assert [one.source.split("/")[2] for one in blocks] == ["0", "record-1", "0"]
    assert batches[1].messages.num_rows == 2100
    assert batches[1].failures["position"].to_pylist() == [len(long)]
    assert [(blocks[0].start, blocks[0].end), blocks[2].start, blocks[2].end] == [
        (0, ROOM), ROOM, 3 * ROOM,
    ]  # fmt: skip


def test_a_record_longer_than_a_message_may_be_is_a_failure():
    _, _, batches = read(records(message(1), message(2, text=b"z" * 500), message(3)), longest=400)
    messages, failures, _ = rows(batches)
    assert messages["msg_seq_num"].to_pylist() == [1, 3]
    assert failures["reason"].to_pylist() == ["too_long"]
    assert failures["position"].to_pylist() == [ROOM]


def test_the_bytes_of_records_are_counted_whatever_room_they_have():
    cut, odd = message(3)[:-9], b"no FIX\n" + message(5).replace(b"\x01", b"|")
    long = b"".join(message(n, text=b"y" * 500) for n in range(2100))
    values = [message(1), message(2), cut, None, odd, long, b"", message(6) + message(7)]
    for many in (1, 3, 100):
        _, _, batches = read(records(*values), many=many)
        assert sum(one.octets for one in batches) == sum(len(value or b"") for value in values)


def test_what_was_deleted_before_it_was_read_is_a_failure_and_done():
    partition, _, _ = read(records(message(1)))
    blocks = list(partition.missed(2 * STRETCH + 100, "gone"))
    batches = [parsed(FIX, block) for block in blocks]
    _, failures, count = rows(batches)
    assert failures.to_pylist() == [
        {"position": ROOM, "reason": "unreadable", "detail": "gone", "raw": b""}
    ]
    assert (count, [one.error for one in batches]) == (1, ["gone", None, None])
    done = {one.source: [(one.start, one.end)] for one in blocks}
    assert IDENTITY.done(0, 3 * STRETCH, done) == [(1, 2 * STRETCH + 100)]
    assert partition.next == 2 * STRETCH + 100


@pytest.mark.parametrize("offset", [0, 1, 100, STRETCH, STRETCH + 1])
def test_what_is_not_wanted_is_done_up_to_where_reading_begins(offset):
    partition = Partition(IDENTITY, FIX, at=offset, longest=LONGEST)
    blocks = list(partition.left_out(offset))
    done = IDENTITY.done(0, 2 * STRETCH, {one.source: [(one.start, one.end)] for one in blocks})
    assert [end for _, end in done] == ([offset] if offset else [])


def test_key_headers_and_time_of_a_record_are_kept_beside_each_of_its_messages():
    given = [(0, message(1) + b"out: " + message(2), 5, '{"key":"a"}')]
    _, _, (batch,) = read(given)
    assert batch.messages["prefix"].to_pylist() == ['{"key":"a"}', '{"key":"a"} out: ']
    assert [one.microsecond for one in batch.messages["captured_at"].to_pylist()] == [5, 5]


def test_ranges_that_are_done_are_those_of_records_that_are_done_whole():
    keys = [one.key for one in IDENTITY.sources(0, 2 * STRETCH)]
    stored = {keys[0]: [(0, ROOM + 1), (5 * ROOM - 1, 7 * ROOM), (9 * ROOM + 1, 10 * ROOM - 1)]}
    assert IDENTITY.done(0, 2 * STRETCH, stored) == [(0, 1), (5, 7)]


def test_sources_follow_each_other():
    keys = [one.key for one in IDENTITY.sources(5, 3 * STRETCH)]
    firsts = [int(key.split("/")[2]) for key in keys]
    assert all(b - a == STRETCH for a, b in pairwise(firsts))
    assert firsts == [0, STRETCH, 2 * STRETCH]
