"""What is read of a connection depends on its bytes alone, not on how they were cut."""

import random

import pytest

from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.ranges import LONGEST
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.live.parts import Parts
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.pieces import parsed
from tests.protocols.fixed_width import TAPE
from tests.protocols.test_fixed_width import tape
from tests.transforms.fix.hostile import hostile_stream
from tests.transforms.fix.messages import encode

MESSAGE = encode([(35, b"0"), (112, b"t")])


class Received:
    """The bytes that have come, as `SegmentsFile` gives them."""

    def __init__(self, data):
        self._data, self._at, self.stop = data, 0, len(data)

    def seek(self, position):
        self._at = position
        return position

    def read(self, size):
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found


def parts_of(data, cuts=(), *, protocol=FIX, longest=LONGEST, again=lambda: False):
    """Read bytes that come in pieces, with another reader from where it stands if `again()`."""
    reader, found, at = Parts(protocol, longest), [], 0
    for end in sorted({*cuts, len(data)}):
        received, has_ended = Received(data[:end]), end == len(data)
        new = list(reader.settled(received, at, has_ended=has_ended))
        if has_ended:
            new += reader.rest(received, at + sum(len(part.data) for part in new))
        found += new
        at = found[-1].start + len(found[-1].data) if found else 0
        if again():
            reader = Parts(protocol, longest)
    assert b"".join(part.data for part in found) == data
    return found


def rows_of(parts, protocol=FIX):
    """Return what is stored of the parts: messages, failures, and lines without a message."""
    messages, failures, skipped, context = [], [], [], {}
    for part in parts:
        block = Block(
            "peer",
            part.start,
            part.data,
            part.framing.layout,
            too_long=part.too_long,
            within_line=part.within_line,
            unfinished=0 if part.is_unfinished else None,
        )
        blocks = [block] if part.is_unfinished else part.framing.carry(block, context)
        context = blocks[-1].context
        for batch in (parsed(protocol, one) for one in blocks):
            messages += batch.messages.to_pylist()
            failures += batch.failures.to_pylist()
            skipped += batch.skipped_positions.to_pylist()
    return messages, failures, skipped


@pytest.mark.parametrize("longest", [LONGEST, 200])
@pytest.mark.parametrize("seed", range(20))
def test_bytes_that_are_cut_otherwise_are_read_alike(seed, longest):
    rng = random.Random(seed)
    data = hostile_stream(rng)
    whole = rows_of(parts_of(data, longest=longest))
    few = [rng.randrange(len(data)) for _ in range(rng.choice([1, 3, 20]))]
    assert rows_of(parts_of(data, few, longest=longest)) == whole
    begun_again = parts_of(data, few, longest=longest, again=lambda: rng.random() < 0.5)
    assert rows_of(begun_again) == whole


@pytest.mark.parametrize(
    "data",
    [
        MESSAGE.replace(b"9=", b"9=1") + 3 * MESSAGE,
        b"8=FIX.4.4~9=5~35=0~10=161~" + 2 * MESSAGE,
        b"\x00\x01\nab\n\x02\n" + MESSAGE + b"\x03\n" + b"x" * 70 + b"\n\x04\n",
        MESSAGE[:-1] + MESSAGE + MESSAGE[:-1],
        MESSAGE + b"35=D\x0155=X\x01\n" + MESSAGE + b'say "hi"' + MESSAGE,
        MESSAGE + b"35=0^A34=8^A" + MESSAGE + b"8=FIX.4.4~" + MESSAGE,
        b"35=D~49=A~\n8=FIX.4.4^A9=5^A35=0^A10=161^A" + b"35=D\r35=D^A55=X^A\r\n",
    ],
)
def test_bytes_that_come_one_by_one_are_read_alike(data):
    assert rows_of(parts_of(data, range(len(data)))) == rows_of(parts_of(data))


