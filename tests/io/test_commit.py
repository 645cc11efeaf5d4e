"""A custom sink is a one-page class and holds each message once, whatever runs twice."""

import contextlib
import dataclasses
import fcntl
import itertools
import json
import math
import os
import random
import threading
import time

import apache_beam as beam
import pytest
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from fixfeed.io.commit import CommitFn, Limits, Run, SetAside
from fixfeed.io.ledger.identity import fingerprint_of
from fixfeed.io.ledger.ledger import SinkError, SinkFailed, known
from fixfeed.io.ledger.new_parts import new_parts
from fixfeed.transforms.batch import ROUND, TICK, Batch, Block, Failure
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.keep import filter_batch, read_rules
from tests.transforms.fix.messages import encode


class LinesOfCommits:
    """A plain file. Each line is a commit with its stretches and its messages.

    The file's lock keeps writers apart. A half line left by a killed writer is cut off.
    """

    def __init__(self, place):
        self.file = open(place, "a+b")  # noqa: SIM115, close() closes it

    def prepare(self):
        """Do nothing: the file exists."""

    def register(self, sources, *, rules, replace=False):
        ids = {one.key: int(fingerprint_of(one.key)[4:16], 16) for one in sources}
        return known(ids, {}, {}, rules=rules)

    def write(self, batches, *, rules, replace):
        fcntl.flock(self.file, fcntl.LOCK_EX)
        try:
            done = self.done()
            stored, progress, messages = [], [], []
            for source_id, batch in batches:
                parts = new_parts(batch, done.setdefault(source_id, []), rules=rules)
                done[source_id] += [part.progress for part in parts]
                progress += [(source_id, *part.progress) for part in parts]
                raw = [text for part in parts for text in part.messages["raw"].to_pylist()]
                messages += [text.decode("latin-1") for text in raw]
                stored.append(len(raw))
            line = json.dumps({"progress": progress, "messages": messages})
            self.file.write(line.encode() + b"\n")
            self.file.flush()
            os.fsync(self.file.fileno())
        finally:
            fcntl.flock(self.file, fcntl.LOCK_UN)
        return stored

    def done(self):
        self.file.seek(0)
        found, end = {}, 0
        for line in self.file:
            if line.endswith(b"\n"):
                end += len(line)
                for source_id, *row in json.loads(line)["progress"]:
                    found.setdefault(source_id, []).append(tuple(row))
        self.file.truncate(end)
        return found

    def close(self):
        self.file.close()


LOG = b"".join(
    encode([(35, b"D"), (34, b"%d" % n), (49, b"A"), (56, b"B"), (11, b"C%d" % n)]) + b"\n"
    for n in range(60)
)
BORDERS = [0, *itertools.accumulate(map(len, LOG.splitlines(keepends=True)))]
MESSAGES = LOG.decode().splitlines()


def batch(first, last, source="file:key"):
    start, end = BORDERS[first], BORDERS[last]
    return parse_block(Block(source, start, LOG[start:end], witness=f"{end:032x}"))


BATCHES = [batch(n, n + 3) for n in range(0, 60, 3)]


def committed(place):
    """Return the messages of each commit in a file."""
    return [json.loads(line)["messages"] for line in place.read_text().splitlines()]


def stored(place):
    return sorted(itertools.chain.from_iterable(committed(place)))


class FailsOnce(beam.DoFn):
    """Fails the first bundle it gets, after it has passed on some batches."""

    def __init__(self, folder):
        self._folder = folder

    def start_bundle(self):
        self._left = 7

    def process(self, one):
        self._left -= 1
        if not self._left:
            try:
                os.mkdir(self._folder)
            except FileExistsError:
                pass
            else:
                raise RuntimeError("this bundle fails")
        yield one


def test_a_bundle_that_fails_and_runs_again_is_stored_once(tmp_path):
    place = tmp_path / "out"
    limits = Limits(bytes=1 << 20, rows=6)
    for attempt in ("fails", "goes well"):
        pipeline = beam.Pipeline(runner=FnApiRunner())
        _ = (
            pipeline
            | beam.Create(BATCHES, reshuffle=False)
            | beam.ParDo(FailsOnce(str(tmp_path / "failed")))
            | beam.ParDo(CommitFn(lambda: LinesOfCommits(place), Run(rules="r"), limits))
        )
        if attempt == "fails":
            with pytest.raises(Exception, match="this bundle fails"):
                pipeline.run().wait_until_finish()
            assert 0 < len(stored(place)) < len(MESSAGES)
        else:
            pipeline.run().wait_until_finish()
    assert stored(place) == sorted(MESSAGES)


