"""Values are what their types say, and nothing else; the specification's examples are tried."""

import pytest

from transforms.fix.choice import BUILT_IN
from transforms.fix.defects import BAD_VALUE, UNEXPECTED_TAG, UNKNOWN_TAG, UNKNOWN_VALUE
from transforms.fix.dictionary import Field
from transforms.fix.validation import check_tag, check_value

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


def test_a_value_that_is_not_listed_is_unknown():
    listed = field("CHAR", **{"1": "Buy", "2": "Sell"})
    assert [check_value(listed, text) for text in ("1", "3", "33", "")] == [
        0, UNKNOWN_VALUE, BAD_VALUE, 0,
    ]  # fmt: skip


def test_each_of_several_values_has_to_be_listed():
    listed = field("MULTIPLEVALUESTRING", G="All or none", **{"1": "Not held"})
    assert [check_value(listed, text) for text in ("G 1", "G X", "G  1")] == [
        0, UNKNOWN_VALUE, UNKNOWN_VALUE,
    ]  # fmt: skip


def test_every_type_of_the_dictionaries_is_tried_or_holds_any_text():
    tried = {*RIGHT, "AMT", "PERCENTAGE", "PRICEOFFSET", "QTY", "DATE", "UTCDATE", "TIME", "TAGNUM"}
    any_text = {"COUNTRY", "EXCHANGE", "LANGUAGE", "XID", "XIDREF", "XMLDATA", "LOCALMKTTIME"}
    any_text |= {"MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE", "MULTIPLEVALUESTRING"}
    versions = [BUILT_IN.choose(f"FIX.{name}", "", "->", {}) for name in ("4.0", "4.4", "5.0SP2")]
    kinds = {one.type for version in versions for one in version.fields.values()}
    assert kinds <= tried | any_text


def test_a_tag_is_unknown_or_of_another_message():
    version = BUILT_IN.choose("FIX.4.4", "", "->", {})
    tags = (55, 448, 102, 9999)
    assert [check_tag(tag, version, "D") for tag in tags] == [0, 0, UNEXPECTED_TAG, UNKNOWN_TAG]