@pytest.mark.parametrize(
    "data",
    [
        MESSAGE + b"35=D\x0155=X\x0110=000\x0155=Y\x01\n" + MESSAGE,
        MESSAGE + b"9=5\x0135=0\x0110=161\x01" + MESSAGE,
        MESSAGE + b"1128=9\x0135=0\x0158=" + b"x" * 9000 + b"\x01\r\n" + MESSAGE,
        MESSAGE + b"\r35=D\x0155=X\x01\r35=8\x0155=Y\x01\r" + MESSAGE,
        b"8=FIX.4.4|9=99999|35=0|\r35=D\x0155=X\x01\r" + MESSAGE,
        MESSAGE + b"35=D\x0155=",
    ],
)
def test_what_follows_a_message_on_its_line_is_read_as_in_a_file(tmp_path, data):
    (tmp_path / "day.log").write_bytes(data)
    (file,), _ = find_files([str(tmp_path / "day.log")])
    (part,) = cut_ranges(file, ())
    for size in (1 << 20, 64):
        batches = [FIX.parse(block) for block in read_blocks(part, block_size=size)]
        messages, failures, skipped = rows_of(parts_of(data, range(len(data))))
        assert [row for batch in batches for row in batch.failures.to_pylist()] == failures
        assert [row["raw"] for batch in batches for row in batch.messages.to_pylist()] == [
            row["raw"] for row in messages
        ]
        assert [at for batch in batches for at in batch.skipped_positions.to_pylist()] == skipped


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"hello\n", b"8=FIX.4.4|9=5|35=0|10=161|\n"])
@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A"])
def test_a_first_message_without_begin_string_is_one_as_in_a_file(delimiter, before, end):
    texts = [b"35=0|34=1|10=140|", b"9=5|35=0|34=2|10=1|", b"1128=9|35=0|34=3|10=140|"]
    for first in texts:
        sent = [one.replace(b"|", delimiter) for one in (first, *texts)]
        data = before.replace(b"|", delimiter) + b"".join(one + end for one in sent)
        messages, failures, skipped = rows_of(parts_of(data))
        assert [row["raw"] for row in messages][-4:] == sent
        assert (failures, skipped) == ([], [0] if before == b"hello\n" else [])
        assert rows_of(parts_of(data, range(len(data)))) == (messages, failures, skipped)


def test_a_first_message_without_begin_string_waits_for_nothing_once_its_delimiter_is_shown():
    for text in (b"35=0\x0134=1\x0110=140\x01", b"35=0|34=1|10=140|\n"):
        settled = Parts(FIX).settled(Received(text), 0, has_ended=False)
        assert [(part.data, part.framing.layout) for part in settled] == [(text, text[4:5])]


@pytest.mark.parametrize("seed", range(20))
def test_short_messages_that_show_the_delimiter_are_read_alike_however_they_are_cut(seed):
    rng = random.Random(seed)
    own = rng.choice([b"|", b"^A", b"~", b"\x01"])
    begun = (b"35=0|34=1|", b"9=5|35=0|", b"35=", b"8=FIX.4.4|", b"x")
    parts = (*begun, b"8=FIX.4.4|9=5|35=0|10=161|")
    ends = (b"", b"\r", b"\n", b"\r\n")
    data = b"".join(
        rng.choice(parts).replace(b"|", rng.choice([own, own, b"|"])) + rng.choice(ends)
        for _ in range(rng.randrange(1, 9))
    )
    assert rows_of(parts_of(data, range(len(data)))) == rows_of(parts_of(data))


def test_a_connection_is_not_cut_at_each_field_that_follows_a_message():
    data = (MESSAGE + b"35=D\x01") * 50 + MESSAGE
    assert len(parts_of(data)) == 1


@pytest.mark.parametrize("delimiter", [b"\x01", b"|"])
def test_a_message_that_is_whole_waits_for_nothing(delimiter):
    one = MESSAGE.replace(b"\x01", delimiter)
    for text in (one, one + one, b"hello\n" + one, one + b"\n" + one):
        reader = Parts(FIX)
        settled = reader.settled(Received(text), 0, has_ended=False)
        assert b"".join(part.data for part in settled) == text


