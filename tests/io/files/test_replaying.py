"""Logs are replayed in the order of their times, at any speed, and never too early."""

import gzip
import time
from contextlib import closing

import numpy as np
import pytest

from fixfeed.io.files.find import cut_ranges, file_at
from fixfeed.io.files.replay_clock import Lateness, ReplayClock
from fixfeed.io.files.replaying import Pace, ReplayedFiles
from fixfeed.io.files.window import UNTIMED, Window
from fixfeed.transforms.fix.protocol import FIX
from tests.io.files.test_timed import NINE, SECOND, line


class Register:
    """Ledgers that have nothing yet."""

    def known(self, files):
        return ()

    def lacking(self, files):
        return [part for file in files for part in cut_ranges(file, (), size=1 << 40)]


class Replay:
    """A replay, and what it gave: each message with the second at which it came."""

    def __init__(self, folder, speed=1.0, **pace):
        files = [file_at(str(path), str(path), FIX) for path in sorted(folder.iterdir())]
        self.said, self.given = [], []
        self.stopped = self.paused = False
        self.feed = ReplayedFiles(
            files,
            FIX,
            Register(),
            Pace(speed, **pace),
            stop=lambda: self.stopped,
            paused=lambda: self.paused,
            say=self.said.append,
        )
        self.close = self.feed.close

    def read(self, blocks=1 << 30):
        """Read so many blocks, or to the end; return the messages that came, without line ends."""
        before = len(self.given)
        while blocks and not self.feed.ended:
            block = self.feed.next(0.05)
            if block is not None:
                blocks -= 1
                now = time.monotonic()
                self.given += [(one, now) for one in block.data.splitlines()]
        return [one for one, _ in self.given[before:]]


def write(path, *seconds):
    data = b"".join(line(one) for one in seconds)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def lines(*seconds):
    return [line(one).rstrip() for one in seconds]


@pytest.mark.parametrize("speed", [0.0, 3600.0])
def test_files_are_merged_by_time_whatever_is_compressed(tmp_path, speed):
    hours = [one * 3600 for one in range(12)]
    write(tmp_path / "a.log", *hours[0::3])
    write(tmp_path / "b.log.gz", *hours[1::3])
    write(tmp_path / "c.log", *hours[2::3])
    with closing(Replay(tmp_path, speed, longest_gap=10.0)) as replay:
        assert replay.read() == lines(*hours)
    assert replay.said[1:] == []
    assert replay.said[0].startswith("replaying from 2026-03-02 09:00:00 UTC on, ")
    assert replay.said[0].endswith(", by sending_time")


def test_no_message_comes_before_it_is_due(tmp_path):
    seconds = [0, 0.1, 0.102, 0.5, 0.5, 0.9]
    write(tmp_path / "a.log", *seconds)
    with closing(Replay(tmp_path, 2.0)) as replay:
        begin = time.monotonic()
        replay.read()
    for second, (_, at) in zip(seconds, replay.given, strict=True):
        assert at - begin >= second / 2
    told = replay.feed.replayed
    assert told.by == {"sending_time": 6}
    assert told.whole
    assert (told.last - told.first).total_seconds() == 0.9
    assert 0 <= told.lateness.quantile(0.5) <= told.lateness.worst


def test_a_day_comes_at_once_if_nothing_is_waited_for(tmp_path):
    write(tmp_path / "a.log", *range(0, 80_000, 1000))
    with closing(Replay(tmp_path, 0.0)) as replay:
        assert len(replay.read(1)) == 80
    assert replay.feed.replayed.lateness is None


def test_the_clock_starts_with_the_first_message_that_is_wanted(tmp_path):
    write(tmp_path / "a.log", *range(0, 7200, 600))
    window = Window(NINE + 3600 * SECOND, NINE + 4201 * SECOND)
    with closing(Replay(tmp_path, 6000.0, window=window)) as replay:
        assert replay.read() == lines(3600, 4200)
    assert replay.feed.state == "replaying at 2026-03-02 10:10:00 UTC"


