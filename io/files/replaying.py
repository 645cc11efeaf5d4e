"""Replays logs: their messages come as they came, by the times in the logs, at any speed.

Several files are merged by time. Each is read by a reader of its own, which holds one block of it,
so no file is loaded. Messages within 10 ms of the replay, and those that are due already, come
together, in one block of each file.
"""

import datetime
import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fixfeed.io.files.find import File, Unreadable
from fixfeed.io.files.following import Register
from fixfeed.io.files.ranges import BLOCK, Range
from fixfeed.io.files.replay_clock import Lateness, ReplayClock, Seconds
from fixfeed.io.files.timed import Timed, TimedFile
from fixfeed.io.files.window import UNTIMED, Window
from fixfeed.transforms.batch import Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["Pace", "Replayed", "ReplayedFiles"]

_TOGETHER = 0.01  # seconds of the replay
_AT_ONCE = 60_000_000  # microseconds of the log that come together if nothing is waited for
_READ = 256 << 10  # bytes: a block is read and timed in a few milliseconds
_LATEST = np.iinfo(np.int64).max
_SHOWN_LATE = 0.5  # seconds
_ELSEWHERE = "to replay it once more, name another database with --output"
_ALWAYS = Window()
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Pace:
    """How logs are replayed: times the pace of the log (0: as fast as it goes), and what of them.

    A gap between two messages that is longer than `longest_gap` seconds, of the log, is made that
    long; if that is None, one of more than a day is made a minute.
    """

    speed: float = 1.0
    window: Window = _ALWAYS
    longest_gap: float | None = None


@dataclass(frozen=True)
class Replayed:
    """What was replayed: at which speed, the times in the log of the first and last message.

    `by` counts the messages by the column that their time is from, `` for none. `lateness` is that
    of the messages, None if nothing was waited for. `whole` is false if it was stopped before.
    """

    speed: float
    first: datetime.datetime | None
    last: datetime.datetime | None
    by: Counter[str]
    lateness: Lateness | None
    whole: bool


