"""Cuts what has come of a connection apart, at places that depend on its bytes alone."""

from collections.abc import Iterator
from typing import NamedTuple

from fixfeed.io.files.ranges import LONGEST
from fixfeed.io.live.segments import SegmentsFile
from fixfeed.transforms.batch import ends_within_line
from fixfeed.transforms.protocol import Framing, Protocol

__all__ = ["Part", "Parts"]

_HEAD = 64 << 10  # bytes at the beginning that show how a connection is laid out
_STEP = 256 << 10  # bytes; random ones take seconds a mebibyte, while other peers wait
_PIECE = 5 << 18  # bytes of what is too long that make one failure
_OVERLAP = 64  # the end of what has come may cut the beginning of a message
_LOOK_BACK = 64 << 10


class Part(NamedTuple):
    """Bytes of a connection that are read together, and how (`transforms.batch.Block`).

    `is_unfinished` means that the connection has ended inside a message that begins with them.
    """

    start: int
    data: bytes
    framing: Framing
    too_long: bool = False
    within_line: bool = False
    is_unfinished: bool = False


class Parts:
    """Cuts a connection apart: the same bytes in the same way, however they were cut as they came.

    What shows the layout, and from where on it holds, `Protocol.sniff_pieces` says. A record of
    more than `longest` bytes is cut after so many, up to the beginning of the next message.
    """

    def __init__(self, protocol: Protocol, longest: int = LONGEST):
        """Nothing has come yet."""
        self._protocol = protocol
        self._longest = longest
        self._plain = protocol.sniff(b"")
        self._framing: Framing | None = None  # None while more has to come to know it
        self._place = 0  # up to where the layout does not count
        self._looked_at = (-1, False)
        self._is_known = False  # the layout holds from here on
        self._torn: tuple[int, bool] = (0, False)

    def settled(self, file: SegmentsFile, at: int, *, has_ended: bool) -> Iterator[Part]:
        """Yield what is in `file` from the border `at` on, up to the last border.

        `has_ended` means that nothing comes after the end of `file`.
        """
        size = least = min(_STEP, self._longest)
        while at < file.stop:
            framing, holds = self._layout(file, at, has_ended)
            stop = file.stop if holds is None else min(file.stop, holds)
            data = _read(file, at, min(at + size, stop))
            within = ends_within_line(_read(file, max(0, at - 1), at), False)
            cuts: list[int] = []
            too_long = self._is_torn(file, at, framing)
            if too_long:
                found = _next_message(file, at, data, framing)
                too_long, cuts = found != 0, [found] if found else []
            if not too_long:
                cuts = list(framing.resumed(within_line=within).settled_cuts(data))
            if not cuts and len(data) == self._longest and at + len(data) < stop:
                # The end of what has come may cut the beginning of a message.
                data = _read(file, at, at + len(data) + 1)
                cuts, too_long = [len(data) - (_OVERLAP if too_long else 0)], True
            begin = 0
            for end in _pieces(data, cuts[-1], framing) if cuts and too_long else cuts:
                yield Part(at + begin, data[begin:end], framing, too_long, within)
                within = ends_within_line(data[begin:end], within)
                begin = end
            at += begin
            if begin:
                size = least
            elif len(data) == size < self._longest:
                size = min(2 * size, self._longest)
            elif self._framing and holds is not None and at + len(data) == holds:
                self._is_known = True
            else:
                return

    def rest(self, file: SegmentsFile, at: int) -> Iterator[Part]:
        """Yield what is left after the last border of a connection that has ended.

        A message that it ends inside is a part of its own.
        """
        framing, _ = self._layout(file, at, True)
        data = _read(file, at, file.stop)
        too_long = self._is_torn(file, at, framing)
        within = ends_within_line(_read(file, max(0, at - 1), at), False)
        resumed = framing.resumed(within_line=within)
        end = len(data) if too_long else resumed.end_of_source(data, grows=False)
        if end:
            yield Part(at, data[:end], framing, too_long, within)
        if end < len(data):
            within = ends_within_line(data[:end], within)
            yield Part(at + end, data[end:], framing, False, within, is_unfinished=True)

    def _layout(self, file: SegmentsFile, at: int, has_ended: bool) -> tuple[Framing, int | None]:
        """Return the framing from `at` on, and where to look again; None for nowhere."""
        stop = min(file.stop, _HEAD)
        head = stop, stop == _HEAD or has_ended
        if head != self._looked_at and (self._framing is None or at < _HEAD):
            self._looked_at = head
            self._framing, self._place = self._protocol.sniff_pieces(
                _read(file, 0, stop), is_all=head[1]
            )
        if self._framing is None or (at < self._place and not self._is_known):
            return self._plain, self._place
        return self._framing, None

    def _is_torn(self, file: SegmentsFile, at: int, framing: Framing) -> bool:
        """Return whether `at` is inside a record that is too long.

        It is if there is neither a message nor an end of line in as many bytes before it.
        """
        if self._torn[0] != at:
            size = self._longest + 1
            windows = (min(_LOOK_BACK, size), size) if at >= size else ()
            nothing = (_holds_nothing(file, at - one, at, framing) for one in windows)
            self._torn = at, bool(windows) and all(nothing)
        return self._torn[1]


def _holds_nothing(file: SegmentsFile, start: int, end: int, framing: Framing) -> bool:
    data = _read(file, start, end)
    found = framing.next_record(data, start=start, claimed=0, lines=True)
    return len(data) == end - start and found is None


def _next_message(file: SegmentsFile, at: int, data: bytes, framing: Framing) -> int | None:
    """Return where the next message begins in `data`, None if none does; it may begin at once."""
    before = _read(file, at - 1, at)
    found = framing.next_record(before + data, start=at - 1, claimed=0, lines=False)
    return None if found is None else found - 1


def _pieces(data: bytes, end: int, framing: Framing) -> Iterator[int]:
    begin = 0
    while begin + _PIECE < end:
        begin = framing.piece_end(data, begin, begin + _PIECE)
        yield begin
    yield end


def _read(file: SegmentsFile, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)
