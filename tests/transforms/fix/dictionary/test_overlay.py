"""One dictionary over another: the upper one wins, and additions of the lower one are kept."""

import copy

import orjson
import pytest

from fixfeed.transforms.fix.dictionary.overlay import lay_over
from fixfeed.transforms.fix.dictionary.quickfix_xml import DictionaryError
from fixfeed.transforms.fix.dictionary.version import VERSIONS, definition

EMPTY = {
    "version": "FIX.4.4",
    "fields": {},
    "components": {},
    "header": [],
    "trailer": [],
    "messages": {},
}


def dictionary(**parts):
    return EMPTY | parts


def orders(members, **parts):
    return dictionary(messages={"D": ["NewOrderSingle", 0, members]}, **parts)


def laid(base, top):
    """Return `top` laid over `base`, after a check that neither was changed."""
    before = copy.deepcopy((base, top))
    result = lay_over(base, top)
    assert (base, top) == before
    return result


def test_the_upper_dictionary_wins_and_the_lower_one_adds_to_it():
    base = dictionary(
        fields={
            "10": ["CheckSum", "STRING", {}],
            "32": ["LastShares", "QTY", {}],
            "35": ["MsgType", "STRING", {"0": "Heartbeat", "D": "New order"}],
            "54": ["Side", "CHAR", {"1": "Buy", "2": "Sell"}],
            "55": ["Symbol", "STRING", {}],
        },
        header=[[35, 1]],
        trailer=[[10, 1]],
        messages={
            "0": ["Heartbeat", 1, []],
            "D": ["NewOrder", 0, [[55, 1], [54, 0]]],
        },
    )
    top = dictionary(
        version="FIX.4.2",
        fields={
            "54": ["Side", "INT", {"2": "Sold", "3": "Both"}],
            "32": ["LastQty", "DECIMAL", {}],
            "9001": ["Venue", "STRING", {}],
        },
        header=[[9001, 0]],
        messages={
            "D": ["NewOrderSingle", 0, [[9001, 1], [54, 1]]],
            "U1": ["Quiet", 1, [[9001, 0]]],
        },
    )
    assert laid(base, top) == {
        "version": "FIX.4.2",
        "fields": {
            "10": ["CheckSum", "STRING", {}],
            "32": ["LastQty", "DECIMAL", {}],
            "35": ["MsgType", "STRING", {"0": "Heartbeat", "D": "New order"}],
            "54": ["Side", "INT", {"1": "Buy", "2": "Sold", "3": "Both"}],
            "55": ["Symbol", "STRING", {}],
            "9001": ["Venue", "STRING", {}],
        },
        "components": {},
        "header": [[9001, 0], [35, 1]],
        "trailer": [[10, 1]],
        "messages": {
            "0": ["Heartbeat", 1, []],
            "D": ["NewOrderSingle", 0, [[9001, 1], [54, 1], [55, 1]]],
            "U1": ["Quiet", 1, [[9001, 0]]],
        },
    }


@pytest.mark.parametrize(
    ("below", "above", "members"),
    [
        # A group in both: the upper one's with its first member, then the members it lacks.
        (
            [[453, 1, [[448, 1], [447, 0]]], [44, 0]],
            [[453, 0, [[5002, 1], [448, 0]]]],
            [[453, 0, [[5002, 1], [448, 0], [447, 0]]], [44, 0]],
        ),
        # A group inside a group.
        (
            [[453, 0, [[448, 0], [802, 0, [[523, 0], [803, 1]]]]]],
            [[453, 0, [[448, 0], [802, 1, [[523, 1]]], [447, 0]]]],
            [[453, 0, [[448, 0], [802, 1, [[523, 1], [803, 1]]], [447, 0]]]],
        ),
        # A group that is elsewhere in the upper dictionary.
        (
            [[453, 0, [[448, 0], [802, 0, [[523, 0], [803, 1]]]]]],
            [[802, 1, [[523, 1]]]],
            [[802, 1, [[523, 1], [803, 1]]], [453, 0, [[448, 0]]]],
        ),
        # A group in one alone.
        ([[453, 0, [[448, 0]]]], [[44, 0]], [[44, 0], [453, 0, [[448, 0]]]]),
        ([[44, 0]], [[453, 0, [[448, 0]]]], [[453, 0, [[448, 0]]], [44, 0]]),
        # A field in one is a group in the other.
        ([[453, 0]], [[453, 0, [[448, 0]]]], [[453, 0, [[448, 0]]]]),
        ([[453, 0, [[448, 0]]]], [[453, 0]], [[453, 0]]),
        # Members in the upper dictionary's group, outside its group, or under another count.
        ([[448, 1], [44, 0]], [[453, 0, [[448, 0]]]], [[453, 0, [[448, 0]]], [44, 0]]),
        ([[453, 0, [[448, 0], [447, 0]]]], [[448, 1]], [[448, 1], [453, 0, [[447, 0]]]]),
        ([[453, 0, [[448, 0]]]], [[5453, 0, [[448, 0]]]], [[5453, 0, [[448, 0]]]]),
    ],
)
def test_each_member_is_where_the_upper_dictionary_has_it(below, above, members):
    assert laid(orders(below), orders(above)) == orders(members)
    found = laid(dictionary(header=below, trailer=below), dictionary(header=above, trailer=above))
    assert found == dictionary(header=members, trailer=members)


