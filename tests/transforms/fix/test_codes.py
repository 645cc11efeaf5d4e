"""Values have the names that their version of FIX, or a counterparty's dictionary, gives them."""

import re

import pytest

from fixfeed.transforms.codes import Code
from fixfeed.transforms.fix.dictionary.choose import OwnDictionary
from fixfeed.transforms.fix.dictionary.codes import Codes
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.dictionary.version import VERSIONS, definition

CODES = {(code.field, code.value): code for code in Codes()}
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
    found = {(one.field, one.value): one for one in Codes([own(fields=SPECIAL, messages=HINT)])}
    added = {key: one for key, one in found.items() if CODES.get(key) != one}
    assert added == {
        # LegSide takes its values from Side's list.
        **{
            (side, "Z"): Code(side, "Z", "House", {"other": "", "6": "House", "FIX.4.4": "House"})
            for side in ("Side", "LegSide")
        },
        **{
            (side, "1"): Code(side, "1", "Buy", {"other": "Buy", "6": "Bid", "FIX.4.4": "Bid"})
            for side in ("Side", "LegSide")
        },
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
    assert list(Codes([broker])) == list(Codes())
    session = "FIX.4.4:ME->BROKER"
    assert set(map(str, Codes([broker]).of(session))) == {
        str(code)
        for code in (
            Code("Side", "Z", "House", {session: "House"}),
            Code("Side", "1", "Buy", {"other": "Buy", session: "Bid"}),
            Code("LegSide", "Z", "House", {session: "House"}),
            Code("LegSide", "1", "Buy", {"other": "Buy", session: "Bid"}),
            Code("Desk", "7", "FX", {session: "FX"}),
            Code("MsgType", "U1", "AllocationHint", {session: "AllocationHint"}),
            Code("RefMsgType", "U1", "AllocationHint", {session: "AllocationHint"}),
        )
    }
    assert list(Codes([broker]).of("FIX.4.4:ME->OTHER")) == []


def test_a_dictionary_of_sessions_takes_the_place_of_one_for_all_messages():
    venue = own(fields={"54": ("Side", "CHAR", {"Z": "House", "1": "Bid"})})
    broker = own("BROKER->*", fields={"40": ("OrdType", "CHAR", {"#": "Dark"})})
    session = "FIX.4.4:BROKER->ME"
    keys = [session, None, "FIX.4.4"]
    found = {(one.field, one.value): one for one in Codes([venue, broker]).of(session)}
    assert {key: one.name_in(keys) for key, one in found.items()} == {
        ("Side", "Z"): None,
        ("Side", "1"): "Buy",
        ("LegSide", "Z"): None,
        ("LegSide", "1"): "Buy",
        ("OrdType", "#"): "Dark",
    }


@pytest.mark.parametrize("version", ["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIX.5.0SP2", "FIXT.1.1"])
def test_a_file_that_repeats_the_values_of_fix_names_nothing_otherwise(version):
    assert list(Codes([own(version=version)])) == list(Codes())
    assert list(Codes([own("A->B", version)]).of("FIX.4.4:A->B")) == []


def test_a_field_that_takes_its_values_from_another_list_has_their_names():
    shared = {
        "LegSide": "Side",
        "NestedPartyRole": "PartyRole",
        "RootPartyRole": "PartyRole",
        "PartySubIDType": "SettlPartySubIDType",
        "InstrumentPartySubIDType": "PartySubIDType",
        "UnderlyingSecurityType": "SecurityType",
        "LegProduct": "Product",
        "DefaultApplVerID": "ApplVerID",
        "TriggerSecurityIDSource": "SecurityIDSource",
        "BenchmarkPriceType": "PriceType",
        "PartyRoleQualifier": "PartyDetailRoleQualifier",
        "ThrottleMsgType": "MsgType",
        "LegPaymentStreamResetDateBusinessDayConvention": "BusinessDayConvention",
    }
    by_field = {}
    for field, value, name, _ in CODES.values():
        by_field.setdefault(field, {})[value] = name
    for field, other in shared.items():
        assert by_field[field] == by_field[other], field
    # These are a counterparty's own, and free text.
    assert not {"CstmApplVerID", "ListExecInst"} & by_field.keys()


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("OrdStatus", "1", "Partially filled"),
        ("ExecType", "2", "Fill"),
        ("TimeInForce", "1", "Good till cancel"),
        ("ExecInst", "W", "Peg to VWAP"),
        ("ExecInst", "1", "Not held"),
        ("TradeCondition", "B", "Average price trade"),
        ("SecurityType", "CMBS", "Corporate mortgage-backed securities"),
        ("UnderlyingSecurityType", "CMBS", "Corporate mortgage-backed securities"),
        ("SecurityType", "TNOTE", "US Treasury note"),
        ("SettlDeliveryType", "0", "Versus payment"),
        ("SecurityTradingStatus", "4", "No open/no resume"),
        ("HaltReasonInt", "P", "News pending"),
        ("HaltReasonInt", "4", "News pending"),
        ("Rule80A", "J", "Program order, index arb, for individual customer"),
        ("IOIQualifier", "Q", "At the market (current quote)"),
        ("EncryptMethod", "5", "PGP/DES-MD5"),
        ("AllocRejCode", "12", "Unknown ClOrdID"),
        ("SecurityIDSource", "I", "ISDA/FpML product specification"),
        ("SettlType", "3", "T+2"),
        ("LegSettlType", "3", "T+2"),
        ("ApplVerID", "9", "FIX 5.0 SP2"),
        ("PartyIDSource", "G", "MIC"),
        ("UnderlyingCouponDayCount", "7", "Act/365 (fixed)"),
        ("StipulationType", "CUSTOMDATE", "Custom start/end date"),
        ("UnderlyingStipType", "CUSTOMDATE", "Custom start/end date"),
    ],
)
def test_a_name_is_whole_and_in_the_spelling_of_fix(field, value, name):
    assert CODES[field, value] == Code(field, value, name)


