"""Messages for people: every field once and in order, nested as the JSON, defects at fields."""

import random
from itertools import pairwise

import orjson
import pyarrow as pa
import pytest

from fixfeed.transforms.batch import Block, Failure
from fixfeed.transforms.fix.decode.block import decode_block
from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.dictionary.choose import Dictionaries, OwnDictionary
from fixfeed.transforms.fix.dictionary.codes import Codes
from fixfeed.transforms.fix.dictionary.quickfix_xml import read_definition
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.reading import Reading
from fixfeed.transforms.fix.scalar.fields import decode, split_fields
from fixfeed.transforms.fix.scalar.groups import add
from fixfeed.transforms.fix.secrets.masking import UNMASKED, read_masking
from tests.transforms.fix.group_messages import group_log
from tests.transforms.fix.messages import encode, random_log

MEANINGS = Meanings(Codes())
ALL = Reading("all", "dictionary", masking=UNMASKED)


def decoded(data, *, delimiter=b"\x01", reading=ALL, meanings=MEANINGS):
    block = Block("log", 100, data, delimiter)
    return list(decode_block(block, parse_block(block, **reading._asdict()), reading, meanings))


def one(fields, *, version="FIX.4.4", **how):
    (message,) = decoded(encode(fields, version), **how)
    return message


@pytest.mark.parametrize("kind", [random_log, group_log])
def test_every_field_of_a_message_is_shown_once_in_order_and_every_defect_of_it(kind):
    seen = set()
    for seed in range(12):
        rng = random.Random(seed)
        how = {"mutated": 0.4} if kind is random_log else {"damaged": 0.6}
        data = kind(rng, 60, delimiter=b"\x01", **how)
        block = Block("log", 100, data, b"\x01")
        batch = parse_block(block, **ALL._asdict())
        shown = list(decode_block(block, batch, ALL, MEANINGS))
        messages = [one for one in shown if not isinstance(one, Failure)]
        failures = [one for one in shown if isinstance(one, Failure)]
        places = [one.row["position"] if one in messages else one.position for one in shown]
        assert places == sorted(places)
        assert [f._asdict() for f in failures] == batch.failures.to_pylist()
        rows = batch.messages.to_pylist()
        assert [one.row["position"] for one in messages] == [row["position"] for row in rows]
        for message, row in zip(messages, rows, strict=True):
            if any(mark in row["raw"] for mark in (b"\\", b"^A", b"<SOH>")):
                continue
            own = [part for part in (b"\x01", b"|", b"\t") if row["raw"].count(part) > 3][:1]
            if not own or row["raw"].startswith((b"9=", b"35=")):
                continue
            fields, _ = split_fields(row["raw"], own[0])
            if message.fields[0].text == fields[0].value.decode("latin-1"):
                assert [f.tag for f in message.fields] == [decode(f.tag) for f in fields]
            problems = [*message.problems, *(p for f in message.fields for p in f.problems)]
            kinds = {problem.kind for problem in problems}
            assert kinds == set(filter(None, (row["defects"] or "").split(",")))
            seen |= kinds
    assert len(seen) > 15


def test_groups_are_nested_as_in_the_json():
    reading = ALL._replace(validate="structure")
    compared = 0
    for seed in range(10):
        data = group_log(random.Random(seed), 40, damaged=0.0, delimiter=b"\x01")
        for message in decoded(data, reading=reading):
            # Counts that are wrong, and what is repeated, are elsewhere in the JSON.
            if {"group_count", "repeated_tag"} & set((message.row["defects"] or "").split(",")):
                continue
            json, groups = {}, {}
            for field, following in pairwise([*message.fields, None]):
                target = groups[field.depth - 1] if field.depth else [json]
                if field.entry:
                    target.append({})
                if following and (following.depth > field.depth):
                    target[-1][field.name] = groups[field.depth] = []
                else:
                    name = f"Tag{field.name}" if field.name.isdigit() else field.name
                    add(target[-1], name, field.text)
            expected = orjson.loads(fields_of(message, data, reading))
            assert without_empty_groups(expected) == without_empty_groups(json)
            compared += any(field.depth > 1 for field in message.fields)
    assert compared > 5


