"""Block and Batch: what flows from sources through the transforms to the sinks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from fixfeed.transforms.fix.schema import FAILURES, MESSAGES

__all__ = ["Batch", "Block", "ends_within_line"]


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of one source that begin and end between messages.

    `source` is the key of the source (`file:/logs/day.log`), `start` the position of the first byte
    of `data`. The blocks of a source tile it: each ends where the next begins, with no gap and no
    overlap, so `[start, end)` is the stretch that is done once the block is stored.

    `delimiter` is what separates fields (one byte, or `^A` written as two characters).
    `last` marks the last block of a range of work. `provisional` marks bytes at the end of a source
    that do not make a message yet: they are kept as a failure, and read again by the next run.
    `too_long` marks a piece of a record that is too long to be read, all of which are failures.
    `within_line` tells that a message which is read already ends on the line that `data` begins on.
    `error` tells why the source could not be read beyond `end`. `logged_on` has the
    DefaultApplVerID (1137) that holds for the block's messages, by session (`A->B`, each direction
    on its own), where a Logon before them gave one. `witness` tells the bytes of the source before
    `end` from others, `` where its reader does not say; `origin` is what a sink registers the
    source by, None where the key is all there is.
    """

    source: str
    start: int
    data: bytes
    delimiter: bytes = b"\x01"
    last: bool = False
    provisional: bool = False
    too_long: bool = False
    within_line: bool = False
    error: str | None = None
    logged_on: Mapping[str, str] = field(default_factory=dict)
    witness: str = ""
    origin: object = None

    @property
    def end(self) -> int:
        """The position behind the last byte."""
        return self.start + len(self.data)


def ends_within_line(data: bytes, before: bool) -> bool:
    """Tell whether what follows `data` is on the line that it ends on; `before` if it is empty."""
    return data[-1:] not in (b"\r", b"\n") if data else before


@dataclass(frozen=True, slots=True)
class Batch:
    """What one block held: its messages and failures as columns, and what was left out.

    `[start, end)` is the stretch of `source` that the batch stands for. `messages` has the schema
    `MESSAGES` (possibly with further columns behind it), `failures` the schema `FAILURES`, both in
    the order of `position`. `filtered` counts messages that a filter took out, `skipped` lines that
    hold no FIX. `read` is how many messages and failures the block held: at every step
    `messages.num_rows + failures.num_rows + filtered == read`. `joined` counts the messages that
    each lookup, by its name, has said something of. `witness` and `origin` are those of the block.
    """

    source: str
    start: int
    end: int
    messages: pa.RecordBatch = field(
        default_factory=lambda: pa.RecordBatch.from_pylist([], MESSAGES)
    )
    failures: pa.RecordBatch = field(
        default_factory=lambda: pa.RecordBatch.from_pylist([], FAILURES)
    )
    filtered: int = 0
    skipped: int = 0
    read: int = 0
    joined: Mapping[str, int] = field(default_factory=dict)
    last: bool = False
    provisional: bool = False
    error: str | None = None
    witness: str = ""
    origin: object = None