WRONG = encode([(35, b"3"), (58, b"it's")]).replace(b"9=13", b"9=12")


@pytest.mark.parametrize("quoted", [b"it's ", WRONG])
def test_messages_after_a_quote_wait_for_the_end_of_the_line_or_for_4_kib(quoted):
    def read(data):
        settled = Parts(FIX).settled(Received(data), 0, has_ended=False)
        return b"".join(part.data for part in settled)

    many = quoted + MESSAGE * (4096 // len(MESSAGE) + 2)
    assert read(quoted + 9 * MESSAGE) == b""
    assert read(quoted + MESSAGE + b"\n" + MESSAGE) == quoted + MESSAGE + b"\n" + MESSAGE
    assert read(many) == many
    messages, failures, _ = rows_of(parts_of(quoted + 9 * MESSAGE))
    assert [row["raw"] for row in messages] == [WRONG] * (quoted == WRONG) + [MESSAGE] * 9
    assert failures == []


def test_a_message_whose_length_leads_too_far_waits_for_what_follows():
    wrong = MESSAGE.replace(b"9=11", b"9=40")
    assert list(Parts(FIX).settled(Received(wrong), 0, has_ended=False)) == []
    messages, failures, _ = rows_of(parts_of(wrong))
    assert [(row["raw"], row["defects"]) for row in messages] == [(wrong, "body_length,check_sum")]
    assert failures == []


@pytest.mark.parametrize("before", [b"", MESSAGE, b"hello\n", b"\x00\n"])
@pytest.mark.parametrize("begun", [MESSAGE[:size] for size in range(1, len(MESSAGE) - 1)])
def test_what_a_connection_ends_inside_is_a_failure_from_its_first_byte_on(begun, before):
    messages, failures, _ = rows_of(parts_of(before + begun))
    assert [row["raw"] for row in messages] == [before] * (before == MESSAGE)
    assert failures[-1]["raw"] == begun
    assert (failures[-1]["position"], failures[-1]["reason"]) == (len(before), "truncated")


@pytest.mark.parametrize(
    "data", [b"\n", b"\r\n\n", b"\x01", b"|", b"||\n", b"=", b"x", b"8\n", b"hello"]
)
def test_what_is_no_message_is_counted_as_in_a_file(tmp_path, data):
    (tmp_path / "day.log").write_bytes(data)
    (file,), _ = find_files([str(tmp_path / "day.log")])
    batches = [FIX.parse(block) for part in cut_ranges(file, ()) for block in read_blocks(part)]
    failures = [row for batch in batches for row in batch.failures.to_pylist()]
    skipped = [place for batch in batches for place in batch.skipped_positions.to_pylist()]
    assert rows_of(parts_of(data)) == ([], failures, skipped)


def test_the_last_message_needs_no_delimiter_after_its_check_sum():
    messages, failures, _ = rows_of(parts_of(MESSAGE + MESSAGE[:-1]))
    assert [row["raw"] for row in messages] == [MESSAGE, MESSAGE[:-1]]
    assert failures == []


def test_what_is_too_long_is_cut_after_so_many_bytes_up_to_the_next_message():
    data = b"x" * 500 + MESSAGE + b"8=FIX.4.4\x019=999\x0158=" + b"y" * 400 + b"\n" + MESSAGE
    parts = parts_of(data, longest=200)
    pieces = [(part.start, len(part.data)) for part in parts if part.too_long]
    assert pieces == [(0, 201), (201, 137), (338, 162), (533, 201), (734, 137), (871, 82)]
    messages, _, _ = rows_of(parts)
    assert [row["raw"] for row in messages] == [MESSAGE, MESSAGE]


def test_records_of_another_protocol_that_are_cut_otherwise_are_read_alike():
    data, *_ = tape(20)
    whole = rows_of(parts_of(data, protocol=TAPE), TAPE)
    assert len(whole[0]) > 0
    assert rows_of(parts_of(data, range(len(data)), protocol=TAPE), TAPE) == whole
