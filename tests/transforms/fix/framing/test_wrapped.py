"""A message in a JSON line, a CSV cell or a printed string is read like a bare one."""

import json
import random
import re

import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing.borders import endings, first_border, last_border
from fixfeed.transforms.fix.framing.delimiter import sniff_delimiter
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.schema import COLUMNS
from fixfeed.transforms.fix.secrets.masking import Masking
from tests.transforms.fix.framing.test_delimiter import read
from tests.transforms.fix.messages import encode, random_fields
from tests.transforms.fix.wrappers import WRAPPERS, cell, docker, elastic, printed

READ = [column.name for column in COLUMNS] + ["session", "fields", "defects"]
BEGIN = re.compile(rb"(?:8|\\u0038)(?:=|\\{1,2}u003[dD])(?:FIX|\\u0046)")
TEXTS = (
    b'say "hi"',
    b"C:\\fix\\new",
    "Zürich 東京 😀".encode(),
    b"a/b",
    b"it's",
    b"tab\there",
    b"plain",
    b"x, y; z",
)


def messages(seed=1, count=12, delimiter=b"\x01"):
    rng = random.Random(seed)
    made = []
    for number in range(count):
        fields = [one for one in random_fields(rng, number) if one[0] not in (58, 95, 96, 148)]
        fields = [(tag, value) for tag, value in fields if value.isascii()]
        made.append(encode([*fields, (58, rng.choice(TEXTS))], delimiter=delimiter))
    return made


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A"])
@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("count", [1, 12, 60])
def test_a_wrapped_message_is_read_like_a_bare_one(wrap, delimiter, count):
    made = messages(count=count, delimiter=delimiter)
    data = b"".join(wrap(message.decode()).encode() + b"\n" for message in made)
    bare = b"\n".join(made) + b"\n"
    wrapped, alone = read(data, sniff_delimiter(data)), read(bare, delimiter)
    names = [name for name in READ if name in alone.messages.schema.names]
    rows = wrapped.messages.select(names).to_pylist()
    assert rows == alone.messages.select(names).to_pylist()
    assert not any("body_length" in (row["defects"] or "") for row in rows)
    assert len(rows) == count
    assert (wrapped.failures.num_rows, wrapped.skipped) == (0, 0)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_positions_and_raw_are_those_of_the_file(wrap):
    data = b"".join(wrap(message.decode()).encode() + b"\n" for message in messages())
    rows = read(data, sniff_delimiter(data)).messages.to_pylist()
    at = -8
    for row in rows:
        at = BEGIN.search(data, at + 8).start()
        assert row["position"] == 1000 + at
        assert data[at : at + len(row["raw"])] == row["raw"]
        line = data.rfind(b"\n", 0, at) + 1
        assert (row["prefix"] or "").encode() == data[line:at]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapped_log_cut_at_any_border_gives_the_same_rows(wrap):
    data = b"".join(wrap(message.decode()).encode() + b"\n" for message in messages(3))
    delimiter = sniff_delimiter(data)
    assert last_border(data, delimiter) == len(data)
    whole = read(data, delimiter).messages.select(READ[:-1]).to_pylist()
    borders = {first_border(data, at, delimiter) for at in range(0, len(data), 41)} - {None}
    assert len(borders) > 8
    for border in borders:
        parts = [read(part, delimiter) for part in (data[:border], data[border:])]
        found = [row for part in parts for row in part.messages.select(READ[:-1]).to_pylist()]
        assert found == whole
        assert sum(part.skipped for part in parts) == 0


@pytest.mark.parametrize("wrap", [docker, elastic, cell, printed])
def test_secrets_in_wrapped_messages_are_masked(wrap):
    message = encode([(35, b"A"), (553, b'u"ser'), (554, b"hun\\ter2"), (58, b'say "hi"')])
    for count in (1, 40):
        data = (wrap(message.decode()).encode() + b"\n") * count
        batch = read(data, sniff_delimiter(data))
        for row in batch.messages.to_pylist():
            assert row["masked"] == "553,554"
            assert b"ser" not in row["raw"]
            assert b"ter2" not in row["raw"]
            assert "ter2" not in row["fields"]


