"""A message on a page has all of its fields, or says which of very many it has."""

import re

from fixfeed.dashboard.markup.message import compared, tree_of
from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.decode.stored import decode_stored
from fixfeed.transforms.fix.dictionary.codes import Codes
from tests.transforms.fix.messages import encode


def decoded(*fields):
    raw = encode([(35, b"D"), (49, b"A"), (56, b"B"), *fields])
    row = {"raw": raw, "defects": "empty_value", "masked": None, "begin_string": "FIX.4.4"}
    return decode_stored(row, Meanings(Codes()))


def party(name):
    return [(448, name), (447, b"D"), (452, b"1")]


def tags(html):
    return re.findall(r'ff-tag">(\d+)<', html)


def test_the_tree_of_a_message_of_very_many_fields_has_the_first_and_all_with_defects():
    entries = [field for n in range(200) for field in party(b"P%d" % n)]
    message = decoded((453, b"200"), *entries, (55, b""), (54, b"1"))
    assert tags(tree_of(message)) == [field.tag for field in message.fields]
    html = tree_of(message, 50)
    assert tags(html) == [*(field.tag for field in message.fields[:50]), "55"]
    assert html.count("ff-problem") == tree_of(message).count("ff-problem") == 1
    for whole in (html, tree_of(message)):
        assert whole.count("<details") == whole.count("</details>") == 1


def test_two_messages_are_compared_field_by_field_in_the_order_of_the_first():
    one = decoded((11, b"1"), (453, b"1"), *party(b"X"), (54, b"1"))
    other = decoded((1, b"ACC"), (11, b"2"), (453, b"2"), *party(b"X"), *party(b"Y"), (58, b"t"))
    html = compared(one, other)
    rows = re.findall(r'<tr class="(\S*?)"><td>(\d+)</td>', html)
    assert [(tag, bool(differs)) for differs, tag in rows] == [
        ("8", False), ("9", True), ("35", False), ("49", False), ("56", False), ("1", True),
        ("11", True), ("453", True), ("448", False), ("447", False), ("452", False), ("448", True),
        ("447", True), ("452", True), ("58", True), ("54", True), ("10", True),
    ]  # fmt: skip
    some = re.findall(r'<tr class="(\S*?)"><td>(\d+)</td>', compared(one, other, 10))
    assert some == [row for row in rows if row[0]]
    assert len(re.findall("<tr", compared(one, other, 4))) == 4
    assert compared(one, other, 100) == html
