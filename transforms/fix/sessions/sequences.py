"""Sequence numbers: which stretches of them came, and so which are missing.

Within a day and direction, messages are taken in the order in which they were sent:

1. A Logon with ResetSeqNumFlag (141), or with MsgSeqNum 1, begins the numbers anew; a SequenceReset
   in Reset mode makes its NewSeqNo (36) the next one. What was stamped within a second before the
   Logon, and goes on from its number and not from those before, comes after it.
2. A SequenceReset in GapFill mode stands for the numbers from its own up to NewSeqNo.
3. Repeats (PossDupFlag) are numbers that came, but never begin anything.
4. A number that is used already begins the numbers anew if it was sent more than a second after the
   highest one (a restart whose Logon is not there); else clocks or threads have mixed two messages
   up.
"""

import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.sessions.distinct import Distinct, whole_number

__all__ = ["Run", "read_runs", "runs_of", "stretches", "written_runs"]

_DISORDER = 1_000_000
"""Microseconds within which messages may have been stamped in another order than numbered."""

_ORIGINAL, _RESENT, _FILLED = range(3)
"""How numbers are known; what comes first here counts where there are several."""

_BEGAN = {_RESENT: "resent", _FILLED: "gap_fill"}


class Run(NamedTuple):
    """Messages one after the other in time and in number, from `first` to `last`.

    `begin` and `end` are their times. `appl_id` is null for MsgSeqNum. A message that is more than
    a number is a run of its own: `kind` says whether it is a repeat or stands for others; `resets`
    is `logon` or `reset` if it begins the numbers anew, and `new` the number that comes then, 0 if
    nothing says it.
    """

    first: int
    last: int
    begin: int
    end: int
    kind: int = _ORIGINAL
    resets: str = ""
    new: int = 0
    appl_id: str | None = None


_USUAL = Run(0, 0, 0, 0)[4:]


def written_runs(runs: Sequence[Run]) -> str | None:
    """Return runs as JSON; None if there are none.

    >>> written_runs([Run(1, 7, 50, 60), Run(3, 3, 70, 70, _RESENT)])
    '[[1,7,50,60],[3,3,70,70,1,"",0,null]]'
    """
    if not runs:
        return None
    return orjson.dumps([run[:4] if run[4:] == _USUAL else run[:] for run in runs]).decode()


def read_runs(texts: pa.ChunkedArray) -> list[Run]:
    """Return what `written_runs` has written, all of these texts in order.

    >>> [run.first for run in read_runs(pa.chunked_array([["[[1,7,50,60]]", None, "[[9,9,0,0]]"]]))]
    [1, 9]
    """
    inside = ",".join(text[1:-1] for text in texts.drop_null().to_pylist())
    return [Run(*one) for one in orjson.loads(f"[{inside}]")]


def runs_of(known: Distinct) -> dict[int, list[Run]]:
    """Return the runs of messages by line, in the order of their times."""
    at = np.flatnonzero(known.number >= 0)
    if not len(at):
        return {}
    # By ApplID within a line, in the order of time.
    at = at[np.lexsort((at, known.applied[at], known.line[at]))]
    line, number, time, applied = (
        column[at] for column in (known.line, known.number, known.time, known.applied)
    )
    types = known.rows["msg_type"].take(pa.array(at))
    telling = pc.is_in(types, value_set=pa.array(["A", "4"])).to_numpy(zero_copy_only=False)
    apart = telling.astype(bool) | known.resent[at]
    breaks = np.ones(len(at), bool)
    breaks[1:] = (line[1:] != line[:-1]) | (applied[1:] != applied[:-1])
    breaks[1:] |= (number[1:] != number[:-1] + 1) | apart[1:] | apart[:-1]
    starts = np.flatnonzero(breaks)
    ends = np.append(starts[1:], len(at)) - 1
    columns = (starts, line[starts], number[starts], number[ends], time[starts], time[ends])
    found: dict[int, list[Run]] = {}
    for start, own, first, last, begin, end in zip(*(c.tolist() for c in columns), strict=True):
        run = Run(first, last, begin, end, appl_id=known.appl_ids[applied[start]])
        if apart[start]:
            run = _told(run, known, int(at[start]))
        found.setdefault(own, []).append(run)
    return found


