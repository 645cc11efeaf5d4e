"""Around a message is what both sides of its session sent, where both may be seen."""

from fixfeed.dashboard.queries import messages
from fixfeed.dashboard.scope import read_scope

SIDES = ("FIX.4.4:BROKER->RETAIL", "FIX.4.4:RETAIL->BROKER")


def test_around_a_message_of_both_sides_is_what_either_sent_before_and_after_it(day):
    found = day.rows(
        "select message_id, session from messages where session in (?, ?)"
        " and coalesce(sending_time, captured_at) is not null"
        " order by coalesce(sending_time, captured_at), message_id",
        *SIDES,
    )
    both = [row["message_id"] for row in found]
    own = [row["message_id"] for row in found if row["session"] == SIDES[0]]
    assert 20 < len(own) < len(both)
    for expected, scope in ((both, ["*"]), (both, ["*<->BROKER"]), (own, ["BROKER->*"])):
        at = expected.index(own[15])
        around = messages.around(day, own[15], each=5, both=True, scope=read_scope(scope))
        assert [row["message_id"] for row in around] == expected[at - 5 : at + 6]
    at = own.index(own[15])
    assert [row["message_id"] for row in messages.around(day, own[15], each=5)] == own[
        at - 5 : at + 6
    ]
