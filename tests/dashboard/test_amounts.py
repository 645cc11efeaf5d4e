"""Numbers in tables are those of the messages, to the last digit."""

from decimal import Decimal

import pytest

from fixfeed.dashboard.amounts import EXACT, with_amounts


@pytest.mark.parametrize(
    ("values", "digits", "shown", "kind", "drawn"),
    [
        (["244.19", None, "0.5"], EXACT, [244.19, None, 0.5], "number", "%.15g"),
        (["100", "2000000"], EXACT, [100.0, 2000000.0], "number", "localized"),
        (["0.00012345"], EXACT, [0.00012345], "number", "%.15g"),
        (
            ["12345678.12345678", "1.50", None],
            EXACT,
            ["12345678.12345678", "1.5", None],
            "text",
            None,
        ),
        (["0.00000001", "1.50"], EXACT, ["0.00000001", "1.5"], "text", None),
        (["1" + "0" * 24, "0.5"], EXACT, ["1" + "0" * 24, "0.5"], "text", None),
        (["0.000000012345678901234"], 10, ["0.0000000123456789"], "text", None),
        (["9" * 30], EXACT, ["9" * 30], "text", None),
        (["33.333333333333333333"], 10, [33.333333333333336], "number", "%.10g"),
        ([None], EXACT, [None], "number", "localized"),
    ],
)
def test_each_amount_is_shown_exactly_and_whole(values, digits, shown, kind, drawn):
    table = {"Price": [None if one is None else Decimal(one) for one in values], "Side": ["1"]}
    found, columns = with_amounts(table, {"Price": digits})
    assert found == {"Price": shown, "Side": ["1"]}
    config = columns["Price"]["type_config"]
    assert (config["type"], config.get("format")) == (kind, drawn)
    longest = max(len(one or "") for one in values) if digits == EXACT else 12
    assert columns["Price"]["width"] >= 8 * longest
