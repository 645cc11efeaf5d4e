"""A rule selects the same messages from a column and from the JSON of the other fields."""

import pickle
import re

import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries, OwnDictionary
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.rules.hidden import check_rule
from fixfeed.transforms.fix.rules.language import RuleError, parse_rule
from fixfeed.transforms.fix.secrets.masking import read_masking
from tests.transforms.fix.messages import encode

LOG = [
    # 0: an order
    [(35, b"D"), (34, b"5"), (49, b"A"), (52, b"20250102-09:30:00.123"), (56, b"B"), (11, b"007"),
     (1, b"ACC"), (55, b"AAPL"), (54, b"1"), (38, b"100"), (44, b"10.50"), (43, b"N"),
     (75, b"20250102")],
    # 1: parties twice, a time finer than the column, a quantity that is not a number
    [(35, b"D"), (34, b"6"), (49, b"A"), (52, b"20250102-16:00:00.123456789"), (56, b"B"),
     (55, b"MSFT"), (54, b"2"), (38, b"1e5"), (448, b"P1"), (448, b"P2"),
     (126, b"20250103-00:00:00")],
    # 2: a repeated symbol, a custom tag, an empty text
    [(35, b"8"), (34, b"7"), (49, b"B"), (52, b"20250103-09:30:00"), (56, b"A"), (55, b"VOD.L"),
     (55, b"BP.L"), (5001, b"12.0"), (58, b""), (44, b"-0.12345678901"), (43, b"Y")],
    # 3: a heartbeat in a leap second
    [(35, b"0"), (34, b"8"), (49, b"A"), (52, b"20161231-23:59:60"), (56, b"B"), (5001, b"x y")],
]  # fmt: skip


def rows(fields):
    data = b"".join(encode(message, "FIX.4.2") for message in LOG)
    return parse_block(Block("file:1:00", 0, data), fields=fields).messages


@pytest.mark.parametrize("fields", ["rest", "all"])
@pytest.mark.parametrize(
    ("rule", "meant"),
    [
        ("MsgType in D,8 and Symbol = AAPL", [0]),
        ("35 = D", [0, 1]),
        ("msg_type in (D, 8)", [0, 1, 2]),
        ("not (Side = 1 or side = 2)", [2, 3]),
        ("Side = 1 or Side = 2 and Symbol = AAPL", [0]),
        ("NOT Side exists", [2, 3]),
        ("not not Side missing", [2, 3]),
        ("session = FIX.4.2:A->B", [0, 1, 3]),
        ("session != FIX.4.2:A->B", [2]),
        ("ClOrdID = 7", []),
        ("ClOrdID = 007", [0]),
        ("captured_at >= 2025-01-02", []),
        ("captured_at missing", [0, 1, 2, 3]),
        ("Tag5001 = 12", [2]),
        ("tag5001 exists", [2, 3]),
        ("Tag35 = D", [0, 1]),
        ("SendingTime = 2017-01-01", [3]),
        ("SendingTime = 2016-12-31T23:59:60", [3]),
        ("SendingTime < 2016-12-31T23:59:60", []),
        ("Text = ''", [2]),
        ("Text exists", [2]),
        ("position = 0", [0]),
        # days
        ("TradeDate = 2025-01-02", [0]),
        ("trade_date in 20250101, 20250102", [0]),
        ("75 >= 2025-01-03", []),
        ("TradeDate < 2025-01-03", [0]),
        # numbers
        ("OrderQty >= 100", [0]),
        ("OrderQty != 100", [1]),
        ("OrderQty not in 100, 200", [1]),
        ("OrderQty exists", [0, 1]),
        ("MsgSeqNum > 5.5 and MsgSeqNum <= 7", [1, 2]),
        ("MsgSeqNum in 5,8", [0, 3]),
        ("MsgSeqNum < 99999999999999999999999", [0, 1, 2, 3]),
        ("MsgSeqNum > -99999999999999999999999", [0, 1, 2, 3]),
        ("Price = 10.5", [0]),
        ("Price < 10.500000000001", [0, 2]),
        ("Price > 10.499999999999", [0]),
        ("Price = 10.500000000001", []),
        ("Price != 10.500000000001", [0, 2]),
        ("Price = -0.12345678901", [2]),
        ("Price < -0.123456789", [2]),
        ("Price = -0.123456789", []),
        # times
        ("SendingTime >= 2025-01-02T09:30 and SendingTime < 2025-01-02T16:00", [0]),
        ("SendingTime > 20250102-16:00:00.123456", [1, 2]),
        ("SendingTime = 2025-01-02T16:00:00.123456789", [1]),
        ("SendingTime <= 2025-01-02T16:00:00.123456788", [0, 3]),
        ("SendingTime = 2025-01-02T10:30:00.123+01:00", [0]),
        ("SendingTime = '2025-01-02 04:30:00,123-0500'", [0]),
        ("SendingTime < 2025-01-02T09:30:00.123000001", [0, 3]),
        ("ExpireTime = 2025-01-03", [1]),
        ("ExpireTime > 2025-01-03", []),
        # flags
        ("PossDupFlag = Y", [2]),
        ("PossDupFlag in true, n", [0, 2]),
        ("PossDupFlag != Y", [0]),
        # fields without a column, repeated, or custom
        ("PartyID = P2", [1]),
        ("partyid != P2", [1]),
        ("448 not in P1,P2", []),
        ("448 like P?", [1]),
        ("Symbol = BP.L", [2]),
        ("Symbol like *.L", [2]),
        ("Symbol like '*S?T'", [1]),
        ("5001 = 12", [2]),
        ("5001 < 100", [2]),
        ("5001 = 'x y'", [3]),
        ("5001 != 12", [3]),
        ('Text = ""', [2]),
        ("Text != a", [2]),
        ("Account missing and MsgType != 0", [1, 2]),
        ("raw like *55=AAPL*", [0]),
        (r"raw like *55=\?*", []),
        ("defects like *bad_value*", [1]),
    ],
)
def test_a_rule_selects_messages(rule, meant, fields):
    mask = parse_rule(rule).mask(rows(fields))
    assert mask.null_count == 0
    assert [row for row, is_meant in enumerate(mask.to_pylist()) if is_meant] == meant


