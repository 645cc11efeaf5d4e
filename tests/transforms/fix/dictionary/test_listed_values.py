"""Allowed values of a version have no defect, in either parser, below and above 6 KiB."""

import random

import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN
from fixfeed.transforms.fix.dictionary.version import VERSIONS
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.scalar.validation import check_value
from tests.transforms.fix.messages import encode
from tests.transforms.fix.valid_messages import texts_of, valid_message

APPL_VER_IDS = {"FIX.5.0": b"7", "FIX.5.0SP1": b"8", "FIX.5.0SP2": b"9"}


def of(version):
    return BUILT_IN.choose(version, "", "->", {})


def encoded(version, fields):
    """A message of a version; the FIX 5 versions are sent over FIXT.1.1."""
    if version in APPL_VER_IDS:
        head, *rest = fields
        return encode([head, (1128, APPL_VER_IDS[version]), *rest], "FIXT.1.1")
    return encode(fields, version)


def defects_of(messages):
    """The defects that both parsers find, which must agree."""
    found = []
    for vectorised in (False, True):
        block = Block("log", 0, b"\n".join(messages))
        batch = parse_block(block, vectorised=vectorised, validate="dictionary")
        found.append(batch.messages["defects"].to_pylist())
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_allowed_value_of_a_field_has_a_defect(version):
    fields = [field for tag, field in of(version).fields.items() if field.type in _TRIED]
    wrong = [(field.name, text) for field in fields for text in texts_of(field)
             if check_value(field, text)]  # fmt: skip
    assert wrong == []


_TRIED = {one.type for version in VERSIONS for one in of(version).fields.values()}
_TRIED -= {"DATA", "XMLDATA"}


@pytest.mark.parametrize("version", VERSIONS)
def test_valid_messages_of_every_type_have_no_defect(version):
    rng = random.Random(f"valid {version}")
    dictionary = of(version)
    messages = []
    for msg_type in dictionary.message_types:
        size = sum(1 for _ in dictionary.homes(msg_type))
        share = min(0.5, 30 / size)
        messages += [
            encoded(version, valid_message(rng, dictionary, msg_type, share)) for _ in range(8)
        ]
    wrong = {
        (defects, message)
        for defects, message in zip(defects_of(messages), messages, strict=True)
        if defects
    }
    assert wrong == set()


ORDER = [(35, b"D"), (49, b"BUYSIDE"), (56, b"SELLSIDE"), (34, b"12"), (52, b"20250304-10:11:12"),
         (11, b"ORD-1"), (21, b"1"), (55, b"IBM"), (54, b"1"), (38, b"100"), (40, b"2"),
         (44, b"10.5"), (60, b"20250304-10:11:12")]  # fmt: skip


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4"])
@pytest.mark.parametrize("copies", [1, 60])
def test_an_order_has_no_defect_in_fix_40_to_44(version, copies):
    heartbeat = [(35, b"0"), *ORDER[1:5]]
    messages = [encoded(version, ORDER), encoded(version, heartbeat)] * copies
    assert (sum(map(len, messages)) > 6 * 1024) == (copies > 1)
    assert set(defects_of(messages)) == {None}


@pytest.mark.parametrize("version", [one for one in VERSIONS if one != "FIXT.1.1"])
@pytest.mark.parametrize("copies", [1, 60])
def test_the_quantity_of_an_indication_is_a_number_or_a_listed_letter(version, copies):
    def indication(quantity):
        ioi = (35, b"6"), *ORDER[1:5], (23, b"1"), (28, b"N"), (55, b"IBM"), (54, b"1")
        return encoded(version, [*ioi, (27, quantity), (44, b"10")])

    messages = [indication(text) for text in (b"5000", b"2.5", b"L", b"many")] * copies
    expected = [None, None, None, "unknown_value"] * copies
    assert defects_of(messages) == expected
