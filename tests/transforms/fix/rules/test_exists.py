"""`exists` after a column is true exactly where the column has a value."""

import random

import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.rules.language import parse_rule
from fixfeed.transforms.fix.schema import COLUMNS, MESSAGES
from tests.transforms.fix.messages import encode, random_log

VALUES = (
    *(b"7", b"12.50", b"20250102", b"20250102-09:30:00", b"Y", b"N", b"AAPL", b"202503", b"D"),
    *(b"abc", b"", b" ", b"1e5", b"20251399", b"25:61", b"9" * 45, b"0.12345678901"),
    *(b"99999999999999999999", b"20250102-09:30:00.123456789", b"caf\xe9", b"\x00"),
)
"""Values of every type, and those that no column, or only some, can hold."""


def messages(vectorised):
    first = {8: b"FIX.4.4", 35: b"8", 49: b"A", 56: b"B", 34: b"1"}
    one_by_one = [
        encode([(tag, value) for tag, value in (first | {column.tag: text}).items() if tag != 8])
        for column in COLUMNS
        for text in VALUES
        if column.tag != 8
    ]
    # Symbol and its like inside the entries of a group alone.
    in_group = encode([(35, b"E"), (66, b"L"), (73, b"1"), (11, b"x"), (67, b"1"), (55, b"AAPL")])
    data = b"".join([*one_by_one, in_group, in_group.replace(b"AAPL", b"MSFT")])
    data += random_log(random.Random(11), 400, mutated=0.2, delimiter=b"\x01")
    return parse_block(Block("log", 0, data), vectorised=vectorised).messages


@pytest.fixture(scope="module", params=[True, False], ids=["vector", "scalar"])
def rows(request):
    return messages(request.param)


@pytest.mark.parametrize("name", MESSAGES.names)
def test_a_column_exists_exactly_where_it_has_a_value(rows, name):
    has_a_value = rows[name].is_valid().to_pylist()
    assert parse_rule(f"{name} exists").mask(rows).to_pylist() == has_a_value
    assert parse_rule(f"{name} missing").mask(rows).to_pylist() == [not one for one in has_a_value]


@pytest.mark.parametrize("column", [one for one in COLUMNS if one.tag not in (8, 1128)])
def test_a_typed_column_lacks_what_it_cannot_hold_and_the_field_is_there(rows, column):
    field = parse_rule(f"{column.tag} exists").mask(rows).to_pylist()
    in_column = parse_rule(f"{column.name} exists").mask(rows).to_pylist()
    assert all(there for there, held in zip(field, in_column, strict=True) if held)
    assert parse_rule(f"{column.field.upper()} exists").mask(rows).to_pylist() == field
    texts = [raw for raw, one in zip(rows["raw"].to_pylist(), field, strict=True) if one]
    tag = b"%d=" % column.tag
    assert all(tag in raw for raw in texts)
    if not str(column.type).startswith("string"):
        assert field != in_column


def test_a_symbol_inside_a_group_is_not_in_the_column(rows):
    lists = parse_rule("MsgType = E and Symbol exists").mask(rows).to_pylist()
    assert sum(lists) >= 2
    column = parse_rule("MsgType = E and ListID = L and symbol exists").mask(rows).to_pylist()
    assert sum(column) == 0