def test_a_field_in_a_group_is_found_beside_the_column():
    messages = rows("rest").slice(0, 1)
    at = messages.schema.get_field_index("fields")
    group = '{"NoLegs":[{"Symbol":"X","NoPartyIDs":[{"PartyID":"P9"}]},{"Symbol":"Y"}]}'
    messages = messages.set_column(at, messages.schema.field(at), [group])
    rules = ["Symbol = Y", "Symbol = AAPL", "PartyID = P9", "Symbol = Z", "NoLegs exists"]
    found = [parse_rule(rule).mask(messages).to_pylist() for rule in rules]
    assert found == [[True], [True], [True], [False], [True]]


def test_a_batch_without_messages_has_an_empty_mask():
    mask = parse_rule("Symbol = A or PartyID = B").mask(rows("rest").slice(0, 0))
    assert mask.to_pylist() == []


def test_a_rule_can_be_pickled():
    rule = parse_rule("Symbol like A* and SendingTime > 2025-01-02")
    again = pickle.loads(pickle.dumps(rule))
    assert again == rule
    assert again.mask(rows("rest")).equals(rule.mask(rows("rest")))


@pytest.mark.parametrize(
    ("rule", "shown", "problem"),
    [
        ("", ("", 0), "the end of the rule, expected a field name, tag number or column"),
        (
            "Symbl = A",
            ("Symbl = A", 0),
            "`Symbl`, expected a field name, tag number or column; the nearest is Symbol",
        ),
        (
            "Side = 1 and cl_ord_d=2",
            ("Side = 1 and cl_ord_d=2", 13),
            "`cl_ord_d`, expected a field name, tag number or column; the nearest is ClOrdID",
        ),
        (
            "CFUN-002080",
            ("CFUN-002080", 0),
            "`CFUN-002080`, expected a field name, tag number or column, or a text in quotes, as in"
            ' "CFUN-002080", which may be anywhere in a message',
        ),
        (
            "Side=buy",
            ("Side=buy", 5),
            "`buy`, expected a value of Side: 1 is buy (`like` looks for the text)",
        ),
        (
            "MsgType in D, OrderCancelRequest",
            ("MsgType in D, OrderCancelRequest", 14),
            "`OrderCancelRequest`, expected a value of MsgType: F is OrderCancelRequest"
            " (`like` looks for the text)",
        ),
        (
            "OrdStatus = 'Partially filled'",
            ("OrdStatus = 'Partially filled'", 12),
            "`'`, expected a value of OrdStatus: 1 is Partially filled (`like` looks for the text)",
        ),
        (
            'OrdStatus in 0, "Rejected"',
            ('OrdStatus in 0, "Rejected"', 16),
            '`"`, expected a value of OrdStatus: 8 is Rejected (`like` looks for the text)',
        ),
        ("035 = D", ("035 = D", 0), "`035`, expected a field name, tag number or column"),
        (
            "Symbol",
            ("Symbol", 6),
            "the end of the rule, expected an operator "
            "(=, !=, <, <=, >, >=, in, not in, like, exists, missing)",
        ),
        (
            "Symbol not like A",
            ("Symbol not like A", 7),
            "`not`, expected an operator (=, !=, <, <=, >, >=, in, not in, like, exists, missing)",
        ),
        (
            "Symbol = and",
            ("Symbol = and", 9),
            "`and`, expected a value (in quotes if it is a word of the language or has spaces)",
        ),
        (
            "OrderQty >== 5",
            ("OrderQty >== 5", 11),
            "`=`, expected a value (in quotes if it is a word of the language or has spaces)",
        ),
        (
            "Price > StopPx",
            ("Price > StopPx", 8),
            "`StopPx`, expected a number such as 100 or 1.25, as Price is a number",
        ),
        (
            "SendingTime > 2025-02-29",
            ("SendingTime > 2025-02-29", 14),
            "`2025-02-29`, expected a time such as 2025-01-02 or 2025-01-02T09:30:00.123, "
            "as SendingTime is a time",
        ),
        (
            "PossDupFlag = 1",
            ("PossDupFlag = 1", 14),
            "`1`, expected Y or N, as PossDupFlag is Y or N",
        ),
        (
            "price like 1*",
            ("price like 1*", 6),
            "`like`, expected one of =, !=, in, not in, <, <=, >, >=, as Price is a number",
        ),
        ("(Side = 1", ("(Side = 1", 9), "the end of the rule, expected `and`, `or` or `)`"),
        ("Side in (1, 2", ("Side in (1, 2", 13), "the end of the rule, expected `,` or `)`"),
        (
            "Side = 1\nand\tSymbol = A B",
            ("and Symbol = A B", 15),
            "`B`, expected `and`, `or` or the end of the rule",
        ),
        (
            "CheckSum exists",
            ("CheckSum exists", 0),
            "`CheckSum`, expected another field: CheckSum is checked and not kept, "
            "where it is wrong `defects like *check_sum*` says so",
        ),
        (
            "(" * 60 + "Side = 1",
            ("(" * 60 + "Side = 1", 50),
            "`(`, expected at most 50 parentheses inside each other",
        ),
        (
            f"Text like *{'X' * 250}",
            (f"Text like *{'X' * 250}", 10),
            f"`*{'X' * 250}`, expected a pattern of at most 250 characters, not 251",
        ),
    ],
)
def test_an_invalid_rule_is_shown_with_the_place(rule, shown, problem):
    with pytest.raises(RuleError) as raised:
        parse_rule(rule)
    line, at = shown
    place = rule.replace("\t", " ").index(line) + at + 1
    assert str(raised.value) == (
        f"cannot read the rule at character {place}:\n    {line}\n    {' ' * at}^\nfound {problem}"
    )


