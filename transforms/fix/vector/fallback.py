"""Finds data fields that hold delimiters, and values that need care, by their bytes.

Both also find rows that only the scalar parser can read.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fixfeed.transforms.fix.arrays import Ints
from fixfeed.transforms.fix.vector.rows import Rows

__all__ = ["Joined", "join_data_fields", "special_fields"]


class Joined(NamedTuple):
    """Rows whose data fields are whole.

    `joined` are the fields that hold delimiters, `odd` the rows with a data field that is not as
    long as its length field says.
    """

    rows: Rows
    joined: Ints
    odd: Ints


def join_data_fields(rows: Rows, data_ids: Sequence[int]) -> Joined:
    """Put data fields together, and take out the supposed fields inside them.

    `data_ids` are the ids of data fields by the ids of their length fields.
    """
    joined: list[int] = []
    ends: list[int] = []
    gone: list[slice] = []
    odd: list[int] = []
    past = 0
    # Negative ids, as numbers without a sign, are greater than all others.
    for field in np.flatnonzero(rows.ids.view(np.uint64) < len(data_ids)).tolist():
        if field < past:
            # It is inside a data field.
            continue
        row = int(rows.row[field])
        length = rows.value(field)
        last = int(rows.last[row])
        if (
            field == last
            or rows.ids[field + 1] != data_ids[rows.ids[field]]
            or not length.isdigit()
            or len(length) > 9
        ):
            odd.append(row)
            continue
        end = int(rows.equals[field + 1]) + 1 + int(length)
        if end == rows.stop[field + 1]:
            continue
        is_outside = end >= rows.tag[last] or end < rows.stop[field + 1]
        if is_outside or rows.octets[end] != rows.delimiter[0]:
            odd.append(row)
            continue
        pieces = int(np.searchsorted(rows.tag[field + 2 : last], end, side="right"))
        past = field + 2 + pieces
        gone.append(slice(field + 2, past))
        joined.append(field + 1)
        ends.append(end)
    if not joined:
        return Joined(rows, np.empty(0, np.int64), np.array(odd, np.int64))
    whole, numbers = _without(rows, gone, np.array(joined, np.int64), ends)
    return Joined(whole, numbers, np.array(odd, np.int64))


def _without(
    rows: Rows, gone: Sequence[slice], joined: Ints, ends: Sequence[int]
) -> tuple[Rows, Ints]:
    """Return `rows` without stretches of fields, and the new numbers of `joined`.

    The values of those end at `ends`.
    """
    sizes = np.cumsum([0, *(one.stop - one.start for one in gone)])
    begins = np.array([one.start for one in gone])

    def renumbered(fields: Ints) -> Ints:
        return fields - sizes.take(np.searchsorted(begins, fields))

    # Copying pieces takes a third of the time of picking field by field.
    starts = [0, *(one.stop for one in gone)]
    kept = [slice(*pair) for pair in zip(starts, [*begins.tolist(), len(rows.ids)], strict=True)]

    def kept_of(column: Ints) -> Ints:
        return np.concatenate([column[piece] for piece in kept])

    joined = renumbered(joined)
    stop = kept_of(rows.stop)
    stop[joined] = ends
    rows = replace(
        rows,
        first=renumbered(rows.first),
        last=renumbered(rows.last),
        row=kept_of(rows.row),
        tag=kept_of(rows.tag),
        equals=kept_of(rows.equals),
        stop=stop,
        ids=kept_of(rows.ids),
    )
    return rows, joined


def special_fields(rows: Rows) -> tuple[Ints, Ints]:
    """Return the fields whose values JSON escapes or that are not ASCII, and odd rows.

    Rows with such a byte in a tag are odd.
    """
    found = _special_places(rows)
    if not len(found):
        return found, found
    field = np.minimum(np.searchsorted(rows.stop, found), len(rows.stop) - 1)
    inside = (found >= rows.tag[field]) & (found < rows.stop[field])
    in_tag = inside & (found < rows.equals[field])
    odd = rows.row[field[in_tag]]
    field = field[inside & ~in_tag]
    return field[np.flatnonzero(np.diff(field, prepend=-1))], odd


def _special_places(rows: Rows) -> Ints:
    mark = rows.delimiter[0]
    octets = rows.octets[: len(rows.data)]
    wanted = octets == ord('"')
    wanted |= octets == ord("\\")
    if not rows.data.isascii():
        wanted |= octets >= 128
    found = np.flatnonzero(wanted)
    control = octets < 32
    usual = rows.breaks if mark < 32 else np.count_nonzero(octets == 10)
    if np.count_nonzero(control) > usual:
        control &= octets != mark
        control &= octets != 10
        found = np.sort(np.concatenate([found, np.flatnonzero(control)]))
    return found