def test_a_quoted_message_keeps_its_own_backslashes():
    message = encode([(35, b"D"), (58, b"C:\\new\\x41")], delimiter=b"|")
    for line in (b'INFO "' + message + b'"\n', b"INFO '" + message + b"'\n", message + b"\n"):
        (row,) = read(line, b"|").messages.to_pylist()
        assert (row["text"] if "text" in row else row["fields"], row["defects"]) == (
            '{"Text":"C:\\\\new\\\\x41"}' if "text" not in row else "C:\\new\\x41",
            None,
        )
        assert row["raw"] == message


@pytest.mark.parametrize(
    "equals", ["\\u003d", "\\u003D", "\\\\u003d", "\\x3d", "\\075", "%3D", "&#61;"]
)
@pytest.mark.parametrize("before", ["", "INFO sent ", '{"msg":1} '])
def test_escaped_equals_signs_outside_strings_make_a_failure_that_names_them(equals, before):
    line = f"{before}8=FIX.4.4|9=5|35=0|49=A|56=B|".replace("=", equals).encode()
    bare = encode([(35, b"0")], delimiter=b"|")
    batch = read(b"\n".join([line, bare, b"no word of it"]) + b"\n", b"|")
    (failure,) = batch.failures.to_pylist()
    assert (failure["raw"], failure["reason"]) == (line, "no_begin_string")
    spelt = equals.replace("\\\\", "\\")
    assert f"'=' is written as '{spelt}'" in failure["detail"]
    assert (batch.messages.num_rows, batch.skipped) == (1, 1)


INNER = [
    b'{"a":"8=FIX.4.2\\u00019=5\\u000135=0\\u000110=000\\u0001"}',
    b"b'8=FIX.4.2\\x019=5\\x0135=0\\x0110=000\\x01'",
    b'{"a":"8=FIX.4.2\\0019=5\\00135=0\\00110=000\\001","b":"8=FIX.4.2;9=5;35=0;"}',
    b"\n{'a': '8=FIX.4.2\\\\x019=5\\\\x01'}",
]


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A"])
@pytest.mark.parametrize("line_end", [b"\n", b""])
def test_fix_in_a_string_inside_a_message_with_a_length_is_part_of_the_message(
    inner, delimiter, line_end
):
    data_field = [(212, b"%d" % len(inner)), (213, inner)]
    for fields in ([(45, b"1"), (58, inner.strip()), (372, b"D")], [*data_field, (45, b"1")]):
        message = encode([(35, b"3"), *fields], delimiter=delimiter)
        for count in (1, 40):
            data = b"\n".join([message] * count) + line_end
            found, end = at_its_end(data, sniff_delimiter(data))
            assert [row["raw"] for row in found] == [message] * count
            assert [row["defects"] for row in found] == [None] * count
            assert end == len(data)


def test_several_messages_in_one_string_are_each_read():
    made = messages(count=3)
    line = json.dumps({"log": "\n".join(one.decode() for one in made)}).encode() + b"\n"
    batch = read(line, sniff_delimiter(line))
    bare = read(b"".join(one + b"\n" for one in made), b"\x01")
    assert batch.messages["defects"].to_pylist() == bare.messages["defects"].to_pylist()
    assert batch.messages.num_rows == 3
    assert (batch.failures.num_rows, batch.skipped) == (0, 0)


def test_wrapped_and_bare_messages_may_share_a_file():
    made = messages(count=4)
    text = [one.decode() for one in made]
    lines = [made[0], docker(text[1]).encode(), cell(text[2]).encode(), printed(text[3]).encode()]
    for count in (1, 20):
        data = b"\n".join(lines * count) + b"\n"
        batch = read(data)
        assert batch.messages.num_rows == 4 * count
        expected = read(b"\n".join(made * count) + b"\n")
        assert batch.messages.select(READ).equals(expected.messages.select(READ))