def test_equal_components_stay_if_nothing_is_added():
    parties = {"Parties": [[453, 0, [[448, 1]]]]}
    base = orders([["Parties", 1]], components=parties | {"Stipulations": [[232, 0]]})
    top = orders([[11, 1], ["Parties", 0]], components=parties)
    assert laid(base, top) == orders(
        [[11, 1], ["Parties", 0]], components=parties | {"Stipulations": [[232, 0]]}
    )


def test_components_become_members_if_some_are_added():
    base = orders(
        [["Parties", 1], ["Instrument", 1]],
        components={
            "Parties": [[453, 0, [[448, 1], ["SubParties", 1]]]],
            "SubParties": [[523, 1]],
            "Instrument": [[55, 1], [48, 0]],
        },
    )
    top = orders(
        [["Mine", 0], ["Instrument", 0]],
        components={"Mine": [[453, 1, [[5002, 1]]]], "Instrument": [[55, 1], [5055, 0]]},
    )
    assert laid(base, top) == orders(
        [[453, 0, [[5002, 1], [448, 1], [523, 1]]], [55, 0], [5055, 0], [48, 0]],
        components=base["components"] | top["components"],
    )


def test_the_messages_of_each_dictionary_keep_its_own_meaning_of_a_component():
    same = {"Same": [["Parties", 1]], "Leg": [[600, 1]]}
    base = dictionary(
        components=same | {"Parties": [[453, 1], [448, 0]], "Old": [["Parties", 1], ["Leg", 0]]},
        messages={
            "8": ["ExecutionReport", 0, [["Parties", 0], [555, 1, [["Leg", 1], ["Same", 1]]]]],
            "9": ["Reject", 0, [["Old", 1]]],
            "D": ["NewOrderSingle", 0, [["Same", 1]]],
        },
    )
    top = dictionary(
        components=same | {"Parties": [[453, 1], [5002, 0]]},
        messages={
            "D": ["NewOrderSingle", 0, [["Same", 1]]],
            "U": ["Mine", 0, [["Same", 1], ["Old", 0]]],
        },
    )
    assert laid(base, top) == dictionary(
        components=same
        | {"Parties": [[453, 1], [5002, 0]], "Old": [[453, 1], [448, 0], ["Leg", 0]]},
        messages={
            "8": [
                "ExecutionReport",
                0,
                [[453, 0], [448, 0], [555, 1, [["Leg", 1], [453, 1], [448, 0]]]],
            ],
            "9": ["Reject", 0, [["Old", 1]]],
            "D": ["NewOrderSingle", 0, [[453, 1], [5002, 0], [448, 0]]],
            "U": ["Mine", 0, [["Same", 1], ["Old", 0]]],
        },
    )


@pytest.mark.parametrize(
    ("below", "above", "tags"),
    [
        ({"44": "Price"}, {"5044": "Price"}, "44 and 5044"),
        ({"44": "Price", "6": "AvgPx"}, {"6": "Price"}, "44 and 6"),
    ],
)
def test_two_tags_with_one_name_are_refused(below, above, tags):
    def named(names):
        return dictionary(fields={tag: [name, "PRICE", {}] for tag, name in names.items()})

    with pytest.raises(DictionaryError) as raised:
        lay_over(named(below), named(above))
    assert str(raised.value) == (
        f"tags {tags} are both named Price once one dictionary lies over the other, "
        "expected a name for each: rename one of them in the upper dictionary"
    )


def test_other_values_of_a_field_are_those_the_upper_dictionary_allows():
    base = dictionary(fields={"27": ["IOIQty", "STRING", {"L": "Large"}, "QTY"]})
    top = dictionary(fields={"27": ["IOIQty", "STRING", {"X": "Extreme"}]})
    both = {"L": "Large", "X": "Extreme"}
    assert laid(base, top)["fields"]["27"] == ["IOIQty", "STRING", both, "QTY"]
    top["fields"]["27"].append("STRING")
    assert laid(base, top)["fields"]["27"] == ["IOIQty", "STRING", both, "STRING"]


def test_a_name_may_move_from_one_tag_to_another():
    base = dictionary(fields={"44": ["Price", "PRICE", {}]})
    top = dictionary(fields={"44": ["LimitPx", "PRICE", {}], "5044": ["Price", "PRICE", {}]})
    assert laid(base, top) == top


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dictionary_over_itself_or_over_nothing_is_itself(version):
    whole = definition(version)
    expected = orjson.dumps(whole)
    nothing = dictionary(version=version)
    assert orjson.dumps(laid(whole, whole)) == expected
    assert orjson.dumps(laid(whole, nothing)) == expected
    assert orjson.dumps(laid(nothing, whole)) == expected
