"""A block of several pieces gives what each piece alone gives, at its own place."""

import dataclasses
import datetime

import pyarrow as pa
import pytest

from fixfeed.transforms.batch import EARLIEST, LATEST, Block, Piece
from fixfeed.transforms.fix.protocol import FIX, Fix
from fixfeed.transforms.fix.reading import USUAL
from fixfeed.transforms.fix.secrets.masking import read_masking
from fixfeed.transforms.pieces import parsed
from tests.protocols.fixed_width import TAPE


def message(text, number=1):
    body = f"35=D|34={number}|11={text}|".encode()
    whole = b"8=FIX.4.4|9=%d|" % len(body) + body
    return (whole + b"10=%03d|" % (sum(whole.replace(b"|", b"\x01")) % 256)).replace(b"|", b"\x01")


def moment(microseconds):
    return datetime.datetime.fromtimestamp(microseconds / 1e6, datetime.UTC)


def records(*texts, room=1000, first=5):
    """Messages as records of a queue, and the block that holds all of them."""
    values = [message(text) for text in texts]
    pieces, at = [], 0
    for number, value in enumerate(values, first):
        pieces.append(Piece(at, number * room, number))
        at += len(value)
    whole = Block("q", first * room, b"".join(values), room=len(values) * room, pieces=pieces)
    alone = [
        dataclasses.replace(whole, start=piece.position, data=value, room=room, pieces=[own])
        for piece, value in zip(pieces, values, strict=True)
        for own in [piece._replace(offset=0)]
    ]
    return whole, alone


@pytest.mark.parametrize("count", [2, 100])
def test_records_in_one_block_are_those_of_a_block_each(count):
    whole, alone = records(*map(str, range(count)))
    batch, batches = parsed(FIX, whole), [parsed(FIX, block) for block in alone]
    assert batch.messages.equals(pa.concat_batches([one.messages for one in batches]))
    assert batch.failures.num_rows == 0
    assert (batch.start, batch.end) == (5000, (5 + count) * 1000)
    assert batch.messages["captured_at"][1].as_py() == moment(6)


def test_a_message_is_captured_when_its_last_byte_came():
    data = message("one") + message("two")
    cut = len(message("one"))
    pieces = [
        Piece(0, 0, 10),
        Piece(cut - 1, cut - 1, 20),
        Piece(cut, cut, 30),
        Piece(cut + 9, cut + 9),
    ]
    batch = parsed(FIX, Block("tcp", 0, data, pieces=pieces))
    assert batch.messages["captured_at"].to_pylist() == [moment(20), None]
    assert batch.messages["position"].to_pylist() == [0, cut]


def test_a_time_in_the_log_itself_counts_before_that_of_the_piece():
    data = b"2025-01-02 09:30:00.000001 " + message("one")
    batch = parsed(FIX, Block("q", 0, data, pieces=[Piece(0, 100, 10)]))
    assert batch.messages["captured_at"].to_pylist() == [
        datetime.datetime(2025, 1, 2, 9, 30, 0, 1, datetime.UTC)
    ]
    assert batch.messages["position"].to_pylist() == [127]


def test_a_time_that_no_column_holds_is_none_and_the_others_stay():
    times = [EARLIEST, EARLIEST - 1, LATEST, LATEST + 1, 1 << 62, 1 << 80, -(1 << 80), 7]
    whole, _ = records(*map(str, range(len(times))))
    pieces = [
        piece._replace(captured_at=time) for piece, time in zip(whole.pieces, times, strict=True)
    ]
    messages = parsed(FIX, dataclasses.replace(whole, pieces=pieces)).messages
    found = messages["captured_at"]
    expected = [EARLIEST, None, LATEST, None, None, None, None, 7]
    assert found.cast(pa.int64()).to_pylist() == expected
    assert (found[0].as_py().year, found[2].as_py().year) == (1, 9999)
    assert messages["msg_seq_num"].to_pylist() == [1] * len(times)


def test_what_came_beside_a_piece_is_before_the_prefix_of_its_messages_and_masked():
    data = b"in: " + message("one") + b"\n" + message("two")
    pieces = [Piece(0, 0, None, "key a"), Piece(data.index(b"\n") + 1, 500, None, "554=hunter2")]
    batch = parsed(FIX, Block("q", 0, data, pieces=pieces))
    assert batch.messages["prefix"].to_pylist() == ["key a in: ", "554=*******"]


