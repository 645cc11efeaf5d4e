"""Groups are nested as in the dictionary, and nothing in them is lost."""

import random
import threading

import orjson
import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.dictionary.choose import Dictionaries, OwnDictionary
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.vector.json_layout import Layout
from tests.transforms.fix.fuzz import difference
from tests.transforms.fix.group_messages import group_log
from tests.transforms.fix.messages import encode

HEAD = [(35, b"D"), (49, b"A"), (56, b"B"), (34, b"7"), (52, b"20250102-09:30:00")]


def read(fields, *, version="FIX.4.4", vectorised=False, **options):
    block = Block("log", 0, encode(fields, version))
    batch = parse_block(block, vectorised=vectorised, **options)
    (row,) = batch.messages.to_pylist()
    return row


def nested(fields, **options):
    """The result of both parsers: JSON and defects."""
    rows = [read(fields, vectorised=way, **options) for way in (False, True)]
    assert rows[0] == rows[1]
    return orjson.loads(rows[0]["fields"]), rows[0]["defects"]


def test_groups_in_groups_are_arrays_in_objects():
    parties = [
        *((453, b"2"), (448, b"P1"), (447, b"D"), (452, b"1")),
        *((802, b"2"), (523, b"s1"), (803, b"5"), (523, b"s2"), (803, b"6")),
        *((448, b"P2"), (447, b"D"), (452, b"4")),
    ]
    assert nested([*HEAD, *parties, (55, b"IBM")]) == (
        {
            "NoPartyIDs": [
                {
                    "PartyID": "P1",
                    "PartyIDSource": "D",
                    "PartyRole": "1",
                    "NoPartySubIDs": [
                        {"PartySubID": "s1", "PartySubIDType": "5"},
                        {"PartySubID": "s2", "PartySubIDType": "6"},
                    ],
                },
                {"PartyID": "P2", "PartyIDSource": "D", "PartyRole": "4"},
            ]
        },
        None,
    )


def test_a_group_without_entries_is_an_empty_array():
    assert nested([*HEAD, (453, b"0"), (55, b"IBM")]) == ({"NoPartyIDs": []}, None)


def test_a_wrong_count_follows_the_entries_under_its_tag():
    assert nested([*HEAD, (453, b"3"), (448, b"P1"), (448, b"P2"), (55, b"IBM")]) == (
        {"NoPartyIDs": [{"PartyID": "P1"}, {"PartyID": "P2"}], "Tag453": "3"},
        "group_count",
    )


def test_a_custom_tag_stays_in_its_entry():
    fields = [(453, b"2"), (448, b"P1"), (5001, b"x"), (448, b"P2"), (5002, b"y"), (55, b"IBM")]
    assert nested([*HEAD, *fields]) == (
        {"NoPartyIDs": [{"PartyID": "P1", "Tag5001": "x"}, {"PartyID": "P2"}], "Tag5002": "y"},
        "group_foreign",
    )


ALLOCS = [(35, b"J"), *HEAD[1:], (78, b"3")]


def alloc(account, *own):
    return [(79, account), (80, b"5"), *own]


@pytest.mark.parametrize("behind", [[], [(118, b"7")], [(5800, b"t")], [(118, b"7"), (5800, b"t")]])
@pytest.mark.parametrize("copies", [1, 60])
def test_custom_tags_stay_in_every_entry_including_the_last(behind, copies):
    first, last = [(5751, b"a"), (5752, b"1")], [(5751, b"c"), (5752, b"3")]
    fields = [*ALLOCS, *alloc(b"A", *first), *alloc(b"B", (5751, b"b")), *alloc(b"C", *last)]
    data = b"\n".join([encode([*fields, *behind])] * copies)
    assert (len(data) > 6 * 1024) == (copies > 1)
    for vectorised in (False, True):
        rows = parse_block(Block("log", 0, data), vectorised=vectorised).messages.to_pylist()
        assert len(rows) == copies
        for row in rows:
            assert orjson.loads(row["fields"]) == {
                "NoAllocs": [
                    {"AllocAccount": "A", "AllocQty": "5", "Tag5751": "a", "Tag5752": "1"},
                    {"AllocAccount": "B", "AllocQty": "5", "Tag5751": "b"},
                    {"AllocAccount": "C", "AllocQty": "5", "Tag5751": "c", "Tag5752": "3"},
                ],
                **{
                    "NetMoney" if tag == 118 else f"Tag{tag}": text.decode() for tag, text in behind
                },
            }
            assert row["defects"] == "group_foreign"


