"""A message is read as FIX defines it; its defects are reported and nothing is lost."""

import datetime

import orjson
import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.defects import MEANINGS, NAMES, defect_text
from fixfeed.transforms.fix.dictionary.choose import Dictionaries
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.scalar.message import parse_message
from fixfeed.transforms.fix.schema import COLUMNS
from fixfeed.transforms.fix.secrets.masking import read_masking
from tests.transforms.fix.messages import encode

ORDER = [(35, b"D"), (34, b"7"), (49, b"A"), (56, b"B"), (52, b"20250102-09:30:00.123")]


def read(message, delimiter=b"\x01", **options):
    parsed = parse_message(message, delimiter, Reading(**options))
    return parsed.columns, orjson.loads(parsed.fields), defect_text(parsed.defects)


def test_columns_are_typed_and_fields_hold_the_rest():
    fields = [
        *ORDER,
        (43, b"N"),
        (55, b"AAPL"),
        (44, b"14.94"),
        (38, b"100"),
        (21, b"1"),
        (9999, b"x"),
    ]
    columns, rest, defects = read(encode(fields))
    assert columns == {
        "begin_string": "FIX.4.4",
        "msg_type": "D",
        "msg_seq_num": 7,
        "sender_comp_id": "A",
        "target_comp_id": "B",
        "sending_time": 1735810200123000,
        "symbol": "AAPL",
        "price": 149400000000,
        "order_qty": 1000000000000,
        "poss_dup_flag": False,
    }
    assert (rest, defects) == ({"HandlInst": "1", "Tag9999": "x"}, None)


def test_instruments_days_and_references_have_columns():
    fields = [
        *ORDER, (115, b"DESK"), (48, b"US0378331005"), (22, b"4"), (167, b"OPT"), (200, b"202606"),
        (201, b"1"), (202, b"250.5"), (207, b"XNAS"), (30, b"XLON"), (64, b"20260304"),
        (75, b"19700102"), (45, b"0012"),
    ]  # fmt: skip
    columns, rest, defects = read(encode(fields))
    expected = {
        "on_behalf_of_comp_id": "DESK",
        "security_id": "US0378331005",
        "security_id_source": "4",
        "security_type": "OPT",
        "maturity_month_year": "202606",
        "put_or_call": "1",
        "strike_price": 2505000000000,
        "security_exchange": "XNAS",
        "last_mkt": "XLON",
        "settl_date": (datetime.date(2026, 3, 4) - datetime.date(1970, 1, 1)).days,
        "trade_date": 1,
        "ref_seq_num": 12,
    }
    assert {name: columns[name] for name in expected} == expected
    assert (rest, defects) == ({}, None)


@pytest.mark.parametrize("value", [b"20260230", b"2026-03-02", b"20260302-09:00:00", b"+2026302"])
def test_a_day_that_is_none_is_a_defect_and_kept_as_text(value):
    columns, rest, defects = read(encode([*ORDER, (75, value)]))
    assert "trade_date" not in columns
    assert (rest, defects) == ({"TradeDate": value.decode()}, "bad_value")


@pytest.mark.parametrize(
    ("version", "field", "logged_on", "column", "rest"),
    [
        ("FIX.4.4", (), {}, None, {}),
        ("FIX.4.4", (1128, b"9"), {"A->B": "7"}, "9", {}),
        ("FIXT.1.1", (), {}, "8", {}),
        ("FIXT.1.1", (), {"A->B": "7"}, "7", {}),
        ("FIXT.1.1", (1128, b"6"), {"A->B": "7"}, "6", {}),
        ("FIXT.1.1", (1128, b"FIX50"), {"A->B": "7"}, "FIX50", {}),
    ],
)
def test_the_version_that_a_message_of_fixt_is_read_by_is_a_column(
    version, field, logged_on, column, rest
):
    raw = encode([*ORDER, field] if field else ORDER, version)
    reading = Reading(dictionaries=Dictionaries(default_appl_ver_id="8"))
    parsed = parse_message(raw, b"\x01", reading, logged_on)
    assert (parsed.columns.get("appl_ver_id"), orjson.loads(parsed.fields)) == (column, rest)


