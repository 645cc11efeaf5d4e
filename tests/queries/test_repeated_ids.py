"""The queries of docs/queries.md keep apart what has the same ids on other days and sessions."""

import pytest

from tests.queries.asked_day import asked_messages
from tests.queries.recipes import DATABASES, recipes

RECIPES = recipes()

# The client's clock is right, the broker's three seconds slow.
CLIENT = ("20260302-09:00:00.000000", "20260302-09:00:00.010000", "20260302-09:00:01.000000")
BROKER = ("20260302-08:59:57.004000", "20260302-08:59:57.005000", "20260302-08:59:58.004000")

_TO_CLIENT, _TO_BROKER = "FIX.4.4:BRK->CLI", "FIX.4.4:CLI->BRK"
_GTC, _X, _GAPS = "FIX.4.4:BRK->GTC", "FIX.4.4:BRK->CLIX", "FIX.4.2:GAP->LOG"

EXPECTED = {
    "Latency to the first answer": [
        # Of 10, 500 and 20 milliseconds; the order of 4 March has no answer.
        (_TO_BROKER, 3, 20_000, 500_000, 500_000, 500_000),
        # By the broker's clock, which saw the order for a millisecond.
        ("FIX.4.4:UP->DOWN", 1, 1000, 1000, 1000, 1000),
    ],
    "Traders by PartyRole": [
        ("T1", "EUR", 1, 1, 10, 50),
        ("T2", "EUR", 1, 1, 10, 50),
        ("T3", "EUR", 1, 1, 5, 25),
    ],
    "Orders without an answer": [
        ("2026-03-02 09:00:01.000000", "FIX.4.4:UP->DOWN", "NewOrderSingle", "2", "ABC"),
        ("2026-03-04 09:00:00.000000", _TO_BROKER, "NewOrderSingle", "1", "ABC"),
    ],
    "Busted and corrected fills": [
        ("2026-03-03 09:00:00.000000", _GTC, "GTC1", "2", "1", "correction", 10, 5, 12, 5),
        ("2026-03-04 09:00:00.000000", _GTC, "GTC1", "3", "2", "bust", 12, 5, 12, 5),
    ],
    "Largest notional": [
        ("CHF", 1, "2026-03-02", _GTC, "GTC1", "GTC", "Buy", 500, 4500),
        ("EUR", 1, "2026-03-02", _TO_CLIENT, "A", "ABC", "Buy", 10, 50),
        ("EUR", 2, "2026-03-03", _TO_CLIENT, "A", "ABC", "Buy", 10, 50),
        ("EUR", 3, "2026-03-04", _TO_CLIENT, "G", "ABC", "Buy", 5, 25),
    ],
    "One order by any of its ids": [
        (
            "2026-03-02 09:00:00.000000", _X, "ExecutionReport", "CALG-000060", None,
            "O1", "E1", "New", "New", 0, 10,
        ),
        (
            "2026-03-02 09:01:00.000000", _X, "ExecutionReport", "CALG-000066", "CALG-000060",
            "O1", "E2", "Replaced", "New", 0, 20,
        ),
    ],
    "Sequence gaps": [
        (_GAPS, 1, 1, 1, "2026-03-03 09:00:01.000000"),
        (_GAPS, 5, 6, 2, "2026-03-03 09:00:04.000000"),
        (_GAPS, 9, 9, 1, "2026-03-03 09:00:06.000000"),
    ],
    "Market data of one symbol": [
        ("2026-03-02 09:30:00.000000", "W", None, "Bid", 10, 300),
        ("2026-03-02 09:30:00.000000", "W", None, "Offer", 11, 200),
    ],
    "Top of book": [("2026-03-02 09:30:00.000000", 300, 10, 11, 200, 1)],
}  # fmt: skip


@pytest.fixture(scope="module")
def repeated(stored, tmp_path_factory):
    """The days of repeated_ids.txt, and the logs of both ends of a session."""
    folder = tmp_path_factory.mktemp("repeated")
    logs = {"days.log": asked_messages("repeated_ids.txt")}
    for name, times in (("broker.log", BROKER), ("client.log", CLIENT)):
        messages = asked_messages("both_ends.txt")
        logs[name] = [
            time.encode() + b" : " + message for time, message in zip(times, messages, strict=True)
        ]
    for name, lines in logs.items():
        (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    return stored(folder)


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("recipe", EXPECTED)
def test_a_recipe_takes_the_ids_of_a_session_and_a_day_for_one_order(
    recipe, database, repeated, select
):
    assert repeated.rows(select, database, RECIPES[recipe][database]) == EXPECTED[recipe]


@pytest.mark.parametrize("database", DATABASES)
def test_fills_that_add_up_to_nothing_have_no_average_price(database, repeated, select):
    assert repeated.rows(select, database, RECIPES["Fills by symbol"][database]) == [
        ("ABC", 3, 25, 125, 5),
        ("GTC", 1, 500, 4500, 9),
        ("NIL", 2, 0, 0, None),
    ]


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    ("times", "count"),
    [
        ("= '2026-03-02 09:01:00.000000'", 1),
        ("between '2026-03-02 09:01:00.000000' and '2026-03-02 09:02:00.000000'", 2),
        ("> '2026-03-04 09:00:00.000000'", 2),
        (">= '2026-03-04 09:00' and sending_time < '2026-03-04 09:01'", 2),
    ],
)
def test_times_are_asked_for_in_the_same_words_everywhere(times, count, database, repeated, select):
    asked = f"select count(*) from messages where sending_time {times}"
    assert repeated.rows(select, database, asked) == [(count,)]
