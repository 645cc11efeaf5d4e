"""Destinations on a broker, and what is in their topics."""

from contextlib import closing

from fixfeed.io.kafka.address import read_uri
from fixfeed.io.kafka.destination import Destination
from fixfeed.io.kafka.producer import Sender
from fixfeed.io.kafka.whole_topic import read_to_the_end
from fixfeed.io.kafka.writer import KafkaWriter
from fixfeed.io.ledger.source import Source

PARTITIONS = 3


def destination(broker, topic, address=None, properties="", **options):
    query = f"?{properties}" if properties else ""
    at = read_uri(f"kafka://{address or broker.plain}/{topic}{query}", own=(), ours={})
    usual = {"failures": f"{topic}.failures", "key": "session", "create": True}
    return Destination(address=at, topic=topic, **(usual | {"partitions": PARTITIONS} | options))


def records(to, topic=None, partitions=PARTITIONS):
    """Return the records of a topic as readers of committed ones see them."""
    return list(read_to_the_end(to.address, topic or to.topic, [0] * partitions))


def lines(to, topic=None, partitions=PARTITIONS):
    """Return the values in a topic with line ends, sorted."""
    return sorted(record.value() + b"\n" for record in records(to, topic, partitions))


def written(to, *batches, name="day.log", rules="r", replace=False):
    """Write batches of one source as a job would; return how many messages of each are new.

    A transaction is seen a moment after it was committed; the next producer waits for that.
    """
    try:
        return _written(to, batches, name, rules, replace)
    finally:
        if to.transactions:
            Sender(to, 1000, transactions=True).close()


def _written(to, batches, name, rules, replace):
    with closing(KafkaWriter(to)) as writer:
        writer.prepare()
        source = Source("file:key", "file", name)
        known = writer.register([source], rules=rules)["file:key"]
        pairs = [(known.source_id, one) for one in batches]
        return writer.write(pairs, rules=rules, replace=replace)