def run_bundle(fn, batches):
    fn.start_bundle()
    for one in batches:
        assert list(fn.process(one)) == []
    fn.finish_bundle()


@pytest.fixture
def commit_fn(tmp_path):
    """Return a factory of `CommitFn`s for a file, each torn down after the test."""
    made = []

    def make(*, on_commit=None, while_parsing=False, place=tmp_path / "out", **limits):
        limits = Limits(**({"bytes": 1 << 30, "rows": 1 << 30} | limits))
        run = Run(rules="r", on_commit=on_commit)
        fn = CommitFn(lambda: LinesOfCommits(place), run, limits, while_parsing=while_parsing)
        fn.setup()
        made.append(fn)
        return fn

    yield make
    for fn in made:
        fn.teardown()


@pytest.mark.parametrize("while_parsing", [False, True])
def test_repeated_and_recut_batches_are_stored_once(commit_fn, tmp_path, while_parsing):
    rng = random.Random(1)
    counts = []
    fn = commit_fn(
        rows=20,
        while_parsing=while_parsing,
        on_commit=lambda one: counts.extend(count for _, count in one),
    )
    for _ in range(20):
        first = rng.randrange(60)
        part = batch(first, rng.randrange(first, 60) + 1)
        run_bundle(fn, [part, *rng.sample(BATCHES, 3), part])
    run_bundle(fn, [batch(0, 60)])
    assert stored(tmp_path / "out") == sorted(MESSAGES)
    assert (len(counts), sum(counts)) == (20 * 5 + 1, len(MESSAGES))