def test_custom_tags_stay_in_the_last_entry_of_a_message_cut_off_after_them():
    fields = [*ALLOCS, *alloc(b"A", (5751, b"a")), *alloc(b"B", (5751, b"b"))]
    whole = encode(fields)
    for vectorised in (False, True):
        block = Block("log", 0, whole[: whole.rindex(b"10=")])
        (row,) = parse_block(block, vectorised=vectorised).messages.to_pylist()
        entries = orjson.loads(row["fields"])["NoAllocs"]
        assert [entry["Tag5751"] for entry in entries] == ["a", "b"]


def test_a_tag_in_no_earlier_entry_belongs_to_the_message():
    fields = [*ALLOCS[:-1], (78, b"2"), *alloc(b"A", (5751, b"a"))]
    last = alloc(b"B", (5751, b"b"), (5800, b"x"))
    assert nested([*fields, *last]) == (
        {
            "NoAllocs": [
                {"AllocAccount": "A", "AllocQty": "5", "Tag5751": "a"},
                {"AllocAccount": "B", "AllocQty": "5", "Tag5751": "b"},
            ],
            "Tag5800": "x",
        },
        "group_foreign",
    )


def test_a_field_before_a_custom_tag_of_the_last_entry_stays_in_it_too():
    fields = [*ALLOCS[:-1], (78, b"2"), *alloc(b"A", (5751, b"a"))]
    content, _ = nested([*fields, *alloc(b"B", (5800, b"x"), (5751, b"b"), (5900, b"y"))])
    assert content["NoAllocs"][1] == {
        "AllocAccount": "B", "AllocQty": "5", "Tag5800": "x", "Tag5751": "b",
    }  # fmt: skip
    assert content["Tag5900"] == "y"


def test_after_the_only_entry_a_custom_tag_belongs_to_the_message():
    fields = [*ALLOCS[:-1], (78, b"1"), *alloc(b"A", (5751, b"a"))]
    content, defects = nested(fields)
    assert (content["Tag5751"], defects) == ("a", None)


def test_a_custom_tag_known_from_a_group_elsewhere_stays_in_its_entry():
    parties = [(453, b"2"), (448, b"A"), (802, b"2"), (523, b"s"), (9003, b"q"), (523, b"t")]
    parties += [(9003, b"r"), (448, b"B"), (802, b"1"), (523, b"u"), (9003, b"z"), (58, b"end")]
    content, _ = nested([*HEAD, *parties])
    one, other = content["NoPartyIDs"]
    assert [entry["Tag9003"] for entry in one["NoPartySubIDs"]] == ["q", "r"]
    assert other["NoPartySubIDs"] == [{"PartySubID": "u", "Tag9003": "z"}]


def test_a_group_without_entries_keeps_no_custom_tag_that_an_earlier_one_has():
    parties = [(453, b"2"), (448, b"A"), (802, b"1"), (523, b"s"), (9003, b"q"), (523, b"t")]
    parties += [(448, b"B"), (802, b"1"), (9003, b"z"), (58, b"end")]
    content, _ = nested([*HEAD, *parties])
    assert content["Tag9003"] == "z"
    assert content["NoPartyIDs"][1] == {"PartyID": "B", "NoPartySubIDs": [], "Tag802": "1"}


_NAMES = {79: "AllocAccount", 80: "AllocQty", 539: "NoNestedPartyIDs", 524: "NestedPartyID",
          804: "NoNestedPartySubIDs", 545: "NestedPartySubID", 78: "NoAllocs"}  # fmt: skip
_INSIDE = {78: (79, 539, 80), 539: (524, 804), 804: (545,)}


def own_group(rng, count, own):
    """Fields and JSON of a group of FIX 4.4 with custom tags at the end of every entry."""
    entries, fields = [], []
    for number in range(rng.choice([2, 3, 4])):
        entry = {}
        for tag in _INSIDE[count]:
            if tag in _INSIDE:
                if rng.random() < 0.6:
                    inner, entry[_NAMES[tag]] = own_group(rng, tag, own)
                    fields += [(tag, b"%d" % len(entry[_NAMES[tag]])), *inner]
            else:
                fields.append((tag, b"v%d" % number))
                entry[_NAMES[tag]] = f"v{number}"
        for tag in own[count]:
            fields.append((tag, b"w%d" % number))
            entry[f"Tag{tag}"] = f"w{number}"
        entries.append(entry)
    return fields, entries


def test_custom_tags_stay_in_their_entries_at_any_depth():
    rng = random.Random("own tags")
    messages, expected = [], []
    for _ in range(300):
        # Nested groups have different custom tags, or the inner ones none.
        own = {count: rng.sample(range(first, first + 9), rng.choice([0, 1, 2]))
               for count, first in ((78, 5000), (539, 6000), (804, 7000))}  # fmt: skip
        fields, entries = own_group(rng, 78, own)
        behind = rng.choice([[], [(118, b"7")], [(8000, b"u")]])
        count = (78, b"%d" % len(entries))
        messages.append(encode([(35, b"J"), *HEAD[1:], count, *fields, *behind]))
        after = {"NetMoney" if tag == 118 else f"Tag{tag}": text.decode() for tag, text in behind}
        expected.append({"NoAllocs": entries, **after})
    for vectorised in (False, True):
        batch = parse_block(Block("log", 0, b"\n".join(messages)), vectorised=vectorised)
        assert [orjson.loads(text) for text in batch.messages["fields"].to_pylist()] == expected


