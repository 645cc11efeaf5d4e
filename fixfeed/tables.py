"""FIX logs as Arrow tables, without a database and without Beam: `read`, `scan`, `parse`."""

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Unpack

import pyarrow as pa

from fixfeed.asked import HowToRead, fix_of, listed, messages_wanted
from fixfeed.io.files.find import File, Unreadable, cut_ranges, find_files, without_copies
from fixfeed.io.files.ranges import BLOCK
from fixfeed.io.files.reading import read_blocks
from fixfeed.tally import Tally
from fixfeed.transforms.batch import FAILURES, UNREADABLE, Block, ends_within_line
from fixfeed.wanted import FILE, Given, Part, Wanted
from fixfeed.workers import in_order

__all__ = ["failures", "parse", "read", "scan"]

Logs = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""Files, globs (`**` matches folders to any depth) and URLs such as s3://bucket/day.log."""

_SMALL = 24 << 20
"""Up to so many bytes are read before worker processes would have begun."""

_RANGE = 4 << 20
"""A plain file is cut about every so many bytes, for workers to read themselves."""

_HEAD = 64 << 10

_WHOLE = 1 << 60


def read(
    logs: Logs,
    *,
    columns: str | Sequence[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    floats: bool = False,
    workers: int | None = None,
    **how: Unpack[HowToRead],
) -> pa.Table:
    """Return the messages of logs as an Arrow table: a row a message, in the order of the files.

        fixfeed.read("logs/*.log.gz", include="MsgType = 8", floats=True).to_pandas()

    Files are in the order of their paths, and read once if they hold the same bytes. The columns
    are those of the job's tables (docs/connectors.md), with the name of the `file` and the
    `position` in it, which tell rows apart. Secrets are masked.

    Bytes that are no message are left out and counted: a warning says how many there are, and
    which files could not be read; `failures` returns them. The metadata of the table's schema has
    the counts of `fixfeed.messages`, `fixfeed.failures`, `fixfeed.filtered` (messages that the
    rules left out) and `fixfeed.lines_without_fix`.

    Args:
      logs: Files, globs (`**` matches folders to any depth), URLs.
      columns: The columns wanted, in this order; all if not given. A field without a column, by its
        name or tag (`MarketSegmentID`, `5001`), gives its text, and JSON where it repeats or is a
        group.
      include: Rules in the language of --include; messages that meet one of them are kept.
      exclude: Rules for messages that are left out; they win over `include`.
      floats: Whether prices and quantities are floats, the nearest ones, and not exact decimals.
      workers: The number of worker processes; by default one a core, and none for a small log.
      how: How logs are read, in the words of the job's flags: `validate`, `dictionary`,
        `default_appl_ver_id`, `mask`, `mask_key` (the key of hashes, as bytes), `delimiter`,
        `captured_at`, `log_time_zone`, `we_are`.

    Raises:
      ValueError: A column, rule or option cannot be understood; the text says what would be.
      FileNotFoundError: None of the logs can be read.
      RuntimeError: A worker process ended too early.
    """
    wanted = messages_wanted(columns, include, exclude, floats, how)
    return _table(wanted, _Log("read", logs, wanted, workers))


def scan(
    logs: Logs,
    *,
    columns: str | Sequence[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    floats: bool = False,
    workers: int | None = None,
    **how: Unpack[HowToRead],
) -> pa.RecordBatchReader:
    """Return the rows of `read` in batches, as they are read, for logs of any size.

        for batch in fixfeed.scan("logs/*.log", columns=["symbol", "last_px"]): ...

    Memory is bounded: a few batches for each worker process. DuckDB and polars take the reader as
    it is. The warning about failures comes at the end. Arguments and errors are as in `read`.
    """
    wanted = messages_wanted(columns, include, exclude, floats, how)
    log = _Log("scan", logs, wanted, workers)
    return pa.RecordBatchReader.from_batches(wanted.schema, log.rows())


def failures(logs: Logs, *, workers: int | None = None, **how: Unpack[HowToRead]) -> pa.Table:
    """Return what in the logs is no message: `file`, `position`, `reason`, `detail`, `raw`.

    The logs are read again. A file that cannot be read at all, or not to its end, has a row with
    the reason `unreadable`. Arguments and errors are as in `read`, but for logs none of which can
    be read: they are rows as well.
    """
    wanted = Wanted(fix_of(how), (FILE, *FAILURES.names), failures=True)
    return _table(wanted, _Log("failures", logs, wanted, workers))


def parse(
    data: bytes | str,
    *,
    columns: str | Sequence[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    floats: bool = False,
    **how: Unpack[HowToRead],
) -> pa.Table:
    r"""Return the messages in a piece of a log, which begins and ends between messages.

    The delimiter is found by itself. The table is that of `read` without `file`; `position` is the
    byte offset in `data`. Text is taken as UTF-8.

    >>> table = parse("8=FIX.4.4|9=21|35=D|55=AAPL|44=1.25|10=023|")
    >>> table.select(["msg_type", "symbol", "price", "defects"]).to_pylist()
    [{'msg_type': 'D', 'symbol': 'AAPL', 'price': Decimal('1.2500000000'), 'defects': None}]
    """
    octets = data.encode() if isinstance(data, str) else memoryview(data).tobytes()
    wanted = messages_wanted(columns, include, exclude, floats, how, without=FILE)
    tally = Tally("parse")
    rows = [tally.counted(one) for part in _cut(octets, wanted) for one in wanted.of(part)]
    tally.tell()
    return pa.Table.from_batches(rows, wanted.schema).replace_schema_metadata(tally.metadata)


def _table(wanted: Wanted, log: "_Log") -> pa.Table:
    table = pa.Table.from_batches(log.rows(), wanted.schema)
    return table.replace_schema_metadata(log.tally.metadata)


class _Log:
    """The files of a call, and the rows in them."""

    def __init__(self, caller: str, logs: Logs, wanted: Wanted, workers: int | None):
        """Find the files."""
        if workers is not None and workers < 1:
            raise ValueError(f"workers is {workers}, expected 1 or more")
        patterns = [os.fspath(one) for one in listed(logs)]
        files, self._unreadable = find_files(patterns, wanted.protocol)
        self._files, copies = without_copies([file for file in files if file.content.known])
        if not files and not wanted.failures:
            first = next(iter(self._unreadable), Unreadable("logs", "is empty: no file is named"))
            raise FileNotFoundError(f"{first.path}: {first.reason}")
        self.tally = Tally(caller, self._unreadable, copies)
        self._wanted = wanted
        length = sum(file.length for file in self._files)
        self._workers = workers or (1 if length <= _SMALL else _cores())
        if not sys.executable:
            self._workers = 1  # Python is part of another program

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; tell of failures at the end."""
        for one in self._given():
            rows = self.tally.counted(one)
            if rows.num_rows:
                yield rows
        if self._wanted.failures and self._unreadable:
            yield self._unreadable_rows()
        if not self._wanted.failures:
            self.tally.tell()

    def _given(self) -> Iterator[Given]:
        if self._workers > 1:
            return in_order(self._wanted, _parts(self._files, _RANGE), self._workers)
        return (one for part in _parts(self._files, _WHOLE) for one in self._wanted.of(part))

    def _unreadable_rows(self) -> pa.RecordBatch:
        rows = [
            {FILE: one.path, "position": 0, "reason": UNREADABLE, "detail": one.reason, "raw": b""}
            for one in self._unreadable
        ]
        return pa.RecordBatch.from_pylist(rows, self._wanted.schema)


def _parts(files: Sequence[File], size: int) -> Iterator[Part]:
    """Yield the work on files in order; each part is about `size` bytes of a plain file at most.

    A file that has to be read from its beginning, and is longer, is read here and comes as blocks.
    """
    for file in files:
        ranges = cut_ranges(file, (), size=size)
        in_one_go = file.compression or file.framing.has_context
        if not in_one_go or file.length <= size:
            yield from (Part(file.name, one) for one in ranges)
        else:
            (whole,) = cut_ranges(file, (), size=_WHOLE)
            for block in read_blocks(whole, block_size=BLOCK):
                yield Part(file.name, dataclasses.replace(block, origin=None))


def _cut(data: bytes, wanted: Wanted) -> Iterator[Part]:
    """Yield data as blocks, with what its Logons say of the messages after them."""
    framing = wanted.protocol.sniff(data[:_HEAD])
    context: Mapping[str, str] = {}
    at, length, within_line = 0, 4 * BLOCK, False
    while at < len(data):
        window = data[at : at + length]
        border: int | None = len(window)
        if at + length < len(data):
            resumed = framing.resumed(within_line=within_line)
            border = resumed.first_border(window, BLOCK, start=at, synced=True)
        if border is None:
            length *= 2
            continue
        block = Block("", at, window[:border], framing.layout, within_line=within_line)
        within_line = ends_within_line(block.data, within_line)
        for piece in framing.carry(block, context) if framing.has_context else [block]:
            context = piece.context
            yield Part("", piece)
        at, length = block.end, 4 * BLOCK


def _cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
