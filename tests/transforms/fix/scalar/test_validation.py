"""Values match their types, and the examples of the specification are tried."""

import pytest

from fixfeed.transforms.fix.defects import BAD_VALUE, UNEXPECTED_TAG, UNKNOWN_TAG, UNKNOWN_VALUE
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
from fixfeed.transforms.fix.dictionary.union import Field
from fixfeed.transforms.fix.scalar.validation import check_tag, check_value

RIGHT = {
    "INT": ["0", "-5", "00023"],
    "LENGTH": ["10"],
    "SEQNUM": ["1"],
    "NUMINGROUP": ["0"],
    "DAYOFMONTH": ["1", "31"],
    "FLOAT": ["1", "-1.5", ".5", "5.", "00.10"],
    "PRICE": ["23.23"],
    "CHAR": ["a", "é", " "],
    "BOOLEAN": ["Y", "N"],
    "STRING": ["anything at all", "="],
    "CURRENCY": ["USD", "USDT"],
    "MONTHYEAR": ["202501", "20250131", "202501w5"],
    "UTCTIMESTAMP": ["20250102-09:30:00", "20250102-09:30:00.123456789", "20161231-23:59:60"],
    "UTCTIMEONLY": ["09:30:00", "23:59:60.123"],
    "UTCDATEONLY": ["20240229"],
    "LOCALMKTDATE": ["20250102"],
    "TZTIMEONLY": ["07:39Z", "02:39-05", "13:09+05:30", "20:08:09.5Z"],
    "TZTIMESTAMP": ["20060901-07:39Z", "20060901-13:09+05:30", "20060901-07:39:00.123-05"],
    "DATA": ["\x01\x00"],
}
WRONG = {
    "INT": ["1.0", "+1", "1e5", "x", "٣"],
    "LENGTH": ["-1"],
    "SEQNUM": ["1 "],
    "NUMINGROUP": ["two"],
    "DAYOFMONTH": ["0", "32"],
    "FLOAT": [".", "-", "1,5", "1e5", "1.2.3", "NaN"],
    "PRICE": ["23.23 USD"],
    "CHAR": ["ab"],
    "BOOLEAN": ["y", "1", "YN"],
    "MONTHYEAR": ["2025", "202513", "202501w6", "20250132"],
    "UTCTIMESTAMP": ["20250102", "20250229-09:30:00", "20250102-24:00:00", "0"],
    "UTCTIMEONLY": ["9:30:00", "24:00:00", "09:30"],
    "UTCDATEONLY": ["20250229", "2025-01-02"],
    "LOCALMKTDATE": ["today"],
    "TZTIMEONLY": ["7:39Z", "07:60Z"],
    "TZTIMESTAMP": ["20250229-07:39Z", "07:39Z"],
}


def field(kind, **values):
    return Field(1, "Tried", kind, values)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in RIGHT for text in RIGHT[kind]])
def test_a_right_value_has_no_defect(kind, text):
    assert check_value(field(kind), text) == 0


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in WRONG for text in WRONG[kind]])
def test_a_value_of_another_type_is_bad(kind, text):
    assert check_value(field(kind), text) == BAD_VALUE


def test_a_value_not_on_the_list_is_unknown():
    listed = field("CHAR", **{"1": "Buy", "2": "Sell"})
    assert [check_value(listed, text) for text in ("1", "3", "33", "")] == [
        0, UNKNOWN_VALUE, BAD_VALUE, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("union", "right", "wrong"),
    [
        ("QTY", ["1", "5000", "2.5"], ["X", "5,000", "1e3"]),
        ("RESERVED100PLUS", ["100", "0100", "4711"], ["99", "099", "1.5", "-100"]),
        ("RESERVED1000PLUS", ["1000", "123456"], ["100", "999"]),
        ("RESERVED4000PLUS", ["4000", "9999", "10000"], ["3999", "400"]),
        ("TENOR", ["M3", "D10", "W1", "Y2"], ["3M", "M"]),
        ("STRING", ["anything at all"], []),
        ("", [], ["100", "X"]),
    ],
)
def test_a_field_may_hold_unlisted_values_if_its_union_type_allows_them(union, right, wrong):
    listed = Field(1, "Tried", "STRING", {"1": "Small", "L": "Large"}, union)
    assert [check_value(listed, text) for text in ["1", "L", *right]] == [0] * (2 + len(right))
    assert [check_value(listed, text) for text in wrong] == [UNKNOWN_VALUE] * len(wrong)


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.1"])
def test_char_of_fix_40_and_41_is_text_of_any_length(version):
    dictionary = BUILT_IN.choose(version, "", "->", {})
    found = {
        tag: check_value(dictionary.fields[tag], text)
        for tag, text in {11: "ORD-1", 55: "IBM", 54: "1", 18: "1 G", 22: "100", 27: "5000"}.items()
    }
    assert set(found.values()) == {0}
    assert check_value(dictionary.fields[54], "12") == UNKNOWN_VALUE
    assert check_value(dictionary.fields[18], "1 ?") == UNKNOWN_VALUE


def test_each_of_several_values_must_be_listed():
    listed = field("MULTIPLEVALUESTRING", G="All or none", **{"1": "Not held"})
    assert [check_value(listed, text) for text in ("G 1", "G X", "G  1")] == [
        0, UNKNOWN_VALUE, UNKNOWN_VALUE,
    ]  # fmt: skip


def test_every_type_in_the_dictionaries_is_tried_or_holds_any_text():
    tried = {*RIGHT, "AMT", "PERCENTAGE", "PRICEOFFSET", "QTY", "DATE", "UTCDATE", "TIME", "TAGNUM"}
    any_text = {"COUNTRY", "EXCHANGE", "LANGUAGE", "XID", "XIDREF", "XMLDATA", "LOCALMKTTIME"}
    any_text |= {"MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE", "MULTIPLEVALUESTRING"}
    versions = [BUILT_IN.choose(f"FIX.{name}", "", "->", {}) for name in ("4.0", "4.4", "5.0SP2")]
    kinds = {one.type for version in versions for one in version.fields.values()}
    assert kinds <= tried | any_text


def test_a_tag_may_be_unknown_or_unexpected():
    version = BUILT_IN.choose("FIX.4.4", "", "->", {})
    tags = (55, 448, 102, 9999)
    assert [check_tag(tag, version, "D") for tag in tags] == [0, 0, UNEXPECTED_TAG, UNKNOWN_TAG]
