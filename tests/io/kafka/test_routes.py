"""The first rule that a message meets says to which topic it goes; one may say to none."""

import pytest

from fixfeed.io.kafka.routes import TOPIC, read_routes, routed
from fixfeed.transforms.batch import TICK
from fixfeed.transforms.fix.protocol import FIX
from tests.io.jsonl.test_sink import LOG, batch
from tests.protocols.fixed_width import TAPE

WHOLE = batch(0, len(LOG))


def by_topic(*lines):
    """Return the sequence numbers of messages by their topic, and how many are left out."""
    found = routed(WHOLE, read_routes(lines, FIX.rule), "rest")
    numbers = {}
    for row in found.messages.select([TOPIC, "msg_seq_num"]).to_pylist():
        numbers.setdefault(row[TOPIC], []).append(row["msg_seq_num"])
    assert found.messages.num_rows + found.failures.num_rows + found.filtered == found.read
    return numbers, found.filtered


def test_the_first_rule_that_is_met_decides_and_none_leaves_out():
    assert by_topic(
        "# comments, and empty lines",
        "",
        "MsgSeqNum < 4 -> none",
        "  MsgSeqNum <= 5->early ",
        "MsgSeqNum < 9 or session = 'X->Y' -> middle",
        "MsgSeqNum = 38 -> early",
    ) == (
        {
            "early": [4, 5, 38],
            "middle": [6, 8],
            "rest": [n for n in range(9, 40) if n % 7 and n != 38],
        },
        3,
    )


def test_without_a_rule_that_is_met_all_is_as_it_was():
    numbers, filtered = by_topic("MsgType = 8 -> fix.8")
    assert list(numbers) == ["rest"]
    assert filtered == 0


def test_a_tick_passes():
    tick = FIX.parse(TICK)
    assert routed(tick, read_routes(["MsgType = 8 -> none"], FIX.rule), "rest") is tick


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("MsgType = 8", "line 2: 'MsgType = 8' has no condition and topic"),
        ("-> fix", "line 2: '-> fix' has no condition and topic"),
        ("MsgType = 8 -> fix executions", "line 2: 'fix executions' is no name of a topic"),
        ("MsgType = 8 -> NONE", "line 2: the topic is NONE; did you mean none, which is no topic?"),
        ("MsgType = 8 -> .", "line 2: '.' is no name of a topic"),
        ("MsgTyp = 8 -> fix", "(?s)line 2: .*nearest is MsgType"),
        ("Password = x -> fix", "line 2: .*rules see what is stored"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line, told):
    with pytest.raises(ValueError, match=told):
        read_routes(["MsgType = D -> none", line], FIX.rule)


def test_a_protocol_without_a_language_of_rules_says_so():
    with pytest.raises(ValueError, match="has no language of rules, found the rule 'price > 1'"):
        read_routes(["price > 1 -> dear"], TAPE.rule)
