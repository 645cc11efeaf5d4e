"""The dictionaries of the project are whole, and use the newest names."""

import pytest

from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries, OwnDictionary
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.dictionary.version import BODY, HEADER, TRAILER, VERSIONS, definition


def of(version):
    return BUILT_IN.choose(version, "", "->", {})


@pytest.mark.parametrize(
    ("version", "fields", "messages", "depth"),
    [
        ("FIX.4.0", 138, 27, 2),
        ("FIX.4.1", 206, 28, 2),
        ("FIX.4.2", 405, 46, 2),
        ("FIX.4.3", 637, 68, 3),
        ("FIX.4.4", 912, 93, 4),
        ("FIX.5.0", 1100, 101, 4),
        ("FIX.5.0SP1", 1373, 113, 4),
        ("FIX.5.0SP2", 6028, 164, 7),
        ("FIXT.1.1", 6028, 164, 7),
    ],
)
def test_versions_have_the_right_sizes_and_depths(version, fields, messages, depth):
    dictionary = of(version)
    deepest = max(
        scope.depth for kind in dictionary.message_types for scope in dictionary.scope(kind).walk()
    )
    assert (len(dictionary.fields), len(dictionary.message_types), deepest) == (
        fields, messages, depth,
    )  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_no_tag_has_two_places_in_a_message_type(version):
    dictionary = of(version)
    twice = [kind for kind in dictionary.message_types if None in dictionary.homes(kind).values()]
    assert twice == []


@pytest.mark.parametrize(
    ("version", "msg_types", "path", "members"),
    [
        ("FIX.4.0", "B C", (33,), {58}),
        ("FIX.4.0", "J", (78, 85), {92, 86}),
        ("FIX.4.3", "R AG", (146,), {516, 468, 469}),
        ("FIX.4.3", "b i", (296,), {318}),
        ("FIX.4.3", "o", (510,), {502}),
        ("FIX.4.4", "s t", (552,), {586}),
        ("FIX.4.4", "t", (552,), {41, 586}),
        ("FIX.4.4", "AE", (552,), {635}),
        ("FIX.5.0", "t", (552,), {41, 586}),
        ("FIX.5.0SP1", "AE", (552,), {635}),
    ],
)
def test_a_group_has_the_members_of_the_standard(version, msg_types, path, members):
    for msg_type in msg_types.split():
        scope = of(version).scope(msg_type)
        for count in path:
            first, scope = scope, scope.members[count]
            assert scope is not None
        assert members <= scope.members.keys()
        assert not members & first.members.keys()


