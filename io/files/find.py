"""Files to read: found, recognised by content, cut into ranges. Beam is loaded for URLs alone."""

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fixfeed.io.files import remote
from fixfeed.io.files.compression import Damaged
from fixfeed.io.files.content import STANDARD_INPUT, Content, look
from fixfeed.io.files.globs import find, has_magic, kind_of, visible
from fixfeed.io.files.ranges import LONGEST, Range, reason_of, too_large
from fixfeed.io.ledger.ledger import Stretch, gaps
from fixfeed.io.ledger.source import Source
from fixfeed.io.redaction import redact, redact_path, without_secrets
from fixfeed.transforms.batch import LARGEST_SOURCE
from fixfeed.transforms.nearest import nearest
from fixfeed.transforms.protocol import Framing, Protocol, default_protocol

__all__ = [
    "File",
    "Unreadable",
    "cut_ranges",
    "file_at",
    "find_files",
    "nothing_matches",
    "without_copies",
]


@dataclass(frozen=True, slots=True)
class File:
    """A file that can be read.

    `name` is its name for people, `content` identifies it, and `framing` is its layout.
    `generation` counts the files that were read at its place before, in this run.
    """

    name: str
    content: Content
    framing: Framing
    generation: int = 0

    @property
    def path(self) -> str:
        """Where the file is."""
        return self.content.planned.path

    @property
    def size(self) -> int:
        """How many bytes it has as it is stored."""
        return self.content.planned.size

    @property
    def length(self) -> int:
        """How many uncompressed bytes it has; an estimate if it is compressed."""
        return self.content.length

    @property
    def compression(self) -> str:
        """How it is compressed, `` if it is not."""
        return self.content.compression

    @property
    def source(self) -> Source:
        """The file as a ledger registers it."""
        key = f"file:{redact_path(self.content.place)}"
        if self.generation:
            key = f"{key}#{self.generation}"
        return Source(key, "file", self.name, self.content)

    @property
    def key(self) -> str:
        """The key of the source in this run."""
        return self.source.key

    @property
    def stored_end(self) -> str:
        """The mark of the whole file as it is stored (`Known.stored_end`)."""
        return self.content.planned.stored_end


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or pattern with nothing to read, and the reason."""

    path: str
    reason: str


def find_files(
    patterns: Sequence[str], protocol: Protocol | None = None
) -> tuple[list[File], list[Unreadable]]:
    """Return the files that the patterns match, each once and in order, and what is unreadable.

    `**` matches folders to any depth. `protocol` is that of the files, FIX if none is named. A
    compressed copy of another of the files that is not whole yet is unreadable: read as a log of
    its own, all of it would come twice.
    """
    protocol = protocol or default_protocol()
    files: dict[str, File] = {}
    inodes: set[str] = set()
    unreadable: list[Unreadable] = []
    for pattern in patterns:
        try:
            paths, errors = _match(pattern)
        except (OSError, ValueError) as error:
            reason = without_secrets(f"cannot be looked up: {error}", pattern)
            unreadable.append(_unreadable(pattern, reason))
            continue
        for path, why in errors.items():
            unreadable.append(_unreadable(path, reason_of(why)))
        if not paths and not errors:
            unreadable.append(_unreadable(pattern, nothing_matches(pattern)))
        for path in paths:
            place = path if remote.is_remote(path) else visible(os.path.realpath(path))
            if place not in files:
                try:
                    file = file_at(path, place, protocol)
                except (Damaged, OSError) as error:
                    reason = without_secrets(reason_of(error), path)
                    unreadable.append(_unreadable(path, reason))
                    continue
                inode = file.content.planned.file_id
                if not inode or inode not in inodes:  # else it has two names
                    files[place] = file
                    inodes.add(inode)
    found = sorted(files.values(), key=lambda file: file.path)
    whole = []
    for file in found:
        unfinished = _unfinished(file, found)
        if unfinished:
            unreadable.append(_unreadable(file.path, unfinished))
        else:
            whole.append(file)
    return whole, list(dict.fromkeys(unreadable))


def _unfinished(file: File, others: Sequence[File]) -> str:
    """Return why a compressed file is an unfinished copy of one of the others, `` if it is none."""
    for one in others if file.compression and file.content.fingerprint else ():
        why = file.content.unfinished_copy_of(one.content) if one is not file else ""
        if why:
            return (
                f"{why}; all that can be read of it is in {one.name} as well, as while a log is "
                "being compressed; read it again when it is whole"
            )
    return ""


def _unreadable(path: str, reason: str) -> Unreadable:
    return Unreadable(visible(redact(path)), reason)


def file_at(path: str, place: str, protocol: Protocol) -> File:
    """Return the file of a protocol at a path, known by `place`.

    Raises `Damaged` or `OSError` if nothing can be read.
    """
    # Opening a pipe would wait for its writer.
    kind = "" if remote.is_remote(path) else kind_of(os.stat(path).st_mode)
    if kind == "a folder":
        raise Damaged(f"is a folder; name its files, as in '{visible(os.path.join(path, '*'))}'")
    if kind:
        raise Damaged(f"is {kind}, not a file; what a program writes is read with --input -")
    content, head = look(path, place, protocol.begin)
    if content.planned.size >= LARGEST_SOURCE:
        raise Damaged(too_large())
    name = STANDARD_INPUT if place == STANDARD_INPUT else visible(redact_path(path))
    return File(name, content, protocol.sniff(head))


def without_copies(files: Sequence[File]) -> tuple[list[File], list[File]]:
    """Return the files to read, and the copies: files whose bytes all begin one of those.

    The same bytes are read once. Files of less than 4096 bytes are all read.
    """
    alike: dict[str, list[File]] = {}
    copies = []
    for file in sorted(files, key=lambda file: (-file.length, bool(file.compression))):
        print_of = file.content.fingerprint
        longer = alike.setdefault(print_of or file.path, [])
        if print_of and any(file.content.begins(one.content) for one in longer):
            copies.append(file)
        else:
            longer.append(file)
    left = {id(file) for file in copies}
    return [file for file in files if id(file) not in left], copies


def _match(pattern: str) -> tuple[Sequence[str], Mapping[str, OSError]]:
    """Return the paths that match a pattern, and, by path, the errors of folders not listed."""
    if remote.is_remote(pattern):
        return remote.match(pattern), {}
    found = find(pattern)
    return found.paths, found.errors


def nothing_matches(pattern: str, yet: str = "") -> str:
    """Return what to say of a pattern that nothing matches, with `yet` before what is there."""
    if not pattern:
        return "an empty name names no file"
    if remote.is_remote(pattern) or has_magic(pattern):
        return f"matches no file{yet}"
    folder, name = os.path.split(pattern)
    there = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    near = nearest(name, there)
    hint = f"; there is '{visible(os.path.join(folder, near))}'" if near else ""
    return f"does not exist{yet}{hint}"


def cut_ranges(
    file: File,
    done: Sequence[Stretch],
    stored_end: str = "",
    *,
    size: int = 16 << 20,
    longest: int = LONGEST,
) -> list[Range]:
    """Return the parts of a file that are not done; plain files are cut about every `size` bytes.

    A message or line of more than `longest` bytes is kept as failures. A compressed file that has
    not changed since it was read to its end (`stored_end`) gives nothing and is not read.
    """
    common = Range(
        file.source,
        file.content.planned,
        file.compression,
        file.framing,
        begin=file.content.begin,
        longest=longest,
    )
    if file.compression:
        if stored_end == file.stored_end:
            return []
        return [dataclasses.replace(common, skip=tuple(done))]
    ranges = []
    for start, stop in gaps(done, 0, file.size):
        cuts = [start, *range((start // size + 1) * size, stop - size // 4, size), stop]
        for begin, end in itertools.pairwise(cuts):
            ranges.append(
                dataclasses.replace(
                    common,
                    start=begin,
                    stop=None if end == file.size else end,
                    sync_start=begin != start,
                    sync_stop=end != stop,
                )
            )
    return ranges