def fields_of(message, data, reading):
    batch = parse_block(Block("log", 100, data, b"\x01"), **reading._asdict())
    at = batch.messages["position"].to_pylist().index(message.row["position"])
    return batch.messages["fields"][at].as_py()


def without_empty_groups(value):
    """Only the fields with values: a group of no entries is `[]` there and `0` here."""
    if isinstance(value, dict):
        kept = {name: without_empty_groups(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in ([], "0")}
    return [without_empty_groups(one) for one in value] if isinstance(value, list) else value


HEAD = [(35, b"D"), (49, b"A"), (56, b"B"), (34, b"1"), (52, b"20250102-09:30:00")]
PARTIES = [(453, b"2"), (448, b"P"), (447, b"D"), (452, b"1")]


@pytest.mark.parametrize(
    ("fields", "tag", "kind", "words"),
    [
        ([*PARTIES], "453", "group_count", "there is 1"),
        ([(453, b"1"), (447, b"D")], "447", "group_first_field", None),
        ([(453, b"1"), (448, b"P"), (452, b"1"), (447, b"D")], "447", "group_order", None),
        ([(448, b"P")], "448", "group_orphan", None),
        ([(55, b"X"), (55, b"Y")], "55", "repeated_tag", None),
        ([(55, b"X"), (50, b"Y")], "50", "field_order", None),
        ([(44, b"1,5")], "44", "bad_value", None),
        ([(38, b"9" * 40)], "38", "number_too_large", None),
        ([(54, b"x")], "54", "unknown_value", None),
        ([(126, b"soon")], "126", "bad_value", None),
        ([(9999, b"x")], "9999", "unknown_tag", None),
        ([(268, b"1")], "268", "unexpected_tag", None),
        ([(58, b"")], "58", "empty_value", None),
        ([(b"x58", b"a")], "x58", "bad_field", None),
        ([(95, b"9"), (96, b"abc")], "95", "data_length", "the data after it has 3 bytes"),
        ([(95, b"3"), (58, b"abc")], "95", "data_length", "the field after it is not RawData"),
    ],
)
def test_a_defect_is_at_its_field(fields, tag, kind, words):
    message = one([*HEAD, *fields])
    places = [f.tag for f in message.fields for p in f.problems if p.kind == kind]
    assert places == [tag]
    assert kind not in {problem.kind for problem in message.problems}
    if words:
        assert words in [p.text for f in message.fields for p in f.problems]


def test_the_second_of_two_equal_tags_has_the_defect():
    fields = one([*HEAD, (55, b"X"), (55, b"Y")]).fields
    assert [f.text for f in fields if "repeated_tag" in [p.kind for p in f.problems]] == ["Y"]


def test_a_wrong_length_and_a_wrong_sum_say_what_is_right():
    good = encode([*HEAD, (55, b"X")])
    wrong = good.replace(b"9=46", b"9=99")
    (message,) = decoded(wrong)
    assert [(f.tag, p.kind, p.text) for f in message.fields for p in f.problems[:1]][:1] == [
        ("9", "body_length", "there are 46 bytes")
    ]
    (problem,) = message.fields[-1].problems
    assert problem == ("check_sum", f"the sum is {sum(wrong[:-7]) % 256:03}")


def test_what_a_message_lacks_is_said_of_the_message_and_of_a_group_at_its_count():
    message = one([(35, b"D"), (78, b"1"), (79, b"A")])
    missing = {p.text for p in message.problems if p.kind == "missing_field"}
    (text,) = missing
    assert "ClOrdID (11)" in text
    assert "SenderCompID (49)" in text
    cut = encode([*HEAD, (55, b"X")]).partition(b"10=")[0]
    assert "truncated" in {p.kind for p in decoded(cut)[0].problems}


def test_without_validation_no_field_has_a_defect_of_the_dictionary():
    reading = Reading(masking=UNMASKED)
    message = one([*HEAD, (44, b"1,5"), (126, b"soon"), (54, b"x")], reading=reading)
    places = {f.tag: [p.kind for p in f.problems] for f in message.fields if f.problems}
    assert places == {"44": ["bad_value"]}


def test_secrets_are_masked_and_nothing_tells_their_length_or_sum():
    logon = [(35, b"A"), (49, b"A"), (56, b"B"), (553, b"me"), (95, b"99"), (96, b"hidden")]
    data = encode([*logon, (554, b"hunter2")])
    data = data[:-4] + b"000\x01"
    reading = Reading(validate="dictionary")
    (message,) = decoded(data, reading=reading)
    shown = " ".join(f"{f.text} {f.meaning} {f.problems}" for f in message.fields)
    for secret in ("me ", "hidden", "hunter2", "sum is", "there are", "has 6 bytes"):
        assert secret not in shown
    assert [f.tag for f in message.fields if f.text == "*******"] == ["554"]
    kinds = {p.kind for f in message.fields for p in f.problems} | {
        p.kind for p in message.problems
    }
    assert kinds == set(message.row["defects"].split(","))


def test_a_masked_field_keeps_the_defect_that_its_value_had():
    reading = Reading(masking=read_masking(["Price=drop", "OrderQty=mask"]))
    message = one([*HEAD, (44, b"1,5"), (38, b"x"), (55, b"X")], reading=reading)
    assert "44" not in [f.tag for f in message.fields]
    assert [f.tag for f in message.fields if f.problems] == ["38"]
    assert [p.kind for p in message.problems] == ["bad_value"]


def test_values_have_the_names_of_their_version_and_of_several_values_each():
    def meaning(tag, fields, version):
        message = one([(35, b"8"), (49, b"A"), (56, b"B"), *fields], version=version)
        return next(f.meaning for f in message.fields if f.tag == tag)

    assert meaning("39", [(39, b"6")], "FIX.4.1") == "Pending cancel/replace"
    assert meaning("39", [(39, b"6")], "FIX.4.4") == "Pending cancel"
    assert meaning("18", [(18, b"G 6")], "FIX.4.4") == "All or none, Participate do not initiate"
    assert meaning("35", [], "FIX.4.4") == "ExecutionReport"
    assert meaning("8", [], "FIX.4.4") == ""
    assert meaning("58", [(58, b"1")], "FIX.4.4") == ""


def test_a_dictionary_of_ones_own_names_tags_and_values(tmp_path):
    xml = """<fix major='4' minor='4'><header/><trailer/><messages/><components/>
    <fields><field number='5001' name='Algo' type='CHAR'>
    <value enum='V' description='Volume_in_line'/></field></fields></fix>"""
    (tmp_path / "own.xml").write_text(xml)
    own = (OwnDictionary("A->B", read_definition(tmp_path / "own.xml")),)
    reading = ALL._replace(dictionaries=Dictionaries(own))
    message = one([*HEAD, (5001, b"V")], reading=reading, meanings=Meanings(Codes(own)))
    (field,) = [f for f in message.fields if f.tag == "5001"]
    assert (field.name, field.text, field.meaning) == ("Algo", "V", "Volume_in_line")


def test_a_message_inside_json_is_decoded_as_if_it_stood_alone():
    message = encode([*HEAD, (58, b'say "hi"')])
    escaped = message.decode().replace('"', '\\"').replace("\x01", "\\u0001")
    line = f'{{"log":"{escaped}"}}\n'.encode()
    (found,) = decoded(line)
    alone = decoded(message)[0]
    assert found.fields == alone.fields
    assert found.row["position"] == 100 + line.index(b"8=FIX")


def test_messages_that_were_filtered_out_are_left_out_and_failures_stay():
    data = encode(HEAD) + b"\n8=FIX.4.4\x01x=1\x01\n" + encode([*HEAD, (55, b"X")]) + b"\n"
    block = Block("log", 0, data, b"\x01")
    batch = parse_block(block)
    batch = batch.only(pa.array([False, True]))
    failure, message = decode_block(block, batch, Reading(), MEANINGS)
    assert isinstance(failure, Failure)
    assert message.row["position"] == batch.messages["position"][0].as_py()
