"""Values have the names that their version of FIX, or a counterparty's dictionary, gives them."""

import pytest

from fixfeed.transforms.codes import Code
from fixfeed.transforms.fix.dictionary.choose import OwnDictionary
from fixfeed.transforms.fix.dictionary.codes import codes, codes_of
from fixfeed.transforms.fix.dictionary.version import definition

CODES = {(code.field, code.value): code for code in codes()}
OLD, LATE_OLD = ["FIX.4.0", "FIX.4.1"], ["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3"]


def names(field, value):
    """Return what each version calls a value, by begin_string and by ApplVerID over FIXT.1.1."""
    code = CODES[field, value]
    before_50 = [f"FIX.4.{number}" for number in range(5)]
    found = [code.name_in([f"{one}:A->B", None, one]) for one in before_50]
    over_fixt = [code.name_in(["FIXT.1.1:A->B", str(n), "FIXT.1.1"]) for n in range(2, 10)]
    assert over_fixt[:5] == found
    return found + over_fixt[5:]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("OrdStatus", "6", ["Pending cancel/replace"] * 2 + ["Pending cancel"] * 6),
        ("ExecType", "6", ["Pending cancel/replace"] * 2 + ["Pending cancel"] * 6),
        ("OrdStatus", "5", ["Replaced"] * 8),
        ("MsgType", "J", ["Allocation"] * 4 + ["AllocationInstruction"] * 4),
        ("MsgType", "P", ["AllocationAck"] * 4 + ["AllocationInstructionAck"] * 4),
        ("RefMsgType", "P", ["AllocationAck"] * 4 + ["AllocationInstructionAck"] * 4),
        ("AllocStatus", "1", ["Rejected"] * 4 + ["Block level reject"] * 4),
        ("AllocStatus", "2", ["Partial accept"] * 4 + ["Account level reject"] * 4),
        (
            "MsgType",
            "b",
            # None has the message before FIX 4.2; the newest name is as good as any there.
            ["MassQuoteAck"] * 2
            + ["QuoteAcknowledgement"]
            + ["MassQuoteAcknowledgement"] * 4
            + ["MassQuoteAck"],
        ),
    ],
)
def test_a_value_has_the_name_of_its_version(field, value, expected):
    assert names(field, value) == expected


def own(session="", version="FIX.4.4", fields=None, messages=None):
    """Return a counterparty's dictionary: that of a version, with values and messages added."""
    usual = definition(version)
    changed = {tag: list(one) for tag, one in usual["fields"].items()}
    for tag, (name, kind, values) in (fields or {}).items():
        before = changed.get(tag, ["", "", {}])[2]
        changed[tag] = [name, kind, {**before, **values}]
    types = {**usual["messages"], **(messages or {})}
    return OwnDictionary(session, {**usual, "fields": changed, "messages": types})


SPECIAL = {"54": ("Side", "CHAR", {"Z": "House", "1": "Bid"}), "5001": ("Desk", "INT", {"7": "FX"})}
HINT = {"U1": ["AllocationHint", 0, []]}


def test_a_dictionary_of_a_version_names_its_own_values_and_messages_in_that_version():
    found = {(one.field, one.value): one for one in codes([own(fields=SPECIAL, messages=HINT)])}
    added = {key: one for key, one in found.items() if CODES.get(key) != one}
    assert added == {
        ("Side", "Z"): Code("Side", "Z", "House", {"other": "", "6": "House", "FIX.4.4": "House"}),
        ("Side", "1"): Code("Side", "1", "Buy", {"other": "Buy", "6": "Bid", "FIX.4.4": "Bid"}),
        ("Desk", "7"): Code("Desk", "7", "FX", {"other": "", "6": "FX", "FIX.4.4": "FX"}),
        ("MsgType", "U1"): Code(
            "MsgType",
            "U1",
            "AllocationHint",
            {"other": "", "6": "AllocationHint", "FIX.4.4": "AllocationHint"},
        ),
        ("RefMsgType", "U1"): Code(
            "RefMsgType",
            "U1",
            "AllocationHint",
            {"other": "", "6": "AllocationHint", "FIX.4.4": "AllocationHint"},
        ),
    }
    assert found.keys() == CODES.keys() | added.keys()


def test_a_dictionary_of_sessions_names_its_own_values_there_alone():
    broker = own("BROKER->*", fields=SPECIAL, messages=HINT)
    assert list(codes([broker])) == list(codes())
    session = "FIX.4.4:ME->BROKER"
    assert set(map(str, codes_of(session, [broker]))) == {
        str(code)
        for code in (
            Code("Side", "Z", "House", {session: "House"}),
            Code("Side", "1", "Buy", {"other": "Buy", session: "Bid"}),
            Code("Desk", "7", "FX", {session: "FX"}),
            Code("MsgType", "U1", "AllocationHint", {session: "AllocationHint"}),
            Code("RefMsgType", "U1", "AllocationHint", {session: "AllocationHint"}),
        )
    }
    assert list(codes_of("FIX.4.4:ME->OTHER", [broker])) == []


def test_a_dictionary_of_sessions_takes_the_place_of_one_for_all_messages():
    venue = own(fields={"54": ("Side", "CHAR", {"Z": "House", "1": "Bid"})})
    broker = own("BROKER->*", fields={"40": ("OrdType", "CHAR", {"#": "Dark"})})
    session = "FIX.4.4:BROKER->ME"
    keys = [session, None, "FIX.4.4"]
    found = {(one.field, one.value): one for one in codes_of(session, [venue, broker])}
    assert {key: one.name_in(keys) for key, one in found.items()} == {
        ("Side", "Z"): None,
        ("Side", "1"): "Buy",
        ("OrdType", "#"): "Dark",
    }


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIX.5.0SP2", "FIXT.1.1"])
def test_a_file_that_repeats_the_values_of_fix_names_nothing_otherwise(version):
    assert list(codes([own(version=version)])) == list(codes())
    assert list(codes_of("FIX.4.4:A->B", [own("A->B", version)])) == []
