"""Rules and lookups on masked values do not guess: they are refused with a sentence."""

from types import MappingProxyType

import pytest

from fixfeed.transforms.enrich import Enrich, Lookup, LookupFileError
from fixfeed.transforms.filter import Filter
from fixfeed.transforms.fix.dictionary.choose import Dictionaries
from fixfeed.transforms.fix.rules.language import RuleError
from fixfeed.transforms.fix.secrets.masking import UNMASKED, read_masking

HOW = ["mask", "hash", "drop"]


def masking(*texts):
    return read_masking(texts, key=b"key")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("place", ["include", "exclude"])
@pytest.mark.parametrize(
    ("masked", "rule"),
    [
        ("Account", "Account = A1"),
        ("Account", "MsgType = D and not (Side = 1 or Account like A*)"),
        ("Account", "1 in A1,A2"),
        ("ClOrdID", "cl_ord_id != X"),
        ("ClOrdID", "clordid not in X"),
        ("Price", "price > 10"),
        ("SendingTime", "52 >= 2025-01-02"),
        ("PartyID", "PartyID = DESK7"),
        ("448", "448 = DESK7"),
        ("5001", "5001 = x"),
        ("SenderCompID", "session like FIX.4.4:A->*"),
        ("TargetCompID", "session = FIX.4.4:A->B"),
        ("Account", "raw like *A1*"),
        ("Account", "fields like *A1*"),
        ("Account", "prefix like *A1*"),
        ("RawData", "RawData = x"),
        ("Username", "Username = joe"),
    ],
)
def test_a_rule_over_masked_values_is_refused(how, place, masked, rule):
    with pytest.raises(RuleError, match=r"rules see what is stored, so this one would guess"):
        Filter(**{place: [rule]}, masking=masking(f"{masked}={how}"))
    Filter(**{place: [rule]}, masking=UNMASKED)


def test_the_error_names_the_masked_values_and_the_remedy():
    with pytest.raises(RuleError) as raised:
        Filter(exclude=["Account = A1"], masking=masking("Account"))
    assert str(raised.value) == (
        "the rule 'Account = A1' asks for Account, and the values of 1 are masked: rules see what "
        "is stored, so this one would guess; leave Account out of --mask or leave the rule out"
    )


def test_a_secret_is_hidden_unless_it_is_kept():
    with pytest.raises(RuleError, match=r"keep them \(--mask 553=keep\)"):
        Filter(include=["Username = joe"])
    Filter(include=["Username = joe"], masking=masking("Username=keep"))
    with pytest.raises(RuleError, match="the values of 96 are masked in Logons"):
        Filter(include=["RawData like *x*"])


@pytest.mark.parametrize("how", ["mask", "hash"])
def test_existence_may_be_tested_unless_a_field_is_dropped(how):
    for rule in ("Account exists", "Account missing", "price exists", "session exists"):
        Filter(include=[rule], masking=masking(f"Account={how}", f"Price={how}", f"49={how}"))
    with pytest.raises(RuleError, match="the values of 1 are dropped"):
        Filter(include=["Account missing"], masking=masking("Account=drop"))


def test_entries_cannot_be_counted_if_their_fields_are_dropped():
    with pytest.raises(RuleError, match="the values of 448 are dropped"):
        Filter(include=["NoPartyIDs = 2"], masking=masking("PartyID=drop"))
    Filter(include=["NoPartyIDs = 2"], masking=masking("PartyID", "HeartBtInt=drop"))


def test_other_rules_are_unaffected():
    rules = ["Account = A1", "raw like *x*", "session like *A*", "MsgType = D"]
    Filter(include=rules[1:], exclude=rules, masking=masking())
    Filter(include=rules[2:], masking=masking("Account=hash", "PartyID=drop"))


def test_a_name_from_a_counterparty_is_masked_with_its_tag():
    class Own(Dictionaries):
        own_names = MappingProxyType({5001: "Desk", 1: "Depot"})

    for rule in ("Desk = x", "Depot = A1", "Account = A1"):
        with pytest.raises(RuleError, match="would guess"):
            Filter(include=[rule], dictionaries=Own(), masking=masking("5001", "Account"))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("masked", "column"),
    [
        ("Account", "account"),
        ("Symbol", "symbol"),
        ("SenderCompID", "session"),
        ("TargetCompID", "session"),
        ("SenderCompID", "sender_comp_id"),
        ("Account", "prefix"),
    ],
)
def test_a_lookup_on_masked_values_is_refused(how, masked, column):
    lookup = Lookup("desks.csv", column, {"A1": "{}"}, frozenset(), "digest")
    with pytest.raises(LookupFileError, match="so this one would find nothing"):
        Enrich(lookups=[lookup], masking=masking(f"{masked}={how}"))
    Enrich(lookups=[lookup])
