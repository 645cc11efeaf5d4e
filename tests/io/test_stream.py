"""A feed as a source of Beam: every block comes, small ones together, ticks in their place."""

import itertools

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from fixfeed.io import stream
from fixfeed.io.stream import ReadFromFeed
from fixfeed.transforms.batch import FLUSH, ROUND, Block

SEEN = []


class Blocks:
    """A feed of these blocks."""

    state, behind = "reading blocks", ""

    def __init__(self, *blocks):
        self._blocks = list(blocks)

    @property
    def ended(self):
        return not self._blocks

    def next(self, seconds):
        found = self._blocks.pop(0) if self._blocks else None
        SEEN.append(("asked", found.source if found else None))
        return found

    def close(self):
        pass


def saw(block):
    SEEN.append(("came", block))


def come(*blocks):
    """What comes of blocks, in order; ticks without a name are left out."""
    SEEN.clear()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | ReadFromFeed(Blocks(*blocks)) | beam.Map(saw)
    return [
        (
            block.source or ("ROUND" if block == ROUND else "FLUSH"),
            [o.source for o in block.together],
        )
        for kind, block in SEEN
        if kind == "came" and (block.source or block.provisional or block.last)
    ]


def block(name, size=100):
    return Block(name, 0, b"x" * size)


def test_small_blocks_come_together_and_large_ones_by_themselves():
    large = block("large", 1 << 20)
    blocks = [block("a"), block("b"), ROUND, large, block("c"), large, block("d"), ROUND]
    assert come(*blocks) == [
        ("a", ["b"]),
        ("ROUND", []),
        ("large", []),
        ("c", ["large"]),
        ("d", []),
        ("ROUND", []),
    ]


def test_no_block_is_asked_for_between_a_flush_and_what_is_done_for_it():
    come(block("a"), FLUSH, block("b"))
    kinds = [(kind, getattr(what, "source", what)) for kind, what in SEEN]
    flushed = next(n for n, (kind, what) in enumerate(SEEN) if kind == "came" and what == FLUSH)
    assert kinds[flushed + 1] == ("asked", "b")
    assert kinds.index(("came", "a")) < flushed


def test_while_nothing_comes_for_long_sinks_look_at_the_clock_more_rarely(monkeypatch):
    clock, asked = itertools.count(), []

    class Silent(Blocks):
        @property
        def ended(self):
            return len(asked) == 5

        def next(self, seconds):
            asked.append(seconds)
            return block("a") if len(asked) == 4 else None

    monkeypatch.setattr(stream.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(stream, "_TOGETHER", 0)
    reader = stream._FeedReader(Silent())
    while reader.advance():
        pass
    assert asked == [0.1, 0.25, 0.25, 0.25, 0.1]
