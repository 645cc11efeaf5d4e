"""A reader of a shard goes on from bundle to bundle; after a failure there is a new one."""

import pickle

from fixfeed.io.kafka import sharded
from fixfeed.transforms.batch import Block


class Feed:
    def __init__(self, name):
        self.name = name
        self.number = 0
        self.closed = False

    def next(self, _seconds):
        self.number += 1
        return Block(self.name, self.number, b"") if self.number % 3 else None

    def close(self):
        self.closed = True


class Topics:
    """Makes feeds in place of those of a broker (`TopicsElsewhere.read`)."""

    def __init__(self):
        self.made = []

    def read(self, shard, shards):
        self.made.append(Feed(f"{shard} of {shards}, {len(self.made)}"))
        return self.made[-1]


class Claims:
    """What a runner gives a bundle of its tracker."""

    def __init__(self, moment):
        self.tracker = sharded._Moments().create_tracker(moment)
        self.rest = None

    def current_restriction(self):
        return self.tracker.current_restriction()

    def try_claim(self, position):
        return self.tracker.try_claim(position)

    def defer_remainder(self):
        _, self.rest = self.tracker.try_split(0)


def bundle(read, shard, moment):
    """Return what a bundle reads from a moment on, and the moment after it."""
    claims = Claims(moment)
    found = [block.source for block in read.process(shard, claims)]
    assert claims.tracker.check_done()
    return found, claims.rest


def test_a_reader_goes_on_until_a_failure_and_then_a_new_one_begins():
    topics, shard = Topics(), sharded._Shard(1, 4)
    job = sharded._Read(topics, 60)
    first = sharded._Moments().initial_restriction(shard)
    read, second = bundle(job, shard, first)
    assert read == ["1 of 4, 0"] * 2
    read, third = bundle(job, shard, second)
    assert (read, len(topics.made)) == (["1 of 4, 0"] * 2, 1)
    # The bundle after the second moment has failed: the runner goes back to it.
    read, fourth = bundle(job, shard, second)
    assert read == ["1 of 4, 1"] * 2
    assert topics.made[0].closed
    assert fourth not in (third, second)
    read, _ = bundle(job, shard, fourth)
    assert (read, len(topics.made)) == (["1 of 4, 1"] * 2, 2)


def test_a_job_that_goes_on_from_a_savepoint_reads_for_its_own_outputs():
    before, after = Topics(), Topics()
    shard = sharded._Shard(1, 4)
    first = sharded._Moments().initial_restriction(shard)
    _, saved = bundle(sharded._Read(before, 60), shard, first)
    stored = pickle.dumps((shard, saved))
    read, _ = bundle(sharded._Read(after, 60), *pickle.loads(stored))
    assert (read, len(before.made), len(after.made)) == (["1 of 4, 0"] * 2, 1, 1)


def test_each_partition_belongs_to_one_shard():
    for shards in (1, 3, 8):
        for number in range(20):
            owners = [one for one in range(shards) if sharded._is_in("fix.in", number, one, shards)]
            assert len(owners) == 1