@pytest.mark.parametrize("seed", range(40))
def test_every_byte_of_a_damaged_wrapped_log_is_in_a_message_or_a_failure(seed):
    rng = random.Random(seed)
    wrap = rng.choice(WRAPPERS)
    lines = [bytearray(wrap(message.decode()).encode()) for message in messages(seed, 6)]
    for line in lines:
        for _ in range(rng.choice([0, 1, 3])):
            line[rng.randrange(len(line))] = rng.choice(b'\\"|=8\x01 x')
    data = b"\n".join(lines) + b"\n"
    delimiter = rng.choice([sniff_delimiter(data), b"|", b"\x01"])
    read(data, delimiter)
    batch = parse_block(Block("log", 0, data, delimiter), masking=Masking({}))
    left = bytearray(data)
    for row in (*batch.messages.to_pylist(), *batch.failures.to_pylist()):
        end = row["position"] + len(row["raw"])
        assert data[row["position"] : end] == row["raw"]
        left[row["position"] : end] = b" " * len(row["raw"])
    assert b"8=FIX" not in left


def at_its_end(data, delimiter):
    """Return the rows of a log without an end of line, and the start of its waiting part."""
    end = last_border(data, delimiter, at_end=endings(data, delimiter))
    return rows_of(data[:end], delimiter), end


def rows_of(data, delimiter, position=0):
    batch = parse_block(Block("log", position, data, delimiter), masking=Masking({}))
    return batch.messages.drop_columns(["ingested_at"]).to_pylist()


def json_array(made):
    return json.dumps([message.decode() for message in made]).encode()


def indented(made):
    return json.dumps({"messages": [one.decode() for one in made]}, indent=1).encode()


def python_list(made):
    return repr(made).encode()


def python_dicts(made):
    return b"\n".join(repr({"dir": "in", "raw": message}).encode() for message in made)


def one_string(made):
    return json.dumps({"log": "\n".join(message.decode() for message in made)}).encode()


def lines_of(wrap):
    return lambda made: b"\n".join(wrap(message.decode()).encode() for message in made)


LOGS = [json_array, indented, python_list, python_dicts, one_string, *map(lines_of, WRAPPERS)]


@pytest.mark.parametrize("delimiter", [b"\x01", b"|"])
@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_last_message_is_read_without_an_end_of_line(log, delimiter, count):
    for text in ("Zürich", 'say "hi"', "C:\\new\\x41", "a \"b' c\\"):
        last = encode([(35, b"D"), (55, text.encode()), (58, b"end")], delimiter=delimiter)
        data = log([*messages(count=count - 1, delimiter=delimiter), last])
        found, _ = at_its_end(data, sniff_delimiter(data))
        assert [row["defects"] for row in found][-1:] == [None]
        assert found[-1]["symbol"] == text
        assert found == rows_of(data + b"\n", sniff_delimiter(data))
        assert len(found) == count


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_wrapped_log_cut_anywhere_and_grown_is_read_like_the_whole(log, seed):
    data = log(messages(seed, 3)) + b"\n"
    delimiter = sniff_delimiter(data)
    whole = rows_of(data, delimiter)
    assert len(whole) == 3
    for cut in range(len(data) - 500, len(data), 7):
        found, end = at_its_end(data[:cut], delimiter)
        assert found + rows_of(data[end:], delimiter, end) == whole


def test_an_open_quote_does_not_delay_a_valid_message():
    message = encode([(35, b"D"), (58, b"C:\\new\\x41")], delimiter=b"|")
    for before in (b"it's ", b'5" pipe ', b"it's \"", b'"x": "', b"got b'"):
        (row,), end = at_its_end(before + message, b"|")
        assert end == len(before + message)
        assert (row["raw"], row["defects"]) == (message, None)


def test_a_message_in_a_cut_off_string_waits_for_its_rest():
    message = encode([(35, b"D"), (55, "Zürich".encode())])
    line = docker(message.decode()).encode()
    cut = line[: line.index(b'\\n"')]
    assert at_its_end(cut, b"\\u0001") == ([], 0)
    batch = parse_block(Block("log", 0, cut, b"\\u0001", provisional=True))
    (failure,) = batch.failures.to_pylist()
    assert (failure["reason"], failure["raw"]) == ("truncated", cut)
