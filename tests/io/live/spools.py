"""Spools for tests, written as a gateway does."""

from pathlib import Path

from fixfeed.io.files.ranges import LONGEST
from fixfeed.io.live.feed import SpoolFeed
from fixfeed.io.live.reading import SpooledConnection
from fixfeed.io.live.spool import Kind
from fixfeed.io.live.writing import SpoolWriter
from fixfeed.transforms.batch import ROUND
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.pieces import parsed
from tests.transforms.fix.messages import encode

ADDRESS = "tcp-0.0.0.0-9876"
CONNECTION = "2026-11-27T00.30.45.123456Z-10.0.0.7-51234"


def message(number, text=b"a test"):
    return encode([(35, b"0"), (34, b"%d" % number), (112, text)])


def published(writer):
    """Sync and publish what a writer has written."""
    group = writer.to_sync()
    group.sync()
    writer.publish(group)


def write(spool, *chunks, ended=True, name=CONNECTION, received=1_000_000, **options):
    """Write a connection of these chunks, one a millisecond; return its folder and writer."""
    folder = Path(spool) / ADDRESS / name
    writer = SpoolWriter(folder, begin=b"8=FIX", **options)
    for number, chunk in enumerate(chunks):
        writer.append(chunk, received + 1000 * number)
    if ended:
        writer.end(Kind.CLOSED, received + 1000 * len(chunks))
    published(writer)
    if ended:
        writer.close()
    return folder, writer


def batches_of(folder, *, at=0, longest=LONGEST):
    """Read what is there of a connection; return the batches."""
    one = SpooledConnection(folder, FIX, longest=longest)
    one.has_news()
    if at:
        one.start_at(at)
    return [parsed(FIX, block) for block in one.blocks()]


def numbers_of(batches):
    return [number for batch in batches for number in batch.messages["msg_seq_num"].to_pylist()]


def failures_of(batches):
    return [
        (row["position"], row["reason"], row["raw"])
        for batch in batches
        for row in batch.failures.to_pylist()
    ]


class Sink:
    """The ledger of a sink that stores all blocks of a feed."""

    def __init__(self):
        self.stretches = {}
        self.batches = []

    def done(self, sources):
        return {source.key: self.stretches.get(source.key, []) for source in sources}

    def store(self, block):
        if block == ROUND:
            return
        self.batches.append(parsed(FIX, block))
        if not block.provisional:
            self.stretches.setdefault(block.source, []).append((block.start, block.end))


def drained(spool, sink, *, said=None, keep=3600.0, names=None):
    """Read a spool into a sink until nothing comes any more; return the feed, which has ended."""
    stopped = []
    feed = SpoolFeed(
        Path(spool),
        names,
        FIX,
        sink,
        stop=lambda: bool(stopped),
        say=(said if said is not None else []).append,
        keep=keep,
    )
    while block := feed.next(0.2):
        sink.store(block)
    stopped.append(True)
    while not feed.ended:
        if block := feed.next(0.2):
            sink.store(block)
    return feed