def test_a_version_that_is_masked_stays_so():
    reading = Reading(masking=read_masking(["1128"]))
    raw = encode([*ORDER, (1128, b"6")], "FIXT.1.1")
    assert parse_message(raw, b"\x01", reading).columns["appl_ver_id"] == "*"
    assert "appl_ver_id" not in parse_message(encode(ORDER, "FIXT.1.1"), b"\x01", reading).columns


def test_all_fields_are_in_the_json_on_request():
    _, everything, _ = read(encode([*ORDER, (55, b"X")]), fields="all")
    assert list(everything) == [
        "BeginString", "BodyLength", "MsgType", "MsgSeqNum", "SenderCompID", "TargetCompID",
        "SendingTime", "Symbol", "CheckSum",
    ]  # fmt: skip


def test_a_leap_second_after_the_last_year_is_no_time():
    columns, rest, defects = read(encode([*ORDER, (60, b"99991231-23:59:60")]))
    assert (columns.get("transact_time"), rest["TransactTime"]) == (None, "99991231-23:59:60")
    assert defects == "bad_value"


@pytest.mark.parametrize(
    ("tag", "value", "column", "held", "kept"),
    [
        (44, b"0.12345678901", "price", 1234567890, "0.12345678901"),
        (44, b"12345678901234567.5", "price", 123456789012345675000000000, "12345678901234567.5"),
        (44, b"-1.50", "price", -15000000000, None),
        (44, b".5", "price", 5000000000, None),
        (60, b"20250102-09:30:00.1234567", "transact_time", 1735810200123456,
         "20250102-09:30:00.1234567"),
        (60, b"20250102-09:30:00.123456000", "transact_time", 1735810200123456, None),
        (60, b"20161231-23:59:60", "transact_time", 1483228800000000, "20161231-23:59:60"),
        (60, b"20161231-23:59:60.5", "transact_time", 1483228800500000, "20161231-23:59:60.5"),
    ],
)  # fmt: skip
def test_values_a_column_cannot_hold_exactly_are_in_the_json_too(tag, value, column, held, kept):
    columns, rest, defects = read(encode([*ORDER, (tag, value)]))
    name = {44: "Price", 60: "TransactTime"}[tag]
    assert (columns.get(column), rest.get(name), defects) == (held, kept, None)


@pytest.mark.parametrize(
    ("tag", "value"), [(44, b"1" * 29), (44, b"-" + b"9" * 5000), (34, b"9223372036854775808")]
)
def test_a_number_too_large_for_its_column_is_a_defect_and_kept_as_text(tag, value):
    columns, rest, defects = read(encode([(35, b"D"), (tag, value)]))
    column, name = {44: ("price", "Price"), 34: ("msg_seq_num", "MsgSeqNum")}[tag]
    assert column not in columns
    assert (rest, defects) == ({name: value.decode()}, "number_too_large")


@pytest.mark.parametrize(
    "name",
    ["Text", "Account", "Price", "MsgSeqNum", "PossDupFlag", "SendingTime", "TradeDate", "MsgType"],
)
def test_an_empty_value_is_null_in_its_column_and_empty_in_the_json(name):
    (column,) = [one for one in COLUMNS if one.field == name]
    columns, rest, defects = read(
        encode([*([] if name == "MsgType" else [(35, b"D")]), (column.tag, b"")])
    )
    assert columns.keys() == {"begin_string", *([] if name == "MsgType" else ["msg_type"])}
    assert (rest, defects) == ({name: ""}, "empty_value")


