"""Follows the files that match patterns, now or later, while programs write them.

A file that grows, is renamed, deleted, cut short, replaced or compressed is read on as
`files.growing` tells. Which stored source it is, and what of it is stored, is decided as for any
other file: by its content. Compressed files are read once they have not changed for a while.
"""

import dataclasses
import functools
import os
import time
import typing
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from fixfeed.io.files.changes import Changes
from fixfeed.io.files.compression import Damaged
from fixfeed.io.files.find import File, file_at, nothing_matches
from fixfeed.io.files.globs import find, visible
from fixfeed.io.files.growing import GrowingFile
from fixfeed.io.files.matching import Signature, all_inside, is_deep, matching
from fixfeed.io.files.open_files import most_open
from fixfeed.io.files.planned import Replaced
from fixfeed.io.files.ranges import LONGEST, Range, reason_of, with_context
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.lag import Lag
from fixfeed.transforms.batch import FLUSH, Block
from fixfeed.transforms.protocol import Protocol

__all__ = ["FollowedFiles", "Register"]

_absolute = functools.lru_cache(1 << 16)(os.path.abspath)


class Register(typing.Protocol):
    """What the ledgers of all sinks know about files."""

    def known(self, files: Sequence[File]) -> Collection[str]:
        """Return the keys of the files that a ledger has a part of."""

    def lacking(self, files: Sequence[File]) -> Sequence[Range]:
        """Register the files with all ledgers; return what any of them lacks."""


_LOOK_AGAIN = 10.0  # seconds between two looks at all files, where changes are reported
_POLL = 0.5  # seconds between two looks elsewhere
_LOOKS = 5  # looks take one in so many seconds at the most
_QUIET = 2.0  # seconds without a change after which a compressed file is read
_ENDED = 5.0  # seconds without a change after which a file that was moved is not written any more
_IDLE = 3600.0  # seconds without a change after which a file is closed until it changes

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4", ".tmp")