def test_nothing_comes_while_it_is_paused(tmp_path):
    write(tmp_path / "a.log", 0, 0.2, 0.4)
    with closing(Replay(tmp_path)) as replay:
        assert replay.read(1) == lines(0)
        replay.paused = True
        for _ in range(30):
            assert replay.feed.next(0.1) is None
        assert replay.feed.state == "paused at 2026-03-02 09:00:00 UTC"
        replay.paused = False
        begin = time.monotonic()
        assert replay.read() == lines(0.2, 0.4)
        assert time.monotonic() - begin >= 0.3
    assert replay.said[1:] == [
        "paused at 2026-03-02 09:00:00 UTC; the same signal lets it go on",
        "the replay goes on",
    ]
    assert replay.feed.replayed.lateness.worst < 2.9


def test_it_ends_at_once_when_it_is_stopped(tmp_path):
    write(tmp_path / "a.log", 0, 3600)
    with closing(Replay(tmp_path)) as replay:
        replay.read(1)
        assert replay.feed.next(0.01) is None
        assert replay.feed.behind.startswith("next message in ")
        replay.stopped = True
        assert replay.feed.next(60) is None
        assert replay.feed.ended
    assert not replay.feed.replayed.whole


def test_a_window_without_messages_is_told(tmp_path):
    write(tmp_path / "a.log", 0, 3600)
    with closing(Replay(tmp_path, window=Window(end=NINE))) as replay:
        assert replay.read() == []
    (said,) = replay.said
    assert said.startswith("nothing was left to replay: no message that is not stored already")


def test_messages_without_time_come_first(tmp_path):
    write(tmp_path / "a.log", None, None)
    write(tmp_path / "b.log", 0, 1)
    with closing(Replay(tmp_path, 10.0)) as replay:
        assert replay.read() == lines(None, None, 0, 1)
    assert replay.feed.replayed.by == {"": 2, "sending_time": 2}


def test_a_clock_plans_by_the_speed_and_shortens_long_gaps():
    clock = ReplayClock(10.0, 60 * SECOND)
    assert clock.plan(np.array([UNTIMED])).tolist() == [0]
    times = np.array([0, 5, 100, 100, 1000]) * SECOND
    assert clock.plan(times).tolist() == [0, 0.5, 6.5, 6.5, 12.5]
    # One that came earlier is due with what came last.
    assert clock.plan(np.array([900, 1001]) * SECOND).tolist() == [12.5, 12.6]


def test_a_gap_of_more_than_a_day_is_a_minute_unless_it_is_asked_for():
    hour = 3600 * SECOND
    times = np.array([0, 24, 49, 49, 400_000]) * hour
    clock = ReplayClock(60.0)
    assert clock.plan(times[:2]).tolist() == [0, 1440]
    assert clock.long_gap is None
    assert clock.plan(times[2:]).tolist() == [1441, 1441, 1442]
    assert clock.long_gap == (24 * hour, 49 * hour)
    clock = ReplayClock(60.0, 100 * hour)
    assert clock.plan(times).tolist() == [0, 1440, 2940, 2940, 8940]
    assert clock.long_gap is None


def test_a_message_of_a_wrong_clock_is_not_waited_for(tmp_path):
    write(tmp_path / "a.log", 0, 1, 1e9, 2)
    with closing(Replay(tmp_path, 6000.0)) as replay:
        assert replay.read() == lines(0, 1, 1e9, 2)
    assert replay.said[1].startswith(
        "the log has nothing from 2026-03-02 09:00:01 UTC to 2057-11-08 10:46:40 UTC: as any gap"
    )


def test_lateness_is_counted_to_two_percent():
    lateness = Lateness()
    for _ in range(100):
        lateness.add(np.linspace(0.001, 1, 1000))
    for share in (0.5, 0.9, 0.99, 1.0):
        assert lateness.quantile(share) == pytest.approx(share, rel=0.021)
    lateness.add(np.array([10_000_000.0]))
    assert lateness.quantile(1.0) == pytest.approx(1e6, rel=0.03)
    assert lateness.worst == 10_000_000