def test_tags_without_a_name_and_wrong_counts_have_a_key_that_is_no_number():
    parties = [(453, b"3"), (448, b"P"), (7001, b"a"), (448, b"Q")]
    raw = encode([(35, b"D"), (5001, b"1"), (5001, b"2"), *parties, (55, b"X")])
    parsed = parse_message(raw, b"\x01", Reading(fix_json=True))
    fields = {
        "Tag5001": ["1", "2"],
        "NoPartyIDs": [{"PartyID": "P", "Tag7001": "a"}, {"PartyID": "Q"}],
        "Tag453": "3",
    }
    assert orjson.loads(parsed.fields) == fields
    body = orjson.dumps(fields | {"Symbol": "X"}).replace(b"Tag", b"")
    assert orjson.loads(parsed.fix_json)["Body"] == orjson.loads(body)


def test_text_that_looks_like_such_a_key_is_not_one():
    raw = b"8=FIX.4.4\x019=5\x0135=D\x01Tag5001=X\x015001=Y\x0110=000\x01"
    for vectorised in (False, True):
        batch = parse_block(Block("log", 0, raw), vectorised=vectorised)
        rest = orjson.loads(batch.messages["fields"][0].as_py())
        assert (rest["Tag5001"], rest[""]) == ("Y", "Tag5001=X")
    _, rest, _ = read(encode([(35, b"D"), (354, b"1"), (355, b'"7":"8":')]))
    assert rest["EncodedText"] == '"7":"8":'


@pytest.mark.parametrize("value", [b"abc", b"1e5", b"+1", b"1,5", b".", b"--1"])
def test_a_value_of_the_wrong_type_is_a_defect_and_kept_as_text(value):
    columns, rest, defects = read(encode([*ORDER, (38, value)]))
    assert "order_qty" not in columns
    assert (rest, defects) == ({"OrderQty": value.decode()}, "bad_value")


def test_a_repeated_tag_is_an_array_of_all_its_values():
    columns, rest, _ = read(encode([*ORDER, (448, b"P1"), (448, b"P2"), (55, b"X"), (55, b"Y")]))
    assert columns["symbol"] == "X"
    assert rest == {"PartyID": ["P1", "P2"], "Symbol": ["X", "Y"]}


def test_data_fields_hold_anything():
    data = b"a\x0110=000\x01b\n\xff"
    _, rest, defects = read(encode([*ORDER, (95, b"%d" % len(data)), (96, data), (58, b"t")]))
    assert rest == {"RawDataLength": str(len(data)), "RawData": data.decode("latin-1")}
    assert defects is None


GOOD = encode(ORDER)


def sealed(body):
    """The message with the CheckSum of its content, right or wrong."""
    return body + b"10=%03d\x01" % (sum(body) % 256)


UNSEALED = GOOD[: GOOD.rindex(b"10=")]
DAMAGED = {
    "truncated": UNSEALED,
    "begin_string_missing,body_length_missing,check_sum_missing": b"35=D\x0155=X\x01",
    "body_length_missing": sealed(b"8=FIX.4.4\x0135=D\x0149=A\x01"),
    "body_length": sealed(UNSEALED.replace(b"\x019=", b"\x019=1")),
    "check_sum": GOOD[:-4] + b"999\x01",
    "check_sum_delimiter": sealed(UNSEALED.replace(b"\x01", b"|")).replace(b"\x01", b"|"),
    "header_order": sealed(b"8=FIX.4.4\x0135=D\x019=5\x0149=A\x01"),
    "bad_field": encode([*ORDER, (58, b"x\x01garbled")]),
    "empty_value": encode([*ORDER, (58, b"")]),
    "bad_value": encode([*ORDER, (43, b"maybe")]),
    "data_length": encode([*ORDER, (95, b"9"), (96, b"abc")]),
}


@pytest.mark.parametrize("expected", DAMAGED)
def test_each_defect_is_reported(expected):
    delimiter = b"|" if expected == "check_sum_delimiter" else b"\x01"
    _, _, defects = read(DAMAGED[expected], delimiter)
    assert defects == expected