def test_all_names_are_of_one_style():
    sentence = re.compile(r"(?:[A-Z0-9]|euroSIC|globalCOAL)[A-Za-z0-9 ,/+()&'.-]*")
    words = "id vwap twap bic mic isin cusip iso fx px ord trd acct us otc eth cfi isda libor settl"
    unspelt = {word for one in words.split() for word in (one, one.capitalize())}
    types = {name for names in message_names().values() for name in names}
    for code in CODES.values():
        for name in (code.name, *code.other_names.values()):
            if name not in types and name != "Shift_JIS":
                assert sentence.fullmatch(name), code
                assert not re.search(r"\s\s|[ ,]$", name), code
                assert not unspelt & set(re.findall("[A-Za-z]+", name)), code


def message_names():
    """Return the names of each type of message, of all versions."""
    found = {}
    for version in VERSIONS:
        for value, (name, *_) in definition(version)["messages"].items():
            found.setdefault(value, set()).add(name)
    return found


def test_what_versions_call_otherwise_has_a_name_for_each_or_one_for_all():
    """Where the dictionaries of versions have different words, a name was chosen by hand."""
    constants = {}
    for version in VERSIONS:
        for tag, (_, _, values, *_) in definition(version)["fields"].items():
            for value, constant in values.items():
                plain = re.sub("[^a-z0-9]", "", constant.lower())
                constants.setdefault((merged().fields[int(tag)].name, value), set()).add(plain)
    found = {key: CODES[key] for key, words in constants.items() if len(words) > 1}
    by_version = {key for key, code in CODES.items() if code.other_names}
    assert {key: code.name for key, code in found.items() if key not in by_version} == {
        ("AllocRejCode", "2"): "Incorrect average price",
        ("EncryptMethod", "0"): "None/other",
        ("EncryptMethod", "6"): "PEM/DES-MD5",
        ("MDEntryType", "9"): "VWAP",
        ("HaltReasonInt", "P"): "News pending",
        ("QuoteEntryRejectReason", "3"): "Quote exceeds limit",
        ("QuoteEntryRejectReason", "7"): "Invalid bid/ask spread",
        ("GTBookingInst", "2"): "Accumulate until verbally notified otherwise",
        ("CxlRejResponseTo", "2"): "Order cancel/replace request",
        ("OrdRejReason", "12"): "Surveillance option",
        ("YieldType", "VALUE1/32"): "Yield value of 1/32",
        ("SessionRejectReason", "17"): "Non-data value includes field delimiter",
        ("PartyRole", "14"): "Giveup clearing firm",
        ("MassCancelRejectReason", "2"): "Invalid or unknown underlying security",
        ("NestedPartyRole", "14"): "Giveup clearing firm",
        ("SecurityType", "PFAND"): "Pfandbrief",
        ("TradeReportRejectReason", "1"): "Invalid party information",
        ("Nested2PartyRole", "14"): "Giveup clearing firm",
        ("IndividualAllocRejCode", "2"): "Incorrect average price",
        ("SettlPartyRole", "14"): "Giveup clearing firm",
        ("Nested3PartyRole", "14"): "Giveup clearing firm",
        ("TradeCondition", "AN"): "Official closing price",
        ("QuoteCancelType", "5"): "Cancel specified single quote",
        ("PriceType", "13"): "Product ticks in halves",
        ("PriceType", "15"): "Product ticks in eighths",
        ("PriceType", "18"): "Product ticks in sixty fourths",
        ("PriceType", "19"): "Product ticks in one twenty eighths",
        ("OrderHandlingInstSource", "1"): "NASD/FINRA OATS",
        ("DeskType", "T"): "Trading desk system",
        ("DeskTypeSource", "1"): "NASD/FINRA OATS",
        ("ExecAckStatus", "2"): "Don't know",
        ("ExecInst", "q"): "Release from suspension",
        ("TradeCondition", "3"): "Multi asset class multileg trade",
        ("SessionRejectReason", "18"): "Invalid/unsupported application version",
        ("TradingSessionSubID", "6"): "Scheduled intraday auction",
        ("TickRuleType", "0"): "Regular trading",
        ("TickRuleType", "1"): "Variable cabinet",
        ("TickRuleType", "2"): "Fixed cabinet",
    }