class FollowedFiles:
    """The blocks of the files that match patterns, as they are written (`io.stream.Feed`).

    A line is read as soon as it is whole: the message that a file ends inside waits. It is a
    failure if the file has been moved or replaced, and not changed for 5 seconds.

    A log that was read in an earlier run, and renamed since so that no pattern matches it, is read
    to its end if its name still begins with that of a file that matches. So are later ones.

    It ends once `stop` returns true, without reading on.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        protocol: Protocol,
        register: Register,
        *,
        stop: Callable[[], bool],
        say: Callable[[str], None],
        longest: int = LONGEST,
    ):
        """`say` is given a sentence about each file that cannot be read, once."""
        self.ended = False
        self._patterns = patterns
        self._protocol = protocol
        self._register = register
        self._stop = stop
        self._say = say
        self._longest = longest
        self._changes = Changes()
        self._growing: dict[str, GrowingFile] = {}
        self._by_path: dict[str, GrowingFile] = {}
        self._closed: dict[str, Signature] = {}
        self._done: dict[str, Signature] = {}
        self._seen: dict[str, tuple[Signature, float]] = {}
        self._generations: Counter[str] = Counter()
        self._busy: deque[Iterator[Block]] = deque()
        self._being_read: set[str] = set()
        self._complaints: dict[str, str] = {}
        self._next_look = self._soonest = 0.0
        self._has_looked = self._waiting = False
        self._flushed = True
        self._rotated = True
        self._most_open = most_open()

    @property
    def state(self) -> str:
        """See `Feed`."""
        files = len(self._growing)
        return f"following {files:,} file{'' if files == 1 else 's'}"

    @property
    def behind(self) -> str:
        """See `Feed`."""
        return str(self.lag)

    @property
    def lag(self) -> Lag:
        """See `Feed`."""
        return Lag(sum(one.behind for one in list(self._growing.values())), "bytes")

    def next(self, seconds: float) -> Block | None:
        """See `Feed`."""
        deadline = time.monotonic() + seconds
        while not self._stop():
            if time.monotonic() >= self._next_look and not self._look():
                self._flushed = True
                return FLUSH
            if self._busy:
                block = next(self._busy[0], None)
                if block is None:
                    self._busy.popleft()
                    continue
                self._busy.rotate(-1)
                self._flushed = False
                return block
            left = min(deadline, self._next_look) - time.monotonic()
            if left > 0:
                self._happened(self._changes.wait(left))
            if not self._busy and time.monotonic() >= deadline:
                return None
        self.ended = True
        return None

    def close(self) -> None:
        """Close all files."""
        self._changes.close()
        for one in self._growing.values():
            one.close()

    def _happened(self, paths: Iterable[str]) -> None:
        for path in paths:
            one = self._by_path.get(path)
            if one is not None and os.path.exists(path):
                self._read(one)
            else:
                self._next_look = self._soonest

    def _read(self, one: GrowingFile) -> None:
        """Have a file read on, unless it is being read: then it is read to its end anyway."""
        if one.file_id not in self._being_read:
            self._being_read.add(one.file_id)
            self._busy.append(self._blocks(one))

    def _blocks(self, one: GrowingFile) -> Iterator[Block]:
        try:
            while one.has_changed():
                yield from one.blocks()
            if one.waits:
                then = max(self._soonest, time.monotonic() + _ENDED)
                self._next_look = min(self._next_look, then)
        except Replaced:
            yield from one.from_copy()
            self._forget(one)
            self._rotated = True
            self._next_look = self._soonest
        except OSError as error:
            self._say(f"{one.file.name}: {reason_of(error)}")
            self._forget(one)
        finally:
            self._being_read.discard(one.file_id)

    def _forget(self, one: GrowingFile) -> None:
        one.close()
        self._growing.pop(one.file_id, None)
        self._by_path = {path: other for path, other in self._by_path.items() if other is not one}

    def _close(self, one: GrowingFile) -> None:
        """Close a file until it changes."""
        self._closed[one.path] = one.signature
        self._forget(one)

    def _make_room(self, new: Sequence[str]) -> Sequence[str]:
        """Return those of the files that can be opened now; close what has not changed for long."""
        surplus = len(self._growing) + len(new) - self._most_open
        if surplus <= 0:
            return new
        idle = [
            one
            for one in self._growing.values()
            if not (one.unfinished or one.file_id in self._being_read)
        ]
        for one in sorted(idle, key=lambda one: one.changed)[:surplus]:
            if not one.is_gone:
                self._close(one)
            elif time.monotonic() - one.changed >= _ENDED:
                self._forget(one)
        room = max(0, self._most_open - len(self._growing))
        self._waiting = self._waiting or len(new) > room
        return new[:room]

    def _look(self) -> bool:
        """Look at all files that match: for new ones, moved ones, and those that have changed.

        Returns false if there are files to register, and something read is not stored yet. What is
        stored of a source tells which file is which, so they are registered after that.
        """
        begin = time.monotonic()
        there, folders = matching(self._patterns, self._complain)
        self._waiting = not folders
        self._changes.watch(folders, deep=any(map(is_deep, self._patterns)))
        if not self._has_looked:
            self._has_looked = True
            for pattern in self._patterns:
                with suppress(OSError, ValueError):  # of which `matching` has told
                    if not find(pattern).paths:
                        self._complain(pattern, nothing_matches(pattern, " yet, and is waited for"))
        self._place(there)
        looked = time.monotonic()
        self._end_moved(looked)
        new = self._make_room([path for path, one in there.items() if self._is_new(path, one)])
        if (new or self._rotated) and not self._flushed:
            return False
        if self._rotated:
            self._rotated = False
            self._read_renamed(there)
        if new:
            self._open(new, there)
        told = self._changes.reported and all_inside(there, folders)
        now = time.monotonic()
        self._next_look = now + (_LOOK_AGAIN if told and not self._waiting else _POLL)
        # Registering files may wait for a database, so it does not count.
        self._soonest = now + _LOOKS * (looked - begin)
        return True

    def _read_renamed(self, there: Collection[str]) -> None:
        """Have logs read to their end that were renamed, at some time when nobody looked.

        Those are files whose names begin like that of a file that matches: what is known of them,
        and what was written later than that. Followed ones are open, and read anyway.
        """
        names: dict[str, list[str]] = {}
        for path in there:
            folder, name = os.path.split(path)
            names.setdefault(folder, []).append(name)
        renamed: dict[str, list[tuple[int, File]]] = {}
        for folder, own_names in names.items():
            with suppress(OSError), os.scandir(folder or ".") as entries:
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    own = max((one for one in own_names if entry.name.startswith(one)), default="")
                    if own and path not in there:
                        with suppress(Damaged, OSError):
                            file = self._found(path)
                            group = renamed.setdefault(os.path.join(folder, own), [])
                            group.append((entry.stat().st_mtime_ns, file))
        for group in renamed.values():
            known = self._register.known([file for _, file in group])
            first = min((when for when, file in group if file.key in known), default=None)
            if first is not None:
                files = [
                    file
                    for when, file in group
                    if when >= first and file.content.file_id not in self._growing
                ]
                self._busy += map(_blocks_of, self._register.lacking(files))

    def _place(self, there: dict[str, Signature]) -> None:
        """Learn where the followed files are now, and have those read that have changed."""
        places: dict[str, str] = {}
        for path, (inode, *_) in there.items():
            places.setdefault(inode, path)
        self._by_path = {}
        for inode, one in self._growing.items():
            same = there.get(one.path, ("",))[0] == inode
            place = one.path if same else places.get(inode)
            self._rotated |= one.moved_to(place)
            if place is not None:
                self._by_path[_absolute(place)] = one
            if one.has_changed():
                self._read(one)

    def _end_moved(self, now: float) -> None:
        """End the files that were moved, and close those that have not changed for long."""
        for one in list(self._growing.values()):
            unchanged = now - one.changed
            if (one.is_gone and unchanged < _ENDED) or (one.was_moved and one.unfinished):
                self._waiting = True
            if one.file_id in self._being_read:
                continue
            if one.was_moved and unchanged >= _ENDED:
                if one.unfinished:
                    self._busy.append(one.end())
                # One that was moved elsewhere may still be written.
                if one.is_gone and (unchanged >= _IDLE or not one.is_linked):
                    self._forget(one)
            if unchanged >= _IDLE and not one.is_gone:
                self._close(one)

    def _is_new(self, path: str, signature: Signature) -> bool:
        """Return whether a file is to be opened now: it is new, or has changed since it was done.

        A file that is written as a whole, such as a compressed one, is left until it is quiet.
        """
        inode, size, _ = signature
        if inode in self._growing or not size:
            return False
        if signature in (self._closed.get(path), self._done.get(path)):
            return False
        if path in self._closed:
            return True
        now = time.monotonic()
        before, since = self._seen.get(path, (None, now))
        if before != signature:
            self._seen[path] = (signature, now)
            since = now
        quiet = max(now - since, time.time() - signature[2] / 1e9) >= _QUIET
        if quiet or not (path in self._done or path.endswith(_PACKED)):
            return True
        self._waiting = True
        return False

    def _open(self, paths: Sequence[str], there: dict[str, Signature]) -> None:
        """Begin to follow files; those that are not plain are only read, as they are now."""
        found: dict[str, File] = {}
        for path in paths:
            try:
                file = self._found(path)
            except (Damaged, OSError) as error:
                self._done[path] = there[path]
                self._complain(path, reason_of(error))
                continue
            if file.content.file_id not in self._growing:
                found.setdefault(file.content.file_id, file)
        if not found:
            return
        parts: dict[str, list[Range]] = {}
        for part in self._register.lacking(list(found.values())):
            parts.setdefault(part.origin.key, []).append(part)
        for file in found.values():
            self._begin(file, parts.get(file.key, []), there[file.path])

    def _found(self, path: str) -> File:
        """Return a file to register; another one at its place later is another source."""
        place = visible(os.path.realpath(path))
        file = file_at(path, place, self._protocol)
        self._generations[place] += 1
        return dataclasses.replace(file, generation=self._generations[place] - 1)

    def _begin(self, file: File, parts: Sequence[Range], signature: Signature) -> None:
        at = file.size
        for part in parts:
            if part.stop is None and not file.compression:
                at = part.start
            else:
                self._busy.append(_blocks_of(part))
        if file.compression:
            self._done[file.path] = signature
            return
        self._closed.pop(file.path, None)
        try:
            one = GrowingFile(file, self._protocol, at=at, longest=self._longest, patience=_ENDED)
        except (Replaced, OSError):
            self._next_look = self._soonest  # another one is there now
            return
        self._growing[one.file_id] = one
        self._by_path[_absolute(file.path)] = one
        self._read(one)

    def _complain(self, path: str, why: str) -> None:
        if self._complaints.get(path) != why:
            self._complaints[path] = why
            self._say(f"{path}: {why}")


def _blocks_of(part: Range) -> Iterator[Block]:
    """Yield the blocks of a range, read as what comes before it in the file says."""
    for one in with_context([part]):
        yield from read_blocks(one)
