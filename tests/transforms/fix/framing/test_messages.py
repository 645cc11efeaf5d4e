"""Messages begin and end as FIX says, and nothing is lost where they do not."""

import random

import pytest

from fixfeed.transforms.fix.framing.borders import Endings, first_border, last_border
from fixfeed.transforms.fix.framing.delimiter import sniff_delimiter
from fixfeed.transforms.fix.framing.messages import (
    message_end,
    spans,
)
from fixfeed.transforms.fix.framing.original import single_byte
from tests.transforms.fix.messages import encode, random_log

ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C1"), (55, b"AAPL")])
HEARTBEAT = encode([(35, b"0"), (49, b"A"), (56, b"B")])
EMBEDDED = encode([(35, b"n"), (212, b"%d" % len(ORDER + b"\n")), (213, ORDER + b"\n"), (58, b"x")])


def wrong_length(message):
    return message.replace(b"\x019=", b"\x019=9", 1)


def pieces(data, delimiter=b"\x01", **options):
    return [data[span.start : span.end] for span in spans(data, delimiter, **options)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ORDER + HEARTBEAT, [ORDER, HEARTBEAT]),
        (b"09:30 IN " + ORDER + b"\r\n" + HEARTBEAT, [ORDER, HEARTBEAT]),
        (EMBEDDED + ORDER, [EMBEDDED, ORDER]),
        (wrong_length(ORDER) + b"\n" + ORDER, [wrong_length(ORDER), ORDER]),
        (wrong_length(EMBEDDED) + ORDER, [wrong_length(EMBEDDED), ORDER]),
        (ORDER[:30] + b"\n" + ORDER, [ORDER[:30], ORDER]),
        (ORDER[:30] + ORDER, [ORDER[:30], ORDER]),
        (ORDER[:-1], [ORDER[:-1]]),
        (ORDER[:-1] + b"\r\n", [ORDER[:-1]]),
        (b"58=FIX.4.4\x01" + ORDER, [ORDER]),
        (b"35=d\x0155=X\x01\n35=d\x0155=Y\x01\n", [b"35=d\x0155=X\x01", b"35=d\x0155=Y\x01"]),
        (b"no FIX here\n", []),
    ],
)
def test_messages_are_found_whole(data, expected):
    assert pieces(data) == expected


@pytest.mark.parametrize("pad", range(0, 120))
def test_a_body_length_that_leads_to_another_checksum_by_chance_is_ignored(pad):
    first = encode([(35, b"D"), (49, b"A"), (58, b"x" * pad)])
    assert pieces(first[:28] + b"\n" + ORDER) == [first[:28], ORDER]


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A", b"^", b";"])
def test_the_delimiter_of_a_log_is_found(delimiter):
    data = b"started\n" + b"\n".join([ORDER, HEARTBEAT]).replace(b"\x01", delimiter)
    assert sniff_delimiter(data) == delimiter


def test_a_log_cut_at_every_offset_has_the_same_messages():
    log = EMBEDDED + b"\n" + ORDER + b"\r\nnoise\n" + HEARTBEAT + HEARTBEAT
    whole = pieces(log)
    for cut in range(len(log) + 1):
        border = last_border(log[:cut], b"\x01")
        assert pieces(log[:border]) + pieces(log[border:]) == whole


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A"])
@pytest.mark.parametrize("seed", range(8))
def test_borders_found_from_any_earlier_place_are_borders_of_the_whole(seed, delimiter):
    rng = random.Random(seed)
    log = random_log(rng, 30, mutated=0.2, delimiter=delimiter)
    whole = pieces(single_byte(log, delimiter), delimiter if len(delimiter) == 1 else b"\x01")
    for at in range(0, len(log), 13):
        border = first_border(log[max(0, at - 3000) :], at - max(0, at - 3000), delimiter)
        if border is not None:
            border += max(0, at - 3000)
            one = delimiter if len(delimiter) == 1 else b"\x01"
            parts = [single_byte(part, delimiter) for part in (log[:border], log[border:])]
            assert pieces(parts[0], one) + pieces(parts[1], one) == whole


def test_an_unfinished_message_at_the_end_waits_for_its_rest():
    log = ORDER + b"\n" + HEARTBEAT[:20]
    assert last_border(log, b"\x01") == len(ORDER) + 1
    assert last_border(log, b"\x01", at_end=Endings()) == len(ORDER) + 1
    assert last_border(ORDER, b"\x01", at_end=Endings()) == len(ORDER)
    assert last_border(ORDER[:-1], b"\x01", at_end=Endings()) == 0
    assert last_border(ORDER[:-1], b"\x01", at_end=Endings(bare=True)) == len(ORDER) - 1
    assert message_end(HEARTBEAT[:20], 0, b"\x01", final=False) is None
