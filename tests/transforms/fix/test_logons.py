"""Logons apply to the messages after them, however a log is cut."""

import itertools
import random

import pytest

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.framing.borders import first_border
from fixfeed.transforms.fix.logons import carry, logons
from tests.transforms.fix.messages import DELIMITERS, encode
from tests.transforms.fix.session_logs import heard, heard_in, logon, order, random_session_log


def said(data, logged_on=None, delimiter=b"\x01"):
    return [(one.start, one.appl_ver_id) for one in logons(data, delimiter, logged_on or {})]


def both(version, one="A", other="B"):
    return {f"{one}->{other}": version, f"{other}->{one}": version}


def test_a_logon_applies_to_both_directions_and_only_changes_are_reported():
    log = [logon(), order(), logon(b"B", b"A"), logon(version=b"6"), logon(b"B", b"A", b"6")]
    data = b"".join(log)
    assert said(data) == [(0, "9"), (len(b"".join(log[:3])), "6")]
    assert said(data, both("9")) == [(len(b"".join(log[:3])), "6")]
    assert [one.says for one in logons(data, b"\x01", {})] == [both("9"), both("6")]


@pytest.mark.parametrize("delimiter", [*DELIMITERS, b"^A"])
def test_a_record_begins_with_the_prefix_of_its_logon(delimiter):
    first = b"2025-01-02 09:30:00 IN " + order(delimiter=delimiter) + b"\nno FIX\n"
    prefix = b"2025-01-02 09:30:01 OUT "
    data = first + prefix + logon(delimiter=delimiter) + b"\r\n" + order(delimiter=delimiter)
    assert said(data, delimiter=delimiter) == [(len(first), "9")]
    without_lines = order(delimiter=delimiter) + logon(delimiter=delimiter)
    assert said(without_lines, delimiter=delimiter) == [(len(order(delimiter=delimiter)), "9")]


@pytest.mark.parametrize(
    "message",
    [
        logon(version=b"1"),
        logon(version=b""),
        logon(b""),
        logon(begin="FIX.4.4"),
        order(b"A", b"B", (1137, b"9")),
        order(b"A", b"B", (58, b"1137=9")),
        encode([(35, b"A"), (49, b"A"), (56, b"B"), (21137, b"9")], "FIXT.1.1"),
        encode([(35, b"A"), (49, b"A"), (1137, b"9")], "FIXT.1.1"),
        order(b"A", b"B", (95, b"%d" % len(logon())), (96, logon())),
        order(b"A", b"B", (95, b"%d" % len(b"\n" + logon())), (96, b"\n" + logon())),
        b"35=A\x0149=A\x0156=B\x011137=9\x01\n",
        b"1137=9\x01" * 9,
    ],
    ids=range(12),
)
def test_other_messages_than_a_fixt_logon_with_a_version_are_ignored(message):
    assert said(order() + b"\n" + message + b"\n" + order()) == []


def test_a_logon_is_recognised_whatever_text_it_holds():
    odd = logon(b"A", b"B", b"7", (58, b"8=FIXT.1.1"), (58, b"FIXT.1.1"), (58, b"1137=3"))
    assert said(order() + odd) == [(len(order()), "7")]


def test_a_block_is_cut_where_a_session_with_earlier_messages_changes():
    log = [order(), logon(), order(), logon(version=b"6"), order()]
    at = [sum(map(len, log[:number])) for number in range(6)]
    block = Block("x", 100, b"".join(log), last=True)
    assert carry(block, {}) == [
        Block("x", 100, log[0]),
        Block("x", 100 + at[1], log[1] + log[2], within_line=True, context=both("9")),
        Block(
            "x",
            100 + at[3],
            log[3] + log[4],
            last=True,
            within_line=True,
            context=both("6"),
        ),
    ]


def test_a_block_is_not_cut_at_the_first_logon_of_a_session():
    clients = [b"CLIENT%d" % number for number in range(50)]
    log = [one for name in clients for one in (logon(name, b"HUB"), order(b"HUB", name))]
    (block,) = carry(Block("x", 0, b"".join(log)), {})
    assert len(block.context) == 100
    assert set(block.context.values()) == {"9"}


def test_a_provisional_block_stays_whole():
    block = Block("x", 0, order() + logon() + order()[:-8], provisional=True)
    assert carry(block, both("6")) == [
        Block("x", 0, block.data, provisional=True, context=both("6"))
    ]


@pytest.mark.parametrize("seed", range(60))
def test_the_version_of_a_message_does_not_depend_on_cuts_of_the_log(seed):
    rng = random.Random(seed)
    delimiter = rng.choice(DELIMITERS)
    data = random_session_log(rng, 60, delimiter)
    expected = heard(data, delimiter)
    assert heard_in(carry(Block("x", 0, data, delimiter), {})) == expected
    for _ in range(5):
        cuts = {first_border(data, rng.randrange(len(data)), delimiter) for _ in range(4)}
        borders = [0, *sorted(cuts - {None, 0}), len(data)]
        blocks, holds = [], {}
        for start, end in itertools.pairwise(borders):
            blocks += carry(Block("x", start, data[start:end], delimiter), holds)
            holds = blocks[-1].context
        assert b"".join(block.data for block in blocks) == data
        assert heard_in(blocks) == expected