def test_quote_entry_id_is_optional_in_a_mass_quote_of_fix_42():
    # QuickFIX requires it, the standard does not.
    entries = of("FIX.4.2").scope("i").members[296].members[295]
    assert (entries.first, 299 in entries.required) == (299, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_name_belongs_to_one_tag(version):
    dictionary = of(version)
    names = [dictionary.name(tag) for tag in {*dictionary.fields, *merged().fields}]
    assert len(set(names)) == len(names)


def test_every_version_uses_the_newest_names():
    assert {of(version).name(32) for version in VERSIONS} == {"LastQty"}
    assert definition("FIX.4.2")["fields"]["32"][0] == "LastShares"


def test_an_order_of_fix_44_has_its_sections_and_required_fields():
    scope = of("FIX.4.4").scope("D")
    assert [scope.section[tag] for tag in (8, 35, 55, 453, 10)] == [
        HEADER, HEADER, BODY, BODY, TRAILER,
    ]  # fmt: skip
    assert scope.required == {8, 9, 35, 49, 56, 34, 52, 11, 54, 60, 40, 10}
    parties = scope.members[453]
    assert parties is not None
    assert (parties.first, sorted(parties.members)) == (448, [447, 448, 452, 802])


def own(version, name, **fields):
    return {
        "version": version,
        "fields": {tag: [field, "STRING", {}] for tag, field in fields.items()},
        "components": {},
        "header": [],
        "trailer": [],
        "messages": {"U1": [name, 0, []]},
    }


def chosen(dictionaries, begin_string, *, applied="", session="A->B", logged_on=None):
    return dictionaries.choose(begin_string, applied, session, logged_on or {})


def test_a_fixt_version_comes_from_the_message_or_else_the_logon_or_else_the_default():
    version = lambda **given: chosen(BUILT_IN, "FIXT.1.1", **given).version  # noqa: E731
    assert version(applied="7", logged_on={"A->B": "6"}) == "FIX.5.0"
    assert version(logged_on={"A->B": "6"}) == "FIX.4.4"
    assert version(logged_on={"B->A": "6"}) == "FIX.5.0SP2"
    assert version(applied="99") == "FIX.5.0SP2"
    assert chosen(Dictionaries(default_appl_ver_id="8"), "FIXT.1.1").version == "FIX.5.0SP1"
    assert chosen(BUILT_IN, "FIXT.1.1", applied="6").scope("A").section[1137] == BODY


def test_a_custom_dictionary_is_for_its_version_or_its_sessions_in_both_directions():
    mine, broker = own("FIX.4.4", "Mine"), own("FIX.4.2", "Broker")
    both = Dictionaries((OwnDictionary("", mine), OwnDictionary("BROKER->*", broker)))
    name = lambda *given, **more: chosen(both, *given, **more).message_types.get("U1")  # noqa: E731
    assert name("FIX.4.4") == "Mine"
    assert name("FIX.4.2") is None
    assert name("FIX.4.4", session="BROKER->US") == "Broker"
    assert name("FIX.4.2", session="US->BROKER") == "Broker"
    assert name("FIX.4.2", session="US->BROKERS") is None


def test_dictionaries_that_choose_alike_are_equal():
    mine = own("FIX.4.4", "Mine")
    assert Dictionaries() == BUILT_IN
    assert Dictionaries((OwnDictionary("", mine),)) == Dictionaries((OwnDictionary("", mine),))
    assert Dictionaries((OwnDictionary("", mine),)) != Dictionaries((OwnDictionary("A->*", mine),))


def test_an_unknown_version_has_only_the_transport_header_and_trailer():
    dictionary = chosen(BUILT_IN, "FIX.9.9")
    assert (dictionary.is_known, sorted(dictionary.message_types)) == (
        False, ["0", "1", "2", "3", "4", "5", "A", "n"],
    )  # fmt: skip


def test_custom_names_are_used_beside_the_usual_ones():
    mine = own("FIX.4.4", "Mine", **{"5001": "Desk", "44": "LimitPx", "32": "LastQty"})
    dictionaries = Dictionaries((OwnDictionary("", mine),))
    dictionary = chosen(dictionaries, "FIX.4.4")
    assert [dictionary.name(tag) for tag in (5001, 44, 32, 55, 9999)] == [
        "Desk", "LimitPx", "LastQty", "Symbol", "9999",
    ]  # fmt: skip
    assert dictionaries.own_names == {5001: "Desk", 44: "LimitPx"}


def test_a_field_with_the_standard_values_allows_all_that_the_standard_does():
    mine = own("FIX.4.4", "Mine")
    letters = {"S": "Small", "M": "Medium", "L": "Large"}
    mine["fields"] |= {
        "27": ["IOIQty", "STRING", letters],
        "847": ["TargetStrategy", "INT", {"1": "VWAP", "2": "Ours"}],
    }
    fields = chosen(Dictionaries((OwnDictionary("", mine),)), "FIX.4.4").fields
    assert [fields[tag].union for tag in (27, 847)] == ["QTY", ""]


@pytest.mark.parametrize("applied", ["2", "6", "9"])
def test_a_fixt_logon_has_its_group_of_message_types_in_any_version(applied):
    dictionary = chosen(BUILT_IN, "FIXT.1.1", applied=applied)
    group = dictionary.scope("A").members[384]
    assert group is not None
    assert (group.first, set(group.members) <= dictionary.fields.keys()) == (372, True)
