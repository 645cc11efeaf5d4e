"""Arrays find rows and fields in logs with one kind of damage throughout, and in bytes."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.swar import view
from fixfeed.transforms.fix.vector.scan import delimiters, landmarks
from fixfeed.transforms.fix.vector.tag_ids import TagTable, tag_texts
from tests.transforms.fix.messages import encode, random_fields

SOH = b"\x01"

# Damage by a gateway, an editor or a script to every message of a log.
DAMAGES = {
    "no CheckSum": lambda message, n: message[: message.rfind(b"10=")],
    "no last delimiter": lambda message, n: message[:-1],
    "wrong BodyLength": lambda message, n: message.replace(b"9=", b"9=9", 1),
    "long BodyLength": lambda message, n: message.replace(b"9=", b"9=" + b"0" * (n % 9), 1),
    "no MsgType": lambda message, n: message.replace(b"\x0135=", b"\x0153=", n % 2),
    "cut at a field": lambda message, n: message[: message.find(SOH, 20 + n % 60) + 1],
    "cut in a field": lambda message, n: message[: 20 + n % 90],
    "zeros before a length": lambda message, n: message.replace(
        b"\x0135=", b"\x01%b=10\x0196=x\x0110=000\x01y\x0135=" % b"95".zfill(2 + n % 12), 1
    )[:-8],
    "long tags": lambda message, n: message.replace(b"\x0149=", b"\x01%d49=" % 10 ** (n % 9))[:-8],
    "delimiters in values": lambda message, n: message.replace(b"=A", b"=A\x01\x01B\x01\x01", 1),
}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r\r\n", b" )\n", b"\n\n", b""])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_both_parsers_agree_on_uniformly_damaged_logs(damage, ending):
    rng = random.Random(str(ending))
    messages = [
        encode(random_fields(rng, n), rng.choice(["FIX.4.2", "FIXT.1.1"])) for n in range(150)
    ]
    data = b"".join(damage(message, n) + ending for n, message in enumerate(messages))
    block = Block("log", 0, data)
    scalar, vector = (parse_block(block, vectorised=one) for one in (False, True))
    assert vector.messages.to_pylist() == scalar.messages.to_pylist()
    assert vector.failures.to_pylist() == scalar.failures.to_pylist()
    assert vector.skipped_positions == scalar.skipped_positions


PIECES = st.sampled_from([SOH, b"|", b"=", b"8=FIX", b"8=FI", b"88=F", b"\n", b"\0", b"35", b"abc"])
TEXTS = st.lists(PIECES, max_size=40).map(b"".join)


@given(TEXTS, st.sampled_from([SOH, b"|", b"\0"]))
def test_delimiters_newlines_and_beginnings_are_found_in_place(data, delimiter):
    padded = bytes(8) + data + b"\n" + bytes(63)
    octets = np.frombuffer(padded, np.uint8, offset=8)
    ends = [*(n for n, byte in enumerate(data) if byte == delimiter[0]), len(data)]
    assert delimiters(octets, len(data), delimiter[0]).tolist() == ends
    begins, newlines = landmarks(octets, view(padded, 8), len(data))
    assert begins.tolist() == [n for n in range(len(data)) if data.startswith(b"8=FIX", n)]
    assert newlines.tolist() == [n for n, byte in enumerate(data + b"\n") if byte == ord("\n")]


def test_many_adjacent_delimiters_are_found_in_order():
    data = b"|x|" * 1000 + b"|y=" * 1000
    octets = np.frombuffer(data + b"\n" + bytes(63), np.uint8)
    ends = [*(n for n, byte in enumerate(data) if byte == ord("|")), len(data)]
    assert delimiters(octets, len(data), ord("|")).tolist() == ends


@given(TEXTS)
def test_the_text_before_an_equals_sign_is_read_from_any_place(data):
    texts, lengths = tag_texts(bytes(8) + data + bytes(64), np.arange(len(data)))
    for place in range(len(data)):
        expected = data[place:].partition(b"=")[0] if b"=" in data[place:] else bytes(7)
        assert lengths[place] == min(len(expected), 7)
        if len(expected) < 7:
            assert int(texts[place]).to_bytes(8, "little") == expected.ljust(8, b"\0")


def test_all_tags_up_to_three_digits_are_told_apart():
    tags = list(range(1, 1000))
    table = TagTable(tags, lambda text: False)
    words = np.array([int.from_bytes(b"%d" % tag, "little") for tag in tags], np.uint64)
    assert table.ids(words).tolist() == list(range(len(tags)))
    assert len(table.tags) == len(tags)


def test_tags_keep_their_ids_and_other_texts_have_none():
    table = TagTable([8, 9, 35], lambda text: False)
    words = [b"9", b"269", b"35", b"269", b"035", b"3\x01", b"", b"12345678", b"0", b"x56"]
    array = np.array([int.from_bytes(one, "little") for one in words], np.uint64)
    expected = [1, 3, 2, 3, -1, -1, -1, 4, -1, -1]
    assert table.ids(array).tolist() == expected
    assert table.ids(array).tolist() == expected
    assert table.tags == [8, 9, 35, 269, 12345678]


def test_garbled_tags_have_ids_if_allowed_until_there_are_too_many():
    table = TagTable([8, 9, 35], lambda text: text != b"x554")
    words = [b"x56", b"x554", b"5x", b"9", b"", b"3\x01", b"Symbol", b"x56", b"056"]
    array = np.array([int.from_bytes(one, "little") for one in words], np.uint64)
    assert table.ids(array).tolist() == [3, -1, 4, 1, -1, -1, 5, 3, -1]
    assert table.tags == [8, 9, 35, -1, -2, -3]
    assert table.garbled == {-1: "x56", -2: "5x", -3: "Symbol"}
    others = np.array([int.from_bytes(b"y%d" % one, "little") for one in range(1000)], np.uint64)
    ids = table.ids(others)
    assert ids.max() == 502
    assert np.count_nonzero(ids < 0) == 503
    assert table.ids(array).tolist() == [3, -1, 4, 1, -1, -1, 5, 3, -1]


def test_a_table_of_all_known_tags_tells_them_apart():
    tags = [*merged().fields, *range(10_000, 12_000)]
    table = TagTable(tags, lambda text: False)
    words = np.array([int.from_bytes(b"%d" % tag, "little") for tag in tags], np.uint64)
    assert table.ids(words).tolist() == list(range(len(tags)))
