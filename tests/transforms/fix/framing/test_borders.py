"""A log read while it is written gives the same rows as when it is read at its end."""

import random

import pytest

from fixfeed.transforms.batch import Block, ends_within_line
from fixfeed.transforms.fix.framing.borders import Endings, endings, last_border
from fixfeed.transforms.fix.framing.leftovers import before_not_text
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode, random_log

FIRST = encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C1"), (55, b"AAPL")])
SECOND = encode([(35, b"0"), (49, b"A"), (56, b"B")])
INNER = b"\n" + FIRST + b"\n"
NESTED = encode([(35, b"n"), (212, b"%d" % len(INNER)), (213, INNER), (58, b"x")])
LINES = encode([(35, b"B"), (148, b"one\ntwo\nthree"), (58, b"x")])
MESSAGES = (FIRST, NESTED, SECOND, LINES, FIRST)

LAYOUTS = {
    "lines": lambda message: message + b"\n",
    "lines of Windows": lambda message: message + b"\r\n",
    "messages without ends of lines": lambda message: message,
    "lines with a prefix": lambda message: b"2025-01-02 09:30:00,001 IN  " + message + b"\n",
    "lines with text after the message": lambda message: message + b" [ok, 12 us]\n",
    "lines with fields after the message": lambda message: message + b"35=D\x0155=X\x01\n",
    "lines that end with CR": lambda message: message + b"\r",
    "lines without the last delimiter": lambda message: message[:-1] + b"\n",
    "lines of Windows without the last delimiter": lambda message: message[:-1] + b"\r\n",
    "messages without the last delimiter": lambda message: message[:-1],
    "lines without CheckSum": lambda message: message[:-7] + b"\n",
    "text between": lambda message: message + b"\nconnected to 8 hosts\n",
    "noise between": lambda message: message + b"\n\x00\x02\nab\n\x00\x03\n",
}


def rows(data, start, delimiter, vectorised, within=False):
    batch = parse_block(
        Block("log", start, data, delimiter, within_line=within), vectorised=vectorised
    )
    columns = ("position", "prefix", "raw", "defects")
    messages = [tuple(row[name] for name in columns) for row in batch.messages.to_pylist()]
    return messages, [tuple(row.values()) for row in batch.failures.to_pylist()], batch.skipped


def end_of(data, delimiter):
    """Return how much of a source that ends here is final."""
    end = last_border(data, delimiter, at_end=endings(data, delimiter))
    begin = before_not_text(data, end, delimiter)
    return begin if last_border(data[:begin], delimiter) == begin else end


def both(data, at, end, delimiter, vectorised):
    one = rows(data[:at], 0, delimiter, vectorised)
    other = rows(data[at:end], at, delimiter, vectorised, ends_within_line(data[:at], False))
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def differences(log, delimiter, vectorised=False):
    """Return the cuts after which a grown log is read differently than at its end."""
    end = end_of(log, delimiter)
    whole = rows(log[:end], 0, delimiter, vectorised)
    ends = {cut: end_of(log[:cut], delimiter) for cut in range(len(log))}
    wrong = {at for at in set(ends.values()) if both(log, at, end, delimiter, vectorised) != whole}
    return [log[max(0, cut - 40) : cut] for cut, at in ends.items() if at in wrong]


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_log_cut_at_any_byte_and_grown_is_read_like_the_whole(layout, delimiter):
    log = b"".join(map(LAYOUTS[layout], MESSAGES)).replace(b"\x01", delimiter)
    assert differences(log, delimiter) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_parsers_read_a_grown_log_alike(layout):
    log = b"".join(map(LAYOUTS[layout], MESSAGES))
    assert differences(log, b"\x01", vectorised=True) == []


@pytest.mark.parametrize("seed", range(12))
def test_random_logs_cut_at_any_byte_and_grown_are_read_like_the_whole(seed):
    rng = random.Random(seed)
    delimiter = rng.choice([b"\x01", b"|", b"^A"])
    log = random_log(rng, 6, mutated=0.0, delimiter=delimiter)
    assert differences(log, delimiter) == []


@pytest.mark.parametrize(
    ("end", "known", "waits"),
    [
        (b"10=", Endings(), True),
        (b"10=1", Endings(), True),
        (b"10=12", Endings(), True),
        (b"10=123", Endings(), True),
        (b"10=12", Endings(bare=True), True),
        (b"10=123", Endings(bare=True), False),
        (b"10=1234", Endings(bare=True), True),
        (b"10=123\x01", Endings(), False),
        (b"10=123\x01\r", Endings(), False),
        (b"10=123\r", Endings(), False),
        (b"10=123\n", Endings(), False),
        (b"58=cut\n", Endings(), True),
        (b"58=cut\n", Endings(unsealed=True), False),
        (b"58=cut\n" + FIRST, Endings(), False),
        (b"95=400\x0196=cut\n", Endings(unsealed=True), True),
    ],
)
def test_the_last_message_is_whole_if_nothing_after_it_can_change_it(end, known, waits):
    cut = b"8=FIX.4.4\x019=500\x0135=B\x01148=news\x01" + end
    assert last_border(FIRST + b"\n" + cut, b"\x01", at_end=known) == (
        len(FIRST) + 1 if waits else len(FIRST) + 1 + len(cut)
    )


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("lines", Endings()),
        ("lines of Windows", Endings()),
        ("lines without the last delimiter", Endings(bare=True)),
        ("messages without the last delimiter", Endings(bare=True)),
        ("lines without CheckSum", Endings(unsealed=True)),
    ],
)
def test_a_log_shows_how_its_messages_end(layout, expected):
    log = b"".join(map(LAYOUTS[layout], [FIRST, SECOND, FIRST]))
    assert endings(log, b"\x01") == expected
    assert endings(log[: len(LAYOUTS[layout](FIRST)) - 4], b"\x01") == Endings()


def test_the_last_message_is_read_without_its_last_delimiter():
    log = FIRST[:-1] + b"\n" + SECOND[:-1]
    assert end_of(log, b"\x01") == len(log)
    assert end_of(log[:-1], b"\x01") == len(FIRST)