GROUPED = [
    [(35, b"D"), (34, b"1"), (49, b"A"), (56, b"B"), (453, b"2"), (448, b"P1"), (447, b"D"),
     (448, b"P2"), (5001, b"gold"), (55, b"X")],
    [(35, b"D"), (34, b"2"), (49, b"A"), (56, b"B"), (55, b"X"), (5001, b"silver")],
    [(35, b"V"), (34, b"3"), (49, b"A"), (56, b"B"), (146, b"2"), (55, b"X"), (55, b"Y")],
]  # fmt: skip
OWN = {
    "version": "FIX.4.4",
    "fields": {"5001": ["Tier", "STRING", {}], "55": ["Ticker", "STRING", {}]},
    "components": {},
    "header": [],
    "trailer": [],
    "messages": {},
}


def meant(rule, dictionaries):
    data = b"".join(encode(message) for message in GROUPED)
    found = parse_block(Block("file:1:00", 0, data), dictionaries=dictionaries).messages
    mask = parse_rule(rule, dictionaries.own_names).mask(found)
    return [row for row, is_meant in enumerate(mask.to_pylist()) if is_meant]


@pytest.mark.parametrize(
    ("rule", "rows_meant"),
    [
        ("PartyID = P2", [0]),
        ("448 like P*", [0]),
        ("NoPartyIDs exists", [0]),
        ("NoPartyIDs = 2", [0]),
        ("NoPartyIDs > 2", []),
        ("146 >= 2", [2]),
        ("Symbol = Y", [2]),
        ("Symbol = X", [0, 1, 2]),
        ("5001 = gold", [0]),
    ],
)
def test_a_rule_looks_into_groups(rule, rows_meant):
    assert meant(rule, BUILT_IN) == rows_meant