PARTY = [(453, b"1"), (448, b"P"), (447, b"D"), (452, b"1")]
MEMBERS = [(448, b"P"), (447, b"D")]
IN_STRUCTURE = {
    "field_order": [*ORDER, (55, b"X"), (43, b"N")],
    "repeated_tag": [*ORDER, (55, b"X"), (55, b"X")],
    "group_count": [*ORDER, (453, b"3"), *MEMBERS],
    "group_first_field": [*ORDER, (453, b"1"), (447, b"D"), (452, b"1")],
    "group_order": [*ORDER, (453, b"1"), (448, b"P"), (452, b"1"), (447, b"D")],
    "group_foreign": [*ORDER, (453, b"2"), *MEMBERS, (5001, b"x"), *MEMBERS],
    "group_orphan": [*ORDER, (448, b"P")],
}


@pytest.mark.parametrize("expected", IN_STRUCTURE)
def test_each_defect_of_the_structure_is_reported_on_request(expected):
    message = encode(IN_STRUCTURE[expected])
    assert read(message)[2] == expected
    assert read(message, validate="off")[2] is None
    assert read(message)[:2] == read(message, validate="off")[:2]


COMPLETE = [
    *ORDER, (11, b"C1"), (55, b"X"), (54, b"1"), (60, b"20250102-09:30:00"), (38, b"5"),
    (40, b"1"),
]  # fmt: skip
AGAINST_DICTIONARY = {
    "unknown_msg_type": [(35, b"U1"), *ORDER[1:]],
    "unknown_tag": [*COMPLETE, (9999, b"x")],
    "unexpected_tag": [*COMPLETE, (102, b"1")],
    "missing_field": COMPLETE[:-1],
    "unknown_value": [*COMPLETE, (59, b"Z")],
    "bad_value": [*COMPLETE, (126, b"today")],
}


@pytest.mark.parametrize("expected", AGAINST_DICTIONARY)
def test_each_defect_against_the_dictionary_is_reported_on_request(expected):
    message = encode(AGAINST_DICTIONARY[expected])
    assert read(message, validate="dictionary")[2] == expected
    assert read(message)[2] is None


def test_a_message_of_an_unknown_version_is_reported_and_read():
    columns, rest, defects = read(encode(COMPLETE, "FIX.3.9"), validate="dictionary")
    assert columns["symbol"] == "X"
    assert (rest, defects) == ({}, "unknown_version")


def test_a_valid_message_has_no_defects_in_any_mode():
    message = encode([*COMPLETE, *PARTY])
    assert {read(message, validate=how)[2] for how in ("off", "structure", "dictionary")} == {None}


def test_every_kind_of_defect_has_a_test_here():
    tried = {*DAMAGED, *IN_STRUCTURE, *AGAINST_DICTIONARY, "unknown_version", "number_too_large"}
    tried |= {"text_too_long"}
    assert {name for names in tried for name in names.split(",")} == set(NAMES) == set(MEANINGS)


def test_encoded_fields_are_read_by_message_encoding():
    text = "東京".encode("shift_jis")
    fields = [*ORDER, (347, b"Shift_JIS"), (354, b"%d" % len(text)), (355, text)]
    assert read(encode(fields))[1]["EncodedText"] == "東京"
    for no_encoding in (b"no such encoding", b"863", b"unicode_escape"):
        fields[-3] = (347, no_encoding)
        assert read(encode(fields))[1]["EncodedText"] == text.decode("latin-1")


def test_a_field_name_instead_of_a_tag_is_not_that_field():
    message = sealed(UNSEALED + b"55=X\x01Symbol=Y\x01x55=Z\x01")
    assert read(message)[1] == {"BodyLength": "45", "": "Symbol=Y", "x55": "Z"}


def test_there_is_no_message_without_msg_type():
    assert parse_message(b"8=FIX.4.4\x019=5\x0149=A\x0110=000\x01", b"\x01") is None
