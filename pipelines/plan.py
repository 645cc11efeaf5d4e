"""Plans what to read: the content of the files, less the parts that every sink has already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fixfeed.io.files.find import File, cut_ranges, without_copies
from fixfeed.io.files.ranges import LONGEST, Range
from fixfeed.io.ledger.ledger import REPLACED, Known, Ledger, Stretch, everywhere, gaps
from fixfeed.io.ledger.source import Source
from fixfeed.io.stream import in_all

__all__ = ["Plan", "done_in_all", "done_in_each", "make_plan", "range_size"]

_LARGEST_RANGE = 16 << 20
_SMALLEST_RANGE = 2 << 20
# The number of ranges is a multiple of this, so that 2, 3, 4 or 6 workers share them evenly.
_RANGES = 12


@dataclass
class Plan:
    """The input that a run will read.

    `files` are the registered ones; `sources` are, by sink, the source ids by key; `finished` are
    the files with nothing to read; `copies` are files whose bytes all begin another file, which are
    not registered; `begun` are files with a part done already; `other_rules` are those stored under
    other rules than this run's.
    """

    files: list[File] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    finished: list[File] = field(default_factory=list)
    copies: list[File] = field(default_factory=list)
    begun: list[File] = field(default_factory=list)
    other_rules: list[File] = field(default_factory=list)
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    expected: int = 0


def range_size(total: int) -> int:
    """Return the largest number of bytes for a range, if all together have `total`.

    Ranges of one file are equal, so that workers finish together.
    """
    ranges = _RANGES * max(1, -(-total // (_RANGES * _LARGEST_RANGE)))
    return max(_SMALLEST_RANGE, -(-total // ranges))


def make_plan(
    files: Sequence[File],
    ledgers: Mapping[str, Ledger],
    *,
    rules: str,
    reprocess: bool,
    longest: int = LONGEST,
    size: int | None = None,
    unfinished_again: bool = True,
) -> Plan:
    """Register the files with every ledger and return the plan of what any of them lacks.

    `longest` and `size` are as in `cut_ranges`; by default the size depends on all there is to
    read. With `reprocess` only stretches that an interrupted run stored under `rules` count as
    done. Without `unfinished_again` a file that ends inside a message is not read when it is as it
    was when these rules have read it to its end.
    """
    files, copies = without_copies([file for file in files if file.content.known])
    plan = Plan(files, copies=copies)
    sources = [file.source for file in files]
    known_by: dict[str, dict[str, Known]] = {}
    for name, ledger in ledgers.items():
        known = ledger.register(sources, rules=rules)
        if reprocess:
            ledger.restart([one.source_id for one in known.values()], rules=rules)
            known = ledger.register(sources, rules=rules)
        known_by[name] = known
        plan.sources[name] = {key: one.source_id for key, one in known.items()}
    wanted = []
    for file in files:
        by_all = [known_by[name][file.key] for name in ledgers]
        done = everywhere([one.current if reprocess else one.done for one in by_all])
        left = gaps(done, 0, file.length if file.compression else file.size)
        wanted.append((file, done, by_all, sum(end - start for start, end in left)))
    total = sum(length for *_, length in wanted)
    size = size or range_size(total)
    for file, done, by_all, length in wanted:
        ends = {one.stored_end for one in by_all}
        stored_end = ends.pop() if len(ends) == 1 and not reprocess else ""
        ranges = cut_ranges(file, done, stored_end, size=size, longest=longest)
        used = {one.removeprefix(REPLACED) for known_one in by_all for one in known_one.rules}
        is_read = stored_end == file.stored_end and used == {rules}
        if is_read and not unfinished_again and _is_end(gaps(done, 0, file.size), file):
            ranges = []
        if ranges:
            plan.ranges += ranges
            plan.expected += length
            if done:
                plan.begun.append(file)
        else:
            plan.finished.append(file)
        if not reprocess and used - {rules}:
            plan.other_rules.append(file)
    return plan


def _is_end(left: Sequence[Stretch], file: File) -> bool:
    """Return whether only the end of a plain file is left."""
    return not file.compression and [end for _, end in left] == [file.size]


def done_in_each(
    sources: Sequence[Source], found: Sequence[Mapping[str, Known]]
) -> list[dict[str, Sequence[Stretch]]]:
    """Return what each ledger has of each source, by key; arguments as in `done_in_all`."""
    return [
        {one.key: known[one.key].done if one.key in known else () for one in sources}
        for known in found
    ]


def done_in_all(
    sources: Sequence[Source], found: Sequence[Mapping[str, Known]]
) -> dict[str, Sequence[Stretch]]:
    """Return what all ledgers have of each source, by key; nothing if there are none.

    `found` is what each of them knows of the sources.
    """
    return in_all(sources, done_in_each(sources, found))