class ReplayedFiles:
    """The blocks of files, each when its messages are due (`io.stream.Feed`).

    What all ledgers have is left out; the clock starts at the first message that is left. A message
    is never given before it is due. `unreadable` are patterns and files that give nothing. It ends
    with the last message, or once `stop` returns true.
    """

    def __init__(
        self,
        files: Sequence[File],
        protocol: Protocol,
        register: Register,
        pace: Pace,
        *,
        stop: Callable[[], bool],
        paused: Callable[[], bool],
        say: Callable[[str], None],
        unreadable: Sequence[Unreadable] = (),
    ):
        """While `paused` returns true the clock stops; `say` is given sentences for people."""
        self.ended = False
        self.unreadable = unreadable
        self._files = files
        self._protocol = protocol
        self._register = register
        self._pace = pace
        self._stop = stop
        self._paused = paused
        self._say = say
        gap = pace.longest_gap
        self._clock = ReplayClock(pace.speed, None if gap is None else round(gap * 1e6))
        self._readers: list[TimedFile] | None = None
        self._looking: deque[int] = deque()  # readers whose next time is not known yet
        self._heads: list[tuple[int, int]] = []  # a heap of the times of the others
        self._planned: tuple[Timed, Seconds] | None = None
        self._gave = self._whole = self._is_first = self._said_gap = False
        self._first = self._last = UNTIMED
        self._by: Counter[str] = Counter()
        self._lateness = Lateness()

    @property
    def state(self) -> str:
        """See `Feed`; with the time in the log."""
        now = _shown(self._clock.time)
        if not now:
            return "looking for the first message to replay"
        return f"{'paused' if self._clock.is_paused else 'replaying'} at {now}"

    @property
    def behind(self) -> str:
        """See `Feed`: by how much messages are late, or how long nothing comes."""
        late = self._clock.late()
        if self._clock.is_paused or abs(late) < _SHOWN_LATE:
            return ""
        if late > 0:
            return f"{late:,.1f} s late"
        return f"next message in {datetime.timedelta(seconds=round(-late))}"

    @property
    def lag(self) -> None:
        """See `Feed`."""
        return None

    @property
    def replayed(self) -> Replayed:
        """What was replayed so far."""
        return Replayed(
            self._pace.speed,
            _moment(self._first),
            _moment(self._last),
            self._by,
            self._lateness if self._pace.speed else None,
            self._whole,
        )

    def next(self, seconds: float) -> Block | None:
        """See `Feed`."""
        deadline = time.monotonic() + seconds
        if self._is_first:
            # It has gone through the whole job, which is ready for the next ones now.
            self._is_first = False
            self._clock.due_now()
        while not self._stop():
            if self._readers is None:
                self._readers = self._opened()
            self._heed_pause()
            if self._clock.is_paused:
                wait = seconds
            elif self._planned is not None:
                wait = -self._clock.late()
                if wait <= 0:
                    return self._given(*self._planned)
                if self._look():
                    continue
            elif self._look():
                if time.monotonic() < deadline:
                    continue
                return None
            elif self._heads:
                self._plan()
                continue
            else:
                self._end()
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(wait, left))
        self.ended = True
        return None

    def close(self) -> None:
        """Close all files."""
        for one in self._readers or ():
            one.close()

    def _opened(self) -> list[TimedFile]:
        """Return a reader for each file of which something is not stored yet."""
        parts: dict[str, list[Range]] = {}
        for part in self._register.lacking(self._files):
            parts.setdefault(part.origin.key, []).append(part)
        self._say_what_is_stored(parts.values())
        size = _READ if self._pace.speed else BLOCK
        readers = [
            TimedFile(own, self._protocol, self._pace.window, block_size=size)
            for own in parts.values()
        ]
        self._looking.extend(range(len(readers)))
        return readers

    def _say_what_is_stored(self, parts: Collection[Sequence[Range]]) -> None:
        if self._files and not any(file.size for file in self._files):
            self._say("nothing is left to replay: all files are empty")
            return
        if self._files and not parts:
            self._say(f"everything is stored already, so nothing is left to replay; {_ELSEWHERE}")
            return
        done = len(self._files) - len(parts)
        begun = sum(any(part.start or part.stop or part.skip for part in own) for own in parts)
        if done or begun:
            self._say(
                f"of {len(self._files):,} files {done:,} are stored already and {begun:,} in part; "
                f"what is stored is left out. {_ELSEWHERE.capitalize()}"
            )

    def _heed_pause(self) -> None:
        if self._paused() == self._clock.is_paused:
            return
        if self._clock.is_paused:
            self._clock.go_on()
            self._say("the replay goes on")
        else:
            self._clock.pause()
            now = _shown(self._clock.time) or "the start"
            self._say(f"paused at {now}; the same signal lets it go on")

    def _look(self) -> bool:
        """Look for the next message of a file; return false if all are known."""
        if not self._looking:
            return False
        assert self._readers is not None
        number = self._looking[0]
        reader = self._readers[number]
        if reader.look():
            self._looking.popleft()
            if not reader.ended:
                heapq.heappush(self._heads, (reader.head, number))
        return True

    def _plan(self) -> None:
        """Take the next block, and ask the clock when its messages are due."""
        assert self._readers is not None
        head, number = heapq.heappop(self._heads)
        if head == UNTIMED:
            until = UNTIMED + 1
        elif self._pace.speed:
            # What is due already comes at once, so that what is late catches up.
            seconds = _TOGETHER + max(0.0, self._clock.late())
            until = head + max(1, round(self._pace.speed * seconds * 1e6))
        else:
            # Where nothing else comes meanwhile, more of the file may come at once.
            until = max(head + _AT_ONCE, self._heads[0][0] if self._heads else _LATEST)
        timed = self._readers[number].take(until)
        self._looking.append(number)
        self._planned = timed, self._clock.plan(timed.times)
        if self._clock.long_gap and not self._said_gap:
            self._said_gap = True
            begin, end = map(_shown, self._clock.long_gap)
            self._say(
                f"the log has nothing from {begin} to {end}: as any gap of more than a day, this "
                "one is made a minute; max-gap=TIME, as in max-gap=100d, sets the longest there is"
            )

    def _given(self, timed: Timed, offsets: Seconds) -> Block:
        self._planned = None
        self._gave = True
        for column, count in zip(*np.unique(timed.columns, return_counts=True), strict=True):
            self._by["" if column < 0 else self._protocol.table.clock[column]] += int(count)
        known = timed.times != UNTIMED
        if len(timed.columns) and known.any():
            if self._pace.speed:
                self._lateness.add(self._clock.now - offsets[known])
            if self._first == UNTIMED:
                self._first = int(timed.times[known][0])
                self._is_first = True
                self._say_how()
            self._last = max(self._last, int(timed.times[-1]))
        return timed.block

    def _say_how(self) -> None:
        pace = f"at speed {self._pace.speed:g}" if self._pace.speed else "as fast as it goes"
        by = " and ".join(one for one in self._by if one)
        self._say(f"replaying from {_shown(self._first)} on, {pace}, by {by}")

    def _end(self) -> None:
        self.ended = self._whole = True
        if self._readers and not self._gave:
            self._say(
                "nothing was left to replay: no message that is not stored already is between "
                f"from and to (in UTC); {_ELSEWHERE}"
            )


def _moment(time_: int) -> datetime.datetime | None:
    if time_ == UNTIMED:
        return None
    return _EPOCH + datetime.timedelta(microseconds=time_)


def _shown(time_: int) -> str:
    moment = _moment(time_)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
