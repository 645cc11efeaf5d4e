"""The vectorised parser equals the scalar parser byte for byte, and no byte is lost."""

import os
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.schema import COLUMNS, LONGEST_TEXT
from fixfeed.transforms.fix.secrets.masking import UNMASKED
from tests.transforms.fix.messages import DELIMITERS, encode, random_log

# The number of logs to compare, some tens of messages each; more by hand.
LOGS = int(os.environ.get("FIXFEED_FUZZ_LOGS", "400"))


def assert_same(data: bytes, delimiter: bytes, fields: str):
    block = Block("log", 1000, data, delimiter)
    scalar = parse_block(block, fields=fields, vectorised=False)
    vector = parse_block(block, fields=fields, vectorised=True)
    assert vector.messages.to_pylist() == scalar.messages.to_pylist()
    assert vector.messages.equals(scalar.messages)
    assert vector.failures.to_pylist() == scalar.failures.to_pylist()
    assert vector.skipped_positions == scalar.skipped_positions
    assert vector.read == scalar.read
    return scalar


def assert_every_byte_is_kept(block: Block):
    """Blank out messages with their prefixes and failures: only text without FIX remains."""
    batch = parse_block(block, masking=UNMASKED)
    left = bytearray(block.data)
    for row in batch.messages.to_pylist():
        at = row["position"] - block.start
        assert block.data[at : at + len(row["raw"])] == row["raw"]
        left[at : at + len(row["raw"])] = b" " * len(row["raw"])
        left[at - len(row["prefix"] or "") : at] = b" " * len(row["prefix"] or "")
    for row in batch.failures.to_pylist():
        at = row["position"] - block.start
        assert block.data[at : at + len(row["raw"])] == row["raw"]
        left[at : at + len(row["raw"])] = b" " * len(row["raw"])
    assert b"8=FIX" not in left
    for position in batch.skipped_positions.to_pylist():
        at = position - block.start
        assert at == 0 or block.data[at - 1 : at] in (b"\n", b"\r")
        assert left[at : at + 1] == block.data[at : at + 1]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("mutated", [0.0, 0.1, 0.5])
def test_both_parsers_agree_on_generated_and_mutated_logs(delimiter, mutated):
    for seed in range(LOGS // 12):
        rng = random.Random(f"{seed} {delimiter} {mutated}")
        data = random_log(rng, rng.choice([1, 3, 40]), mutated=mutated, delimiter=delimiter)
        fields = rng.choice(["rest", "all"])
        batch = assert_same(data, delimiter, fields)
        assert batch.messages.num_rows + batch.failures.num_rows == batch.read
        assert_every_byte_is_kept(Block("log", 1000, data, delimiter))


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(
        st.sampled_from(
            [
                b"8=FIX.4.4",
                b"9=5",
                b"9=20",
                b"35=0",
                b"35=D",
                b"10=000",
                b"10=1",
                b"95=3",
                b"96=a",
                b"\x01",
                b"|",
            ]
            + [
                b"^A",
                b"=",
                b"\n",
                b"\r\n",
                b"55=",
                b"44=1.5",
                b"58=\xe9",
                b"text",
                b"8=",
                b"35",
                b" ",
                b"1128=9",
            ]
        ),
        max_size=40,
    ),
    delimiter=st.sampled_from([b"\x01", b"|"]),
    joined=st.booleans(),
)
def test_both_parsers_agree_on_any_sequence_of_pieces(parts, delimiter, joined):
    assert_same((delimiter if joined else b"").join(parts), delimiter, "rest")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception_and_kept(data):
    block = Block("log", 0, b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01\n" + data, b"\x01")
    assert_same(block.data, b"\x01", "rest")
    assert_every_byte_is_kept(block)


def test_both_parsers_agree_on_a_log_of_ever_new_tags():
    lines = [
        b"8=FIX.4.4\x019=15\x0135=D\x01%d=x\x0110=000\x01\n" % tag for tag in range(10001, 19500)
    ]
    assert_same(b"".join(lines), b"\x01", "rest")


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_sequence_number_of_64_bits_is_in_its_column(vectorised):
    numbers = ["1741083072123456789", "9223372036854775807", "0009223372036854775807", "-3", "007"]
    beyond = ["9223372036854775808", "1" * 40]
    data = b"".join(encode([(35, b"0"), (34, one.encode())]) for one in numbers + beyond)
    rows = parse_block(Block("log", 0, data), vectorised=vectorised).messages.to_pylist()
    assert [row["msg_seq_num"] for row in rows] == [*map(int, numbers), None, None]
    assert [row["fields"] for row in rows[-2:]] == [f'{{"MsgSeqNum":"{one}"}}' for one in beyond]
    assert [row["defects"] for row in rows] == [None] * len(numbers) + ["number_too_large"] * 2


@pytest.mark.parametrize("fields", ["rest", "all"])
@pytest.mark.parametrize("length", [LONGEST_TEXT, LONGEST_TEXT + 1, 5000])
def test_both_parsers_agree_on_texts_of_any_length(fields, length):
    data = b""
    for column in COLUMNS:
        data += encode([(35, b"D"), (11, b"one"), (column.tag, b"x" * length)])
        data += encode(
            [(35, b"D"), (453, b"1"), (448, b"y" * length), (column.tag, b"\xe9" * length)]
        )
    assert_same(data, b"\x01", fields)
    assert_every_byte_is_kept(Block("log", 0, data, b"\x01"))


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_text_too_long_for_its_column_is_a_defect_and_kept_as_text(vectorised):
    long = "é" * 125 + "x"
    rows = [
        [(35, b"D"), (11, long[:-1].encode()), (58, b"t" * 9000)],
        [(35, b"D"), (49, b"a" * 251), (56, b"B"), (11, long.encode())],
        [(35, b"D" * 251), (11, b"one")],
    ]
    batch = parse_block(Block("log", 0, b"".join(map(encode, rows))), vectorised=vectorised)
    held, kept = batch.messages.to_pylist()
    assert (held["cl_ord_id"], held["text"], held["defects"]) == (long[:-1], "t" * 9000, None)
    assert (kept["cl_ord_id"], kept["sender_comp_id"], kept["session"]) == (None, None, None)
    assert kept["target_comp_id"] == "B"
    assert orjson.loads(kept["fields"]) == {"SenderCompID": "a" * 251, "ClOrdID": long}
    assert kept["defects"] == "text_too_long"
    assert batch.failures["reason"].to_pylist() == ["no_msg_type"]


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_negative_sequence_number_is_a_bad_value_by_the_dictionary(vectorised):
    fields = [(35, b"0"), (49, b"A"), (56, b"B"), (34, b"-3"), (52, b"20250102-09:30:00")]
    block = Block("log", 0, encode(fields))
    batch = parse_block(block, validate="dictionary", vectorised=vectorised)
    assert batch.messages["defects"].to_pylist() == ["bad_value"]