def _told(run: Run, known: Distinct, place: int) -> Run:
    """Return the run of a message that may be more than a number."""
    msg_type = known.rows["msg_type"][place].as_py()
    if msg_type == "4":
        told = known.told(place)
        new = whole_number(told.get("NewSeqNo", "")) or 0
        if told.get("GapFillFlag") != "Y":
            return run._replace(resets="reset", new=new)
        return run._replace(kind=_FILLED, last=max(run.first, new - 1))
    if known.resent[place]:
        return run._replace(kind=_RESENT)
    if run.first == 1 or known.told(place).get("ResetSeqNumFlag") == "Y":
        return run._replace(resets="logon", new=run.first)
    return run


def stretches(runs: Iterable[Run]) -> Iterator[dict[str, Any]]:
    """Yield the stretches of a session and day: the columns of `SEQUENCES` from `appl_id` on.

    `runs` are its runs in the order of their times. Times are in microseconds.

    >>> runs = [Run(1, 5, 0, 4), Run(8, 9, 5, 6), Run(6, 6, 7, 7, _RESENT)]
    >>> for one in stretches(runs):
    ...     print(one["first_number"], one["last_number"], one["began"], one["missing"])
    1 5 continued 0
    6 6 resent 0
    8 9 gap 1
    """
    by_feed: dict[str | None, list[Run]] = {}
    for run in runs:
        by_feed.setdefault(run.appl_id, []).append(run)
    for appl_id in sorted(by_feed, key=lambda one: (one is not None, one)):
        for numbering in _numberings(by_feed[appl_id]):
            for one in numbering.stretches():
                yield {"appl_id": appl_id, **one}


def _numberings(runs: Sequence[Run]) -> Iterator["_Numbering"]:
    """Yield the numberings of a line, each with its runs."""
    current: _Numbering | None = None
    taken: set[int] = set()
    for place, run in enumerate(runs):
        if place in taken:
            continue
        early: list[Run] = []
        if run.resets and current is not None:
            # What was sent within the same tick, and goes on with the old numbers, came before.
            for other in _of_same_time(runs, place):
                if runs[other].first == current.highest + 1 and not runs[other].resets:
                    current.add(runs[other])
                    taken.add(other)
            if run.resets == "logon":
                early = current.without_early(run)
        if current is None or run.resets or current.falls(run):
            if current is not None:
                yield current
            began = run.resets or ("continued" if current is None else "fell")
            current = _Numbering(began, run.begin, run.new or None)
        if run.resets != "reset":
            current.add(run)
        for one in early:
            current.add(one)
    if current is not None:
        yield current


def _of_same_time(runs: Sequence[Run], place: int) -> Iterator[int]:
    """Yield the places of the runs after one that are wholly of the time at which it began."""
    time = runs[place].begin
    for other in range(place + 1, len(runs)):
        if runs[other].begin != time:
            return
        if runs[other].end == time:
            yield other


