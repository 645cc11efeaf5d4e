"""A line cut by a container runtime is read as if it were whole."""

import itertools
import json

import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing.borders import endings, first_border, last_border
from fixfeed.transforms.fix.framing.delimiter import sniff_delimiter
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.secrets.masking import DEFAULT, Masking
from tests.transforms.fix.messages import encode

TIME = "2025-01-02T09:30:00.123456789Z"


def docker(parts, separators=(",", ":")):
    last = len(parts) - 1
    return b"".join(
        json.dumps(
            {"log": part + "\n" * (n == last), "stream": "stdout", "time": TIME},
            separators=separators,
        ).encode()
        + b"\n"
        for n, part in enumerate(parts)
    )


def spaced(parts):
    return docker(parts, separators=(", ", ": "))


def cri(parts):
    last = len(parts) - 1
    return b"".join(
        f"{TIME} stdout {'F' if n == last else 'P'} {part}\n".encode()
        for n, part in enumerate(parts)
    )


RUNTIMES = [docker, spaced, cri]


def cut(text, *places):
    edges = [0, *places, len(text)]
    return [text[one:other] for one, other in itertools.pairwise(edges)]


def order(number, delimiter, text=b"x"):
    fields = [(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C%d" % number), (58, text)]
    return encode(fields, delimiter=delimiter).decode()


def read(data, delimiter, masking=None, **options):
    block = Block("log", 0, data, delimiter)
    both = [
        parse_block(block, vectorised=way, masking=masking or Masking({}), **options)
        for way in (False, True)
    ]
    assert both[0].messages.equals(both[1].messages)
    assert both[0].failures.equals(both[1].failures)
    assert both[0].skipped_positions == both[1].skipped_positions
    return both[0]


def texts(batch):
    names = ("cl_ord_id", "text", "defects", "direction")
    return [tuple(row[name] for name in names) for row in batch.messages.to_pylist()]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("delimiter", [b"\x01", b"|"])
@pytest.mark.parametrize("text", [b'say "hi" \\ bye', b"x" * 40_000])
def test_a_message_in_parts_is_read_like_a_whole_one(runtime, delimiter, text):
    long = f"IN {order(7, delimiter, text)}"
    others = [runtime([f"OUT {order(number, delimiter)}"]) for number in range(2)]
    size = max(16_384, len(long) // 4) if len(long) > 20_000 else len(long) // 3
    data = runtime(cut(long, *range(size, len(long) - 8, size)))
    assert data.count(b"\n") > 2
    data = b"".join([others[0], data, others[1]])
    batch = read(data, sniff_delimiter(data))
    assert texts(batch) == [
        ("C0", "x", None, "out"), ("C7", text.decode(), None, "in"), ("C1", "x", None, "out")
    ]  # fmt: skip
    assert (batch.failures.num_rows, batch.skipped) == (0, 0)
    for row in batch.messages.to_pylist():
        assert data[row["position"] :].startswith(row["raw"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_message_cut_anywhere_is_read_like_a_whole_one(runtime):
    long = order(7, b"|", b"y")
    for place in range(5, len(long) - 8):
        batch = read(runtime(cut(long, place)), b"|")
        assert texts(batch) == [("C7", "y", None, None)]
        assert (batch.failures.num_rows, batch.skipped) == (0, 0)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_whole_lines_and_parts_of_other_lines_are_left_alone(runtime):
    first, second = order(1, b"|"), order(2, b"|")
    other = runtime([second]).replace(b"stdout", b"stderr")
    assert texts(read(runtime([first, second]), b"|")) == [
        ("C1", "x", None, None), ("C2", "x", None, None)
    ]  # fmt: skip
    data = runtime([first[:-7], ""]).partition(b"\n")[0] + b"\n" + other
    assert [row[0] for row in texts(read(data, b"|"))] == ["C1", "C2"]
    plain = runtime(["started 1 of", " 3 engines"])
    assert read(plain, b"|").skipped_positions.to_pylist() == [0, plain.index(b"\n") + 1]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_border_is_between_the_parts_of_a_line(runtime):
    long = order(7, b"|", b"z" * 60)
    parts = runtime(cut(long, 40, 80))
    before = runtime([order(1, b"|")])
    data = before + parts + runtime([order(2, b"|")])
    # Up to the start of the last part, after which the message may end.
    inside = range(len(before) + 1, len(before) + parts.rindex(b"\n", 0, -1) + 20)
    whole = texts(read(data, b"|"))
    assert [row[0] for row in whole] == ["C1", "C7", "C2"]
    for at in range(len(data)):
        assert first_border(data, at, b"|") not in inside
        end = last_border(data[:at], b"|", at_end=endings(data, b"|"))
        assert end not in inside
        assert last_border(data[:at], b"|") not in inside
        assert texts(read(data[:end], b"|")) + texts(read(data[end:], b"|")) == whole


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("begin", ["8=FIX.4.4", "8=FIX x"])
def test_no_part_of_a_secret_remains_where_a_line_was_cut(runtime, begin):
    fields = [(35, b"A"), (49, b"A"), (56, b"B"), (554, b"s3cr3tpw"), (925, b"s3cr3tpw")]
    logon = encode(fields, delimiter=b"|").decode().replace("8=FIX.4.4", begin)
    parts = [b"s3cr3tpw"[at : at + 4] for at in range(5)]
    for place in range(logon.index("|554="), logon.index("|10=")):
        batch = read(runtime(cut(logon, place)), b"|", DEFAULT)
        left = b" ".join(
            row["raw"] for row in (*batch.messages.to_pylist(), *batch.failures.to_pylist())
        )
        assert [part for part in parts if part in left] == []
