"""Plain messages, told at once, are those that are told one by one."""

import doctest
import random

import pytest

from fixfeed.transforms.fix.framing import borders, messages, plain
from fixfeed.transforms.fix.framing.borders import Endings, endings
from fixfeed.transforms.fix.framing.messages import spans
from tests.transforms.fix.messages import encode, random_log


def test_the_example_is_true():
    assert doctest.testmod(plain) == doctest.TestResults(0, 2)


def told(data, delimiter):
    """Return all that is told of data: messages, borders, how its messages end."""
    return (
        [list(spans(data, delimiter, final=final)) for final in (True, False)],
        [
            list(borders._borders(data, delimiter, synced=synced, at_end=at_end))
            for synced in (True, False)
            for at_end in (None, Endings(), Endings(bare=True))
        ],
        endings(data, delimiter),
    )


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^", b" "])
@pytest.mark.parametrize("seed", range(6))
def test_messages_and_borders_are_the_same_with_and_without_it(seed, delimiter, monkeypatch):
    rng = random.Random(seed)
    log = random_log(rng, 12, mutated=0.1 * (seed % 3), delimiter=delimiter)
    alone = [encode([(35, b"0")]).replace(b"\x01", delimiter)] * 2
    alone += [log[one.start : one.end] for one in spans(log, delimiter)]
    parts = [log, b"\n" + log, *(one.join(alone) for one in (b"", b"\n", b"\r\n", b"\r"))]
    assert len(list(plain.plain(parts[2], 0, delimiter))) >= 2
    for part in parts[:]:
        begins = (rng.randrange(200) for _ in range(6))
        parts += [part[begin : -rng.randrange(1, 200)] for begin in begins]
    found = [told(part, delimiter) for part in parts]
    for module in (borders, messages):
        monkeypatch.setattr(module, "plain", lambda *_: iter(()))
    assert [told(part, delimiter) for part in parts] == found


@pytest.mark.parametrize(
    "other",
    [
        b"8=FIX.4.4\x019=5\x0135=0\x0110=16\x01",
        b"8=FIX.4.4\x019=5\x0135=0\x0110=1619\x01",
        b"8=FIX.4.4\x019=5\x0135=0\x0110=161",
        b"8=FIX.4.4\x019=2000000\x0135=0\x0110=161\x01",
        b"8=FIX.4.4\x019=\x0135=0\x0110=161\x01",
        b"8=FIX.4\x019=5\x0135=0\x0110=161\x01",
        b" 8=FIX.4.4\x019=5\x0135=0\x0110=161\x01",
        b"\n\n8=FIX.4.4\x019=5\x0135=0\x0110=161\x01",
        encode([(35, b"B"), (95, b"3"), (96, b"a\nb")]),
    ],
)
def test_it_ends_at_what_is_not_plain(other):
    message = encode([(35, b"0")])
    data = message + b"\n" + message + other + message
    size = len(message)
    assert list(plain.plain(data, 0, b"\x01")) == [(0, size), (size + 1, 2 * size + 1)]
