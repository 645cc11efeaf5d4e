"""Reads a range of the planned file, wherever the file is now."""

import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

from fixfeed.io.files.compression import Damaged, Stream
from fixfeed.io.files.planned import MOST_MOVES, Replaced
from fixfeed.io.files.ranges import BLOCK, Range, blocks_of, reason_of, said
from fixfeed.io.ledger.witness import EXACT, TAIL, Trail
from fixfeed.transforms.batch import Block

__all__ = ["read_blocks", "trail_at"]


def read_blocks(part: Range, *, block_size: int = BLOCK) -> Iterator[Block]:
    """Yield the blocks of a range in order; they tile it. See `blocks_of` for provisional ones.

    Every block of a file with an inode is from the planned file: this is checked after the block is
    read and before it is yielded. Other files are checked when they are opened and at their end. A
    file that was renamed, or was copied within its folder and then truncated, is read on at its new
    place. If that is not found or cannot be opened, the last block is empty and provisional, and
    its error says so.
    """
    at, context = part.start, part.context
    if part.unread:
        yield _unread(part, at, part.unread)
        return
    reason = ""
    for _ in range(MOST_MOVES):
        try:
            with part.planned.opened() as file:
                for block in _of_planned(part, file, block_size):
                    yield block
                    at, context = block.end, block.context
                return
        except Replaced as error:
            reason = f"{error} while the job ran"
        except FileNotFoundError:
            reason = "it went while the job ran"
        except OSError as error:
            yield _unread(part, at, reason_of(error))
            return
        moved = part.planned.found_again()
        if moved is None:
            if _whole(part, at):
                return
            break
        part = dataclasses.replace(
            part,
            planned=moved,
            start=at,
            sync_start=part.sync_start and at == part.start,
            skip=(*part.skip, (0, at)) if part.compression else part.skip,
            context=context,
        )
    yield _unread(
        part,
        at,
        f"{reason}, and what it held is not found in its folder; it was read up to byte {at}. "
        "Give the file that has the rest of it now as --input",
    )


def _whole(part: Range, at: int) -> bool:
    """Return whether blocks that end at a border have reached the end of their range."""
    return not part.compression and at >= (part.planned.size if part.stop is None else part.stop)


def _of_planned(part: Range, file: BinaryIO, block_size: int) -> Iterator[Block]:
    """Yield the blocks of an open file with their witnesses. Raises `Replaced`."""
    trail = Trail()
    for block in blocks_of(part, file, block_size=block_size):
        if part.planned.file_id:
            part.planned.check(file)
        if not (block.provisional or block.error):
            if trail.position != block.start:
                trail = trail_at(part, block.start)
            trail.add(block.data)
            block = dataclasses.replace(block, witness=trail.witness())
        yield block


def trail_at(part: Range, position: int) -> Trail:
    """Return the trail of a reader that has reached a position. Raises `Replaced`."""
    trail = Trail()
    try:
        with part.planned.opened() as file:
            stream = Stream(file, part.compression, part.begin)
            if position > EXACT:
                stream.seek(position - TAIL)
                return Trail.beyond(position, stream.read(TAIL))
            while trail.position < position:
                data = stream.read(position - trail.position)
                if not data:
                    raise Replaced(f"it has become shorter than {position:,} bytes")
                trail.add(data)
    except Damaged as error:
        raise Replaced(str(error)) from error
    return trail


def _unread(part: Range, at: int, reason: str) -> Block:
    return Block(
        part.origin.key,
        at,
        b"",
        part.framing.layout,
        provisional=True,
        error=said(part, reason),
        origin=part.origin,
    )