@dataclass
class _Numbering:
    """Numbers that have begun anew, and what came with them.

    `expected` is the number that was to come first, None if nothing says it.
    """

    began: str
    since: int
    expected: int | None
    runs: list[Run] = field(default_factory=list)
    lowest: int = sys.maxsize
    highest: int = -1
    highest_time: int = 0

    def add(self, run: Run) -> None:
        """Take a run in."""
        self.runs.append(run)
        if run.kind == _ORIGINAL:
            self.lowest = min(self.lowest, run.first)
        if run.kind != _RESENT and run.last >= self.highest:
            self.highest, self.highest_time = run.last, run.end

    def without_early(self, logon: Run) -> list[Run]:
        """Take out what was stamped shortly before a Logon and goes on from it; return that.

        What goes on from these numbers themselves stays.
        """
        early: list[Run] = []
        others: list[Run] = []
        following = logon.last + 1
        for run in self.runs:
            is_near = run.begin >= logon.begin - _DISORDER and run.kind == _ORIGINAL
            if is_near and not run.resets and run.first == following:
                early.append(run)
                following = run.last + 1
            else:
                others.append(run)
        if not early or any(one.last + 1 == early[0].first for one in others):
            return []
        self.runs, self.lowest, self.highest = [], sys.maxsize, -1
        for run in others:
            self.add(run)
        return early

    def falls(self, run: Run) -> bool:
        """Return whether a run is not of these numbers, as it uses some of them again."""
        if run.kind != _ORIGINAL or run.first > self.highest:
            return False
        if run.begin <= self.highest_time + _DISORDER:
            return False
        return run.first < self.lowest or any(
            one.first <= run.first <= one.last for one in self.runs if one.kind == _ORIGINAL
        )

    def stretches(self) -> Iterator[dict[str, Any]]:
        """Yield the columns of `SEQUENCES` after `appl_id`."""
        found: list[tuple[int, int, int]] = []
        for kind in (_ORIGINAL, _RESENT, _FILLED):
            own = _merged((one.first, one.last) for one in self.runs if one.kind == kind)
            found += [(first, last, kind) for first, last in _without(own, found)]
        found.sort()
        inside = _Inside(found, self.runs)
        before = None if self.expected is None else self.expected - 1
        filled_at = sys.maxsize
        first_original = next((first for first, _, kind in found if kind == _ORIGINAL), None)
        # What came again below the first original may be of the day before, where numbers went on.
        counts = self.expected is not None
        for place, (first, last, kind) in enumerate(found):
            messages, begin, end = inside.of(place)
            missing = max(0, first - before - 1) if counts and before is not None else 0
            begun = "gap" if missing or begin < filled_at else "filled"
            if first == first_original:
                begun, counts = self.began, True
            yield {
                "numbers_since": self.since,
                "first_number": first,
                "last_number": last,
                "began": _BEGAN.get(kind, begun),
                "missing": missing,
                "messages": messages,
                "duplicates": 0 if kind == _FILLED else messages - (last - first + 1),
                "first_time": begin,
                "last_time": end,
            }
            before, filled_at = last, end


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans of numbers joined where they meet or overlap, in order.

    >>> _merged([(4, 5), (1, 2), (3, 3), (9, 9), (5, 6)])
    [(1, 6), (9, 9)]
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined


def _without(
    spans: Sequence[tuple[int, int]], others: Iterable[tuple[int, int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the parts of spans that are in none of the others; both do not overlap themselves.

    >>> list(_without([(1, 9)], [(3, 4, 0), (8, 12, 0)]))
    [(1, 2), (5, 7)]
    """
    ordered = sorted(others)
    ends = [last for _, last, _ in ordered]
    for first, last in spans:
        for start, end, _ in ordered[bisect_left(ends, first) :]:
            if start > last:
                break
            if first < start:
                yield first, start - 1
            first = max(first, end + 1)
        if first <= last:
            yield first, last


class _Inside:
    """How many messages the stretches have, and their times, by place."""

    def __init__(self, stretches: Sequence[tuple[int, int, int]], runs: Iterable[Run]):
        self._counts = [0] * len(stretches)
        self._times: list[tuple[int, int] | None] = [None] * len(stretches)
        ends = [last for _, last, _ in stretches]
        for run in runs:
            for place in range(bisect_left(ends, run.first), len(stretches)):
                first, last, kind = stretches[place]
                if first > run.last:
                    break
                if run.kind != _FILLED:
                    self._counts[place] += min(last, run.last) - max(first, run.first) + 1
                if run.kind == kind:
                    begin, end = self._times[place] or (run.begin, run.end)
                    self._times[place] = min(begin, run.begin), max(end, run.end)

    def of(self, place: int) -> tuple[int, int, int]:
        times = self._times[place]
        assert times is not None
        return self._counts[place], *times