def test_concurrent_workers_store_each_message_once(commit_fn, tmp_path):
    fns = [commit_fn(rows=9) for _ in range(3)]
    threads = [threading.Thread(target=run_bundle, args=(fn, BATCHES)) for fn in fns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(tmp_path / "out") == sorted(MESSAGES)


def test_batches_are_committed_by_rows_and_by_bytes(commit_fn, tmp_path):
    run_bundle(commit_fn(rows=6), BATCHES)
    assert [len(one) for one in committed(tmp_path / "out")] == [6] * 10
    octets = BATCHES[0].messages.nbytes + BATCHES[0].failures.nbytes
    run_bundle(commit_fn(bytes=3 * octets - 9, place=tmp_path / "other"), BATCHES[:6])
    assert [len(one) for one in committed(tmp_path / "other")] == [9, 9]


def test_a_batch_waits_no_longer_than_allowed_in_an_endless_bundle(commit_fn, tmp_path):
    fn = commit_fn(seconds=0.2)
    fn.start_bundle()
    fn.process(BATCHES[0])
    assert not (tmp_path / "out").exists()
    time.sleep(0.2)
    fn.process(BATCHES[1])  # An idle source sends empty batches.
    assert committed(tmp_path / "out") == [MESSAGES[:6]]
    fn.process(BATCHES[2])
    assert len(committed(tmp_path / "out")) == 1
    fn.finish_bundle()
    assert committed(tmp_path / "out") == [MESSAGES[:6], MESSAGES[6:9]]


@pytest.mark.parametrize(("waits", "is_stored"), [(0.1, True), (math.inf, False)])
def test_the_end_of_a_round_is_stored_at_once_unless_the_sink_gathers_for_long(
    tmp_path, waits, is_stored
):
    fn = CommitFn(
        lambda: LinesOfCommits(tmp_path / "out"), Run(seconds=waits), Limits(1 << 30, 1000)
    )
    fn.setup()
    fn.start_bundle()
    fn.process(BATCHES[0])
    fn.process(parse_block(ROUND))
    while not (tmp_path / "out").exists():
        time.sleep(0.01)
    assert committed(tmp_path / "out") == [MESSAGES[:3]] * is_stored
    fn.teardown()


def test_a_sink_is_ready_before_there_is_anything_to_store(tmp_path):
    made = []

    def make():
        made.append(LinesOfCommits(tmp_path / "out"))
        return made[-1]

    fn = CommitFn(make, Run(seconds=0.1), Limits(1 << 30, 1000))
    fn.setup()
    fn.start_bundle()
    for _ in range(3):
        fn.process(parse_block(TICK))
        fn.finish_bundle()
    assert len(made) == 1
    fn.process(BATCHES[0])
    fn.finish_bundle()
    assert len(made) == 1
    assert committed(tmp_path / "out") == [MESSAGES[:3]]
    fn.teardown()


def test_batches_gathered_by_a_failed_bundle_are_forgotten(commit_fn, tmp_path):
    fn = commit_fn()
    fn.start_bundle()
    fn.process(BATCHES[5])
    run_bundle(fn, BATCHES[:1])
    assert stored(tmp_path / "out") == sorted(MESSAGES[:3])


def test_an_error_of_the_writer_fails_the_bundle(commit_fn, tmp_path):
    for while_parsing in (False, True):
        fn = commit_fn(while_parsing=while_parsing, place=tmp_path / "no folder" / "out")
        for _ in range(2):
            with pytest.raises(FileNotFoundError):
                run_bundle(fn, BATCHES)


def test_an_error_of_a_writer_in_the_background_is_raised_when_nothing_comes(tmp_path):
    def make():
        raise SinkError("no place")

    fn = CommitFn(make, Run(seconds=0.1), Limits(1 << 30, 1000), while_parsing=True)
    fn.setup()
    fn.start_bundle()

    def wait():
        while True:
            fn.process(parse_block(TICK))

    with pytest.raises(SinkError, match="no place"):
        wait()
    fn.teardown()


class TakesNoThirdMessage(LinesOfCommits):
    """Takes no message with MsgSeqNum 3, which becomes a failure."""

    def write(self, batches, *, rules, replace):
        if any(map(has_third, batches)):
            raise SetAside([without_third(batch) for _, batch in batches])
        return super().write(batches, rules=rules, replace=replace)


def has_third(numbered):
    return 3 in numbered[1].messages["msg_seq_num"].to_pylist()


def without_third(batch):
    (keep,) = read_rules(["MsgSeqNum != 3"])
    left = filter_batch(batch, include=[keep])
    gone = filter_batch(batch, exclude=[keep]).messages
    failures = [Failure(row["position"], "too_large", "", row["raw"]) for row in gone.to_pylist()]
    made = Batch.of(Block(batch.source, 0, b""), left.messages, failures).failures
    return dataclasses.replace(left, filtered_positions=batch.filtered_positions, failures=made)


def test_messages_that_a_sink_never_takes_count_as_failures_and_the_rest_is_stored(tmp_path):
    counted = []
    run = Run(rules="r", on_commit=counted.extend)
    fn = CommitFn(lambda: TakesNoThirdMessage(tmp_path / "out"), run, Limits(1 << 30, 1 << 30))
    fn.setup()
    run_bundle(fn, BATCHES)
    fn.teardown()
    assert stored(tmp_path / "out") == sorted(one for one in MESSAGES if "\x0134=3\x01" not in one)
    assert [count for _, count in counted] == [3, 2] + [3] * 18
    set_aside = counted[1][0]
    assert set_aside.failures["reason"].to_pylist() == ["too_large"]
    assert set_aside.messages.num_rows + set_aside.failures.num_rows == set_aside.read == 3


class HoldsUp(TakesNoThirdMessage):
    """Holds up each step once, as while a server does not answer."""

    def __init__(self, place):
        super().__init__(place)
        self.held, self.seen, self.closed = set(), [], 0

    def hold_up(self, step):
        if step not in self.held:
            self.held.add(step)
            raise SinkFailed("no answer yet", held=True)

    def prepare(self):
        self.hold_up("prepare")
        super().prepare()

    def register(self, sources, **more):
        self.hold_up("register")
        return super().register(sources, **more)

    def write(self, batches, *, rules, replace):
        if any(map(has_third, batches)):
            assert not self.seen  # what is never taken does not come again
            return super().write(batches, rules=rules, replace=replace)
        self.seen.append([batch for _, batch in batches])
        self.hold_up("write")
        return super().write(batches, rules=rules, replace=replace)

    def close(self):
        self.closed += 1
        super().close()


class AtOnce:
    """Tries again at once."""

    def until_it_works(self, work):
        while True:
            with contextlib.suppress(SinkFailed):
                return work()


def test_what_a_server_holds_up_comes_again_to_the_same_writer_as_it_was(tmp_path):
    made, counted = [], []

    def make():
        made.append(HoldsUp(tmp_path / "out"))
        return made[-1]

    run = Run(rules="r", on_commit=counted.extend, again=AtOnce())
    fn = CommitFn(make, run, Limits(1 << 30, 1 << 30))
    fn.setup()
    run_bundle(fn, BATCHES)
    (writer,) = made
    assert (writer.held, writer.closed) == ({"prepare", "register", "write"}, 0)
    first, again = writer.seen
    assert all(one is other for one, other in zip(first, again, strict=True))
    fn.teardown()
    assert writer.closed == 1
    assert stored(tmp_path / "out") == sorted(one for one in MESSAGES if "\x0134=3\x01" not in one)
    assert [count for _, count in counted] == [3, 2] + [3] * 18


def test_what_comes_while_a_commit_is_written_is_committed_together(tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    class Slow(LinesOfCommits):
        def write(self, batches, **options):
            begun.set()
            assert go_on.wait(60)
            return super().write(batches, **options)

    run = Run(rules="r", seconds=0.0)
    limits = Limits(1 << 30, 1 << 30)
    fn = CommitFn(lambda: Slow(tmp_path / "out"), run, limits, while_parsing=True)
    fn.setup()
    fn.start_bundle()
    fn.process(BATCHES[0])
    assert begun.wait(60)
    for one in BATCHES[1:5]:
        fn.process(one)  # it does not wait for the commit
    go_on.set()
    fn.process(parse_block(TICK))
    fn.finish_bundle()
    fn.teardown()
    assert [len(one) for one in committed(tmp_path / "out")] == [3, 12]


def test_two_blocks_with_one_source_and_start_are_refused(commit_fn):
    fn = commit_fn()
    one, other = (parse_block(Block("mine", 0, LOG[:end])) for end in BORDERS[1:3])
    run_bundle(fn, [one, one])
    with pytest.raises(SinkError, match=r"two different blocks came as source 'mine'"):
        run_bundle(fn, [other])


@pytest.mark.parametrize("while_parsing", [False, True])
def test_beams_metrics_count_what_was_committed(tmp_path, while_parsing):
    place = str(tmp_path / "out")
    fn = CommitFn(lambda: LinesOfCommits(place), Run(), Limits(1, 1), while_parsing=while_parsing)
    failed = parse_block(Block("other", 0, b"8=FIX.4.4|no message", layout=b"|"))
    dropped = filter_batch(BATCHES[1], exclude=read_rules(["MsgType exists"]))
    batches = [BATCHES[0], BATCHES[0], dropped, failed]
    pipeline = beam.Pipeline()
    _ = pipeline | beam.Create(batches) | beam.ParDo(fn)
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query(MetricsFilter().with_namespace(CommitFn))["counters"]
    assert {one.key.metric.name: one.committed for one in found} == {
        "stored": BATCHES[0].messages.num_rows,
        "repeated": BATCHES[0].messages.num_rows,
        "filtered": BATCHES[1].messages.num_rows,
        "failures": failed.failures.num_rows,
    }
    assert len(stored(tmp_path / "out")) == BATCHES[0].messages.num_rows
    assert failed.failures.num_rows == 1


def test_a_source_that_the_run_registers_later_is_not_registered_again(tmp_path):
    class Once(LinesOfCommits):
        def register(self, sources, *, rules, replace=False):
            registered.extend(one.key for one in sources)
            return super().register(sources, rules=rules, replace=replace)

    registered, ids = [], {}
    fn = CommitFn(lambda: Once(tmp_path / "lines"), Run(ids), Limits(1 << 20, 1))
    fn.setup()
    fn.start_bundle()
    for source in ("file:unknown", "file:told"):
        fn.process(batch(0, 3, source))
        ids["file:told"] = 7
    fn.finish_bundle()
    fn.teardown()
    assert registered == ["file:unknown"]
    assert len(committed(tmp_path / "lines")) == 2