def test_custom_tags_in_every_entry_need_no_scalar_parser(monkeypatch):
    sent = []
    monkeypatch.setattr(
        "fixfeed.transforms.fix.vector.block.parse_message",
        lambda *given: sent.append(given) or None,
    )
    # Its tables have room for all tags, whatever was parsed before.
    monkeypatch.setattr("fixfeed.transforms.fix.parser._parsers", threading.local())
    rng = random.Random("own tags, vectorised")
    own = {78: (5001, 5002), 539: (6001,), 804: (7001, 7002)}
    fields = [own_group(rng, 78, own) for _ in range(100)]
    messages = [encode([(35, b"J"), *HEAD[1:], (78, b"%d" % len(entries)), *inside])
                for inside, entries in fields]  # fmt: skip
    batch = parse_block(Block("log", 0, b"\n".join(messages)), vectorised=True)
    assert (batch.messages.num_rows, sent) == (100, [])


def test_members_without_their_count_are_arrays_of_values():
    assert nested([*HEAD, (448, b"P1"), (447, b"D"), (448, b"P2")]) == (
        {"PartyID": ["P1", "P2"], "PartyIDSource": "D"},
        "repeated_tag,group_orphan",
    )


def test_a_repeated_member_begins_the_next_entry():
    fields = [(453, b"2"), (448, b"P1"), (447, b"D"), (447, b"G"), (55, b"IBM")]
    assert nested([*HEAD, *fields]) == (
        {"NoPartyIDs": [{"PartyID": "P1", "PartyIDSource": "D"}, {"PartyIDSource": "G"}]},
        "repeated_tag",
    )


def test_a_repeated_group_continues_its_array():
    fields = [(453, b"1"), (448, b"P1"), (55, b"IBM"), (453, b"1"), (448, b"P2")]
    assert nested([*HEAD, *fields]) == (
        {"NoPartyIDs": [{"PartyID": "P1"}, {"PartyID": "P2"}]},
        "repeated_tag",
    )


def test_an_unknown_message_type_gives_arrays():
    fields = [(35, b"U1"), *HEAD[1:], (453, b"2"), (448, b"P1"), (448, b"P2")]
    assert nested(fields) == ({"NoPartyIDs": "2", "PartyID": ["P1", "P2"]}, "repeated_tag")


@pytest.mark.parametrize(
    ("version", "extra", "is_nested"),
    [
        ("FIX.4.2", [], False),
        ("FIX.4.3", [], True),
        ("FIXT.1.1", [], True),
        ("FIXT.1.1", [(1128, b"4")], False),
        ("FIXT.1.1", [(1128, b"6")], True),
    ],
)
def test_the_version_decides_what_is_a_group(version, extra, is_nested):
    fields = [HEAD[0], *extra, *HEAD[1:], (453, b"1"), (448, b"P1"), (55, b"X"), (54, b"1")]
    found, _ = nested(fields, version=version)
    assert ("NoPartyIDs" in found, isinstance(found.get("NoPartyIDs"), list)) == (True, is_nested)


def test_a_column_holds_only_fields_at_the_message_level():
    fields = [(35, b"V"), *HEAD[1:], (262, b"R"), (146, b"2"), (55, b"IBM"), (55, b"AAPL")]
    row = read(fields)
    assert row["symbol"] is None
    assert orjson.loads(row["fields"])["NoRelatedSym"] == [{"Symbol": "IBM"}, {"Symbol": "AAPL"}]


def test_fix_json_has_header_body_and_trailer_and_leaves_out_correct_framing():
    fields = [
        *HEAD,
        (627, b"1"),
        (628, b"HUB"),
        (55, b"IBM"),
        (453, b"1"),
        (448, b"P1"),
        (89, b"s"),
    ]
    texts = {read(fields, vectorised=way, fix_json=True)["fix_json"] for way in (False, True)}
    assert [orjson.loads(text) for text in texts] == [
        {
            "Header": {
                "BeginString": "FIX.4.4",
                "MsgType": "D",
                "SenderCompID": "A",
                "TargetCompID": "B",
                "MsgSeqNum": "7",
                "SendingTime": "20250102-09:30:00",
                "NoHops": [{"HopCompID": "HUB"}],
            },
            "Body": {"Symbol": "IBM", "NoPartyIDs": [{"PartyID": "P1"}]},
            "Trailer": {"Signature": "s"},
        }
    ]


