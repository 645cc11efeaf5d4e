"""What a protocol brings to be read from any source and stored in any sink; FIX is the first.

`Protocol` reads blocks into batches; `Framing` says where one source may be cut, as the source's
own head shows. Sources are handed a protocol and know nothing else of it. Both are given to worker
processes, so they can be pickled, and never change.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from fixfeed.transforms.batch import Batch, Block

__all__ = ["Framing", "Protocol", "default_protocol"]


class Protocol(ABC):
    """A protocol, and how its messages are to be read.

    `name` is what people call it, `table` what its messages are as rows. `reasons` are the reasons
    of its failures and `defects` the kinds of defects of its messages, each with what it means;
    those of `batch.READING_REASONS` are among the reasons. `digest` tells how messages are read
    from other ways: rows that were made under another one are not taken for the same.
    """

    name: str
    reasons: Mapping[str, str]
    defects: Mapping[str, str]

    @property
    @abstractmethod
    def digest(self) -> str:
        """A text that differs where the same block would give another batch."""

    @abstractmethod
    def sniff(self, head: bytes) -> "Framing":
        """Return how a source is laid out that begins with `head`, which may be empty.

        Raises nothing: what cannot be told is taken as the protocol has it by itself.
        """

    @abstractmethod
    def parse(self, block: Block) -> Batch:
        """Read the messages of a block; the same block gives the same batch (`Batch.of` makes it).

        Every byte ends up once: in a message, with its defects, in a failure, with its reason, or
        in a line counted as `skipped`. Input never makes it raise. A block that is `provisional`
        or `too_long` has no messages: its bytes are failures, for `TRUNCATED`, or `UNREADABLE`
        where it has an `error`, and `TOO_LONG`.
        """


class Framing(ABC):
    """How one source is laid out: where its records begin and end. Equal ones are alike.

    A record is a message with what belongs to it, or other bytes that are read on their own.
    Borders lie between records. What is found depends on the bytes alone, not on how much of them
    came at once: whoever cuts a source at any borders gets, block by block, what is read of the
    whole. Those who read and those who cut meet at the same borders by that.
    """

    @property
    def layout(self) -> Any:
        """What the protocol's `parse` has to know of the source: `Block.layout`."""
        return None

    @property
    def has_context(self) -> bool:
        """Whether messages before a block say something of those in it: `carry` is asked then.

        All of the source before a block is read for it.
        """
        return False

    @abstractmethod
    def first_border(
        self, window: bytes, at: int, *, start: int, synced: bool = False
    ) -> int | None:
        """Return the first border at or after `at` in `window`, None if `window` shows none.

        `window` begins at position `start` of the source, at a border if it is `synced`, else
        anywhere; its end, after which more may follow, is no border. From any two windows that
        begin at most 256 KiB before it, a border must be found alike.
        """

    @abstractmethod
    def last_border(self, data: bytes) -> int:
        """Return the last border in `data`, which begins at one; 0 if there is none after that.

        More may follow `data`. That it is at its end is no border unless nothing that follows can
        change what is read of it.
        """

    def end_of_source(self, data: bytes) -> int:
        """Return where in `data`, with which a source ends, the unfinished record begins.

        `len(data)` if there is none. The source may grow: what may become another record by that is
        unfinished, is kept as a failure, and is read again then.
        """
        return self.last_border(data)

    def torn(self, data: bytes) -> tuple[int, int]:
        """Return where in `data` a record begins that is too long, and where it says that it ends.

        `data` begins at a border and has no last one. The end is counted from the beginning of the
        record, 0 where it does not say.
        """
        return 0, 0

    def next_record(self, data: bytes, *, start: int, claimed: int, lines: bool) -> int | None:
        """Return where in `data`, which begins inside a record that is too long, the next begins.

        None if not in `data`, which is at `start` in the source. `claimed` is where in `data` the
        record says that it ends, 0 or less if it does not. With `lines` nothing is known of the
        record's beginning, so each line may be a record of its own.
        """
        return self.first_border(data, 1, start=start)

    def piece_end(self, data: bytes, begin: int, end: int) -> int:
        """Return where after `begin`, and at or before `end`, to cut a record that is too long."""
        return end

    def carry(self, block: Block, context: Mapping[str, str]) -> list[Block]:
        """Cut a block so that what its `context` says holds for all messages of each part.

        `context` is what holds where the block begins; that of the last part holds after it.
        """
        return [dataclasses.replace(block, context=context)]


def default_protocol() -> Protocol:
    """Return the protocol that is meant where none is named: FIX."""
    # Only here, and only if it is asked for: who reads another one does without it.
    from fixfeed.transforms.fix.protocol import FIX

    return FIX
