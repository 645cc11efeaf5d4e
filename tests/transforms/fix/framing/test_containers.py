"""A line cut by a container runtime is read as if it were whole."""

import itertools
import json
import re

import pytest

from fixfeed.transforms.batch import Block, ends_within_line
from fixfeed.transforms.fix.framing.borders import endings, first_border, last_border
from fixfeed.transforms.fix.framing.delimiter import sniff_delimiter
from fixfeed.transforms.fix.framing.settled import settled_cuts
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
    assert read_one_by_one(data) == rows(read(data, b"|"))
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


LONG = cut(order(7, b"|", b"y"), 40)
OTHER = order(8, b"|").encode()


@pytest.mark.parametrize(
    "data",
    [
        docker(["log goes to stdout now"]) + docker(LONG),
        b"x stdout P\n" + docker(LONG) + cri(["hello stderr"]),
        cri([OTHER.decode() + LONG[0], LONG[1]]) + docker([OTHER.decode() + LONG[0], LONG[1]]),
        docker(LONG) + cri(LONG) + spaced(["x"]) + cri(LONG),
        cri(["x"]) + b'{"log":"not text"}\n' + cri(LONG) + docker(LONG),
        OTHER + b"\r" + cri(LONG),
        OTHER + b"\r" + docker(LONG),
        cri([OTHER.decode()]).replace(b"\n", b"\r") + cri(LONG).replace(b"\n", b"\r") + cri(LONG),
        cri(cut(order(7, b"|", b"y"), 7)).replace(b"\n", b"\r", 1) + cri(LONG),
        cri([LONG[0], f"{LONG[1]}\r{TIME} stdout P {LONG[0]}", LONG[1]]),
    ],
)
def test_each_line_shows_by_itself_whether_it_is_a_part_wherever_a_log_is_cut(data):
    whole = read(data, b"|")
    assert [row[0] for row in texts(whole)] == [id.decode() for id in re.findall(b"C[78]", data)]
    assert whole.failures.num_rows == 0
    assert read_one_by_one(data) == rows(whole)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_part_is_on_the_line_of_a_message_wherever_a_log_is_cut(runtime):
    whole = read(OTHER + runtime(LONG), b"|")
    assert [row["raw"] for row in whole.failures.to_pylist()] == [runtime(LONG).splitlines()[1]]
    assert read_one_by_one(OTHER + runtime(LONG)) == rows(whole)


def test_the_last_line_of_another_program_is_no_part_though_it_ends_as_those_of_docker():
    data = b'{"date":1,"log":"%b took=5ms","stream":"stdout"}\n' % OTHER
    assert last_border(data, b"|", at_end=endings(data, b"|")) == len(data)


def test_a_part_of_cri_may_end_as_a_line_of_docker_does():
    long = order(7, b"|", b'","stream":"stdout"}')
    batch = read(cri(cut(long, long.index("}") + 1)), b"|")
    assert texts(batch) == [("C7", '","stream":"stdout"}', None, None)]


@pytest.mark.parametrize("runtime", [docker, spaced])
@pytest.mark.parametrize("delimiter", [b"|", b"\x01"])
def test_messages_of_a_long_line_in_parts_are_whole_wherever_a_log_is_cut(runtime, delimiter):
    text = "".join(order(number, delimiter) for number in range(100))
    data = runtime(cut(text, *range(4_987, len(text), 4_987)))
    whole = read(data, delimiter)
    assert [row[0] for row in texts(whole)] == [f"C{number}" for number in range(100)]
    assert whole.failures.num_rows == 0
    # A line has more than the 4 KiB after which a border has to be in it.
    assert read_one_by_one(data, delimiter, step=211) == rows(whole)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("size", range(1, 12))
def test_a_part_may_end_anywhere_in_the_next_message_on_its_line(runtime, size):
    first = order(1, b"|")
    batch = read(runtime(cut(first + order(2, b"|"), len(first) + size)), b"|")
    assert texts(batch) == [("C1", "x", None, None), ("C2", "x", None, None)]
    assert batch.failures.num_rows == 0


def rows(*batches):
    """Return what is stored: messages, failures, and lines without a message, by position."""
    return (
        [(row["position"], row["raw"]) for one in batches for row in one.messages.to_pylist()],
        [tuple(row.values()) for one in batches for row in one.failures.to_pylist()],
        [place for one in batches for place in one.skipped_positions.to_pylist()],
    )


def read_one_by_one(data, delimiter=b"|", step=1):
    """Return the rows of data that comes `step` bytes by `step`, each read once it is settled."""
    batches, at, within = [], 0, False
    for size in (*range(step, len(data), step), len(data)):
        begin, whole = at, data[:size]
        cuts = settled_cuts(whole[begin:], delimiter, within_line=within)
        for end in (begin + one for one in cuts) if size < len(data) else (size,):
            block = Block("log", at, data[at:end], delimiter, within_line=within)
            batches.append(parse_block(block, masking=Masking({})))
            at, within = end, ends_within_line(data[at:end], within)
    return rows(*batches)


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