@pytest.mark.parametrize(
    ("rule", "rows_meant"),
    [
        ("Tier = gold", [0]),
        ("tier != gold", [1]),
        ("5001 = silver", [1]),
        ("Ticker = Y", [2]),
        ("Symbol = Y", [2]),
        ("55 = Y", [2]),
    ],
)
def test_a_rule_may_use_the_names_of_a_counterparty(rule, rows_meant):
    assert meant(rule, Dictionaries((OwnDictionary("", OWN),))) == rows_meant


def test_the_nearest_name_may_be_from_a_counterparty():
    with pytest.raises(RuleError, match="the nearest is Tier"):
        parse_rule("Tieer = gold", {5001: "Tier"})


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Symbol=AAPL OrderQty>1000", "Symbol = AAPL and OrderQty > 1000"),
        ("Symbol=AAPL -MsgType=0", "Symbol = AAPL and not MsgType = 0"),
        ("-(Side=1 or Side=2) Price exists", "not (Side = 1 or Side = 2) and Price exists"),
        ("--Side=1", "Side = 1"),
        ("- not Side=1", "Side = 1"),
        ("Side=1 or Side=2 Price>-5", "Side = 1 or (Side = 2 and Price > -5)"),
        ("35 in D,8 not Side missing", "35 in (D, 8) and not Side missing"),
        ("(Side=1)(Price=1)", "Side = 1 and Price = 1"),
    ],
)
def test_conditions_side_by_side_mean_and_and_a_dash_means_not(text, same):
    assert parse_rule(text).node == parse_rule(same).node


@pytest.mark.parametrize("text", ['"GARY"', "'GARY' Side=1", '-"no such" \'O"x\''])
def test_a_text_in_quotes_is_looked_for_in_the_message_and_before_it(text):
    log = b'GARY 8=FIX.4.4\x019=5\x0135=D\x0154=1\x0158=O"x\x0110=000\x01\n'
    messages = parse_block(Block("day.log", 0, log)).messages
    assert parse_rule(text).mask(messages).to_pylist() == [True]
    assert parse_rule(f"not ({text})").mask(messages).to_pylist() == [False]
    assert parse_rule('"gary"').mask(messages).to_pylist() == [False]


def test_a_text_in_quotes_asks_what_masks_hide():
    with pytest.raises(RuleError, match="rules see what is stored"):
        check_rule(parse_rule('"A1"'), read_masking(["Account"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Symbol = A B", "found `B`, expected `and`, `or` or the end of the rule"),
        ('Side=1 "x', 'found `"`, expected a text in quotes'),
        ('""', "expected a text in quotes"),
        ("Side=1 -", "found the end of the rule, expected a field name"),
    ],
)
def test_what_is_no_condition_beside_another_is_told(text, said):
    with pytest.raises(RuleError, match=re.escape(said)):
        parse_rule(text)