def test_a_failure_has_the_place_of_its_piece_and_the_end_of_a_record_is_one():
    cut = message("two")[:-20]
    data = message("one") + cut
    block = Block(
        "q", 7000, data, room=1000, pieces=[Piece(0, 7000, 5)], unfinished=len(message("one"))
    )
    batch = parsed(FIX, block)
    assert batch.messages["position"].to_pylist() == [7000]
    assert batch.failures.to_pylist() == [
        {
            "position": 7000 + len(message("one")),
            "reason": "truncated",
            "detail": "it ends inside a message, and nothing follows that would make it whole",
            "raw": cut,
        }
    ]
    assert (batch.start, batch.end, batch.read, batch.provisional) == (7000, 8000, 2, False)


def test_blocks_apart_come_in_the_same_batch_in_the_order_of_position():
    whole, alone = records("a", "b", "c", "d")
    odd = dataclasses.replace(
        alone[1], data=alone[1].data + b"8=FIX.4.4|9=", unfinished=len(alone[1].data)
    )
    values = [alone[number].data for number in (0, 2, 3)]
    begins = [0, len(values[0]), len(values[0]) + len(values[1])]
    pieces = [whole.pieces[0], *(whole.pieces[2:])]
    pieces = [piece._replace(offset=at) for piece, at in zip(pieces, begins, strict=True)]
    block = dataclasses.replace(whole, data=b"".join(values), pieces=pieces, apart=[odd])
    batch = parsed(FIX, block)
    assert batch.messages.equals(parsed(FIX, whole).messages)
    assert batch.failures["position"].to_pylist() == [6000 + len(alone[1].data)]
    assert (batch.start, batch.end, batch.read) == (5000, 9000, 5)


def test_a_mask_that_makes_a_message_longer_takes_no_time_from_the_next_record():
    masking = read_masking(["ClOrdID=hash"], key=b"k", own_names={})
    protocol = Fix(USUAL._replace(masking=masking))
    whole, _ = records("a", "b", "c")
    batch = parsed(protocol, whole)
    assert batch.messages["captured_at"].to_pylist() == [moment(5), moment(6), moment(7)]


def test_children_are_where_their_message_is():
    kind = b"S1735810200000002CALENDARB000000125000000000010"
    data = (kind + b"B5MSFS4IBM ").ljust(64) + (kind + b"B1MSF ").ljust(64)
    first = 64
    plain = TAPE.parse(Block("q", 0, data, layout=64))
    block = Block("q", 0, data, layout=64, pieces=[Piece(0, 1000), Piece(first, 5000)])
    batch = parsed(TAPE, block)
    (name,) = plain.children
    moved = {at: at + (1000 if at < first else 5000 - first) for at in range(len(data))}
    assert batch.children[name]["position"].to_pylist() == [
        moved[at] for at in plain.children[name]["position"].to_pylist()
    ]


def test_a_block_without_pieces_is_parsed_and_nothing_else():
    whole, _ = records("a", "b")
    block = dataclasses.replace(whole, pieces=())
    assert parsed(FIX, block).messages.equals(FIX.parse(block).messages)


def test_a_line_without_fix_has_the_place_of_its_piece():
    values = [b"started\n", message("one") + b"\nstopped\n", b"ended\n8=FIX.4.4|9="]
    begins = [0, len(values[0]), len(values[0] + values[1])]
    pieces = [Piece(at, position) for at, position in zip(begins, (0, 500, 900), strict=True)]
    unfinished = len(b"".join(values)) - len(b"8=FIX.4.4|9=")
    block = Block("q", 0, b"".join(values), b"|", pieces=pieces, unfinished=unfinished, room=2000)
    block = dataclasses.replace(block, apart=[Block("q", 1500, b"later\n", b"|", room=100)])
    batch = parsed(FIX, block)
    stopped = 500 + values[1].index(b"stopped")
    assert batch.skipped_positions.to_pylist() == [0, stopped, 900, 1500]
    assert batch.failures["position"].to_pylist() == [906]