def test_fix_json_keeps_wrong_check_sums_and_body_lengths():
    message = encode(HEAD).replace(b"\x019=", b"\x019=1")
    for way in (False, True):
        batch = parse_block(Block("log", 0, message), vectorised=way, fix_json=True)
        content = orjson.loads(batch.messages["fix_json"][0].as_py())
        assert content["Header"]["BodyLength"].startswith("1")
        assert content["Trailer"] == {"CheckSum": message[-4:-1].decode()}


def two_places():
    """A dictionary with tag 55 in the message and in one of its groups."""
    return {
        "version": "FIX.4.4",
        "fields": {
            **{str(tag): [name, "STRING", {}] for tag, name in _HEADER.items()},
            "55": ["Symbol", "STRING", {}],
            "58": ["Text", "STRING", {}],
            "453": ["NoPartyIDs", "NUMINGROUP", {}],
            "448": ["PartyID", "STRING", {}],
        },
        "components": {},
        "header": [[tag, 1] for tag in (8, 9, 35, 49, 56, 34, 52)],
        "trailer": [[10, 1]],
        "messages": {"D": ["NewOrderSingle", 0, [[55, 0], [453, 0, [[448, 1], [55, 0]]], [58, 0]]]},
    }


_HEADER = {8: "BeginString", 9: "BodyLength", 10: "CheckSum", 34: "MsgSeqNum", 35: "MsgType",
           49: "SenderCompID", 52: "SendingTime", 56: "TargetCompID"}  # fmt: skip


def test_a_tag_with_two_places_is_read_where_it_occurs():
    own = Dictionaries((OwnDictionary("", two_places()),))
    fields = [*HEAD, (55, b"IBM"), (453, b"2"), (448, b"P1"), (55, b"X"), (448, b"P2"), (58, b"t")]
    assert nested(fields, dictionaries=own) == (
        {"NoPartyIDs": [{"PartyID": "P1", "Symbol": "X"}, {"PartyID": "P2"}]},
        None,
    )
    assert read(fields, dictionaries=own)["symbol"] == "IBM"


def test_no_order_of_fields_loses_one():
    rng = random.Random("kept")
    data = group_log(rng, 300, damaged=1.0, delimiter=b"\x01")
    for row in parse_block(Block("log", 0, data), fields="all").messages.to_pylist():
        kept = b"".join(sorted(_texts(orjson.loads(row["fields"]))))
        for field in row["raw"].split(b"\x01"):
            value = field.partition(b"=")[2]
            if value.isalnum() and value.isascii() and not value.isdigit():
                assert value in kept


def _texts(value):
    if isinstance(value, str):
        return [value.encode()]
    inside = value.values() if isinstance(value, dict) else value
    return [text for one in inside for text in _texts(one)]


def test_valid_groups_are_nested_without_the_scalar_parser(monkeypatch):
    sent = []
    monkeypatch.setattr(
        "fixfeed.transforms.fix.vector.block.parse_message",
        lambda *given: sent.append(given) or None,
    )
    monkeypatch.setattr(Layout, "with_whole", None)
    fields = [*HEAD, (453, b"2"), (448, b"P1"), (802, b"1"), (523, b"s"), (448, b"P2"), (55, b"X")]
    message = encode(fields) + encode([*fields, (b"x56", b"garbled")])
    batch = parse_block(Block("log", 0, message * 50), vectorised=True, fix_json=True)
    assert (batch.messages.num_rows, sent) == (100, [])
    assert batch.messages["defects"].to_pylist() == [None, "bad_field"] * 50


# The number of logs to compare, of up to 300 messages each; `fuzz` compares more.
@pytest.mark.parametrize("number", range(60))
def test_both_parsers_agree_on_every_way_of_reading(number):
    assert difference(f"here {number}")[1] is None


@pytest.mark.parametrize("number", range(10))
def test_both_parsers_agree_with_too_many_tags_and_messages_for_a_table(number, monkeypatch):
    monkeypatch.setattr("fixfeed.transforms.fix.vector.first_fields._MOST_CELLS", 0)
    assert difference(f"sorted {number}")[1] is None


@pytest.mark.parametrize("pairs", [3, 60, 150])
def test_both_parsers_agree_if_the_table_of_pairs_is_full(pairs, monkeypatch):
    monkeypatch.setattr("fixfeed.transforms.fix.vector.slots._MOST_PAIRS", pairs)
    monkeypatch.setattr("fixfeed.transforms.fix.parser._parsers", threading.local())
    for number in range(25):
        assert difference(f"full {number}")[1] is None
