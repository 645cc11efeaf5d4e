"""Which rows of a block only the scalar parser can read, and which values need care."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fixfeed.transforms.fix.vector.rows import Rows

__all__ = ["mark_odd"]

Ints = NDArray[np.int64]

_INSIDE = -2  # the id of what was taken for a field and stands inside a data field


def mark_odd(rows: Rows, delimiter: bytes, data_ids: Sequence[int]) -> Ints:
    """Add to `rows.odd`; return the fields whose values JSON escapes or that are not ASCII.

    Odd are rows with a field that has no tag, with a control byte in a tag, or with a data field
    that is not as long as its length field says. `data_ids` are the ids of data fields by the ids
    of their length fields. A data field that holds delimiters is put together again, and what was
    taken for fields inside it is taken out of `rows`.
    """
    whole = _join_data_fields(rows, delimiter, data_ids)
    special = _mark_special(rows, delimiter)
    rows.odd[rows.row[rows.ids < 0]] = True
    return np.union1d(special, whole) if len(whole) else special


def _mark_special(rows: Rows, delimiter: bytes) -> Ints:
    found = _special_places(rows, delimiter)
    if not len(found):
        return found
    field = np.minimum(np.searchsorted(rows.stop, found), len(rows.stop) - 1)
    inside = (found >= rows.tag[field]) & (found < rows.stop[field])
    in_tag = inside & (found < rows.equals[field])
    rows.odd[rows.row[field[in_tag]]] = True
    field = field[inside & ~in_tag]
    return field[np.flatnonzero(np.diff(field, prepend=-1))]


def _special_places(rows: Rows, delimiter: bytes) -> Ints:
    size, mark = len(rows.data), delimiter[0]
    octets = rows.octets[:size]
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


def _join_data_fields(rows: Rows, delimiter: bytes, data_ids: Sequence[int]) -> Ints:
    """Put data fields together; return those that were taken for several fields."""
    joined: list[int] = []
    gone: list[slice] = []
    # As numbers without a sign, negative ids are greater than all others.
    for field in np.flatnonzero(rows.ids.view(np.uint64) < len(data_ids)).tolist():
        if rows.ids[field] == _INSIDE:
            continue
        row = rows.row[field]
        length = rows.value(field)
        last = int(rows.last[row])
        if (
            field == last
            or rows.ids[field + 1] != data_ids[rows.ids[field]]
            or not length.isdigit()
            or len(length) > 9
        ):
            rows.odd[row] = True
            continue
        end = int(rows.equals[field + 1]) + 1 + int(length)
        if end == rows.stop[field + 1]:
            continue
        if end >= rows.tag[last] or rows.octets[end] != delimiter[0] or end < rows.stop[field + 1]:
            rows.odd[row] = True
            continue
        pieces = int(np.searchsorted(rows.tag[field + 2 : last], end, side="right"))
        inside = slice(field + 2, field + 2 + pieces)
        rows.ids[inside] = _INSIDE
        rows.stop[field + 1] = end
        joined.append(field + 1)
        gone.append(inside)
    return _without(rows, gone, np.array(joined, np.int64))


def _without(rows: Rows, gone: Sequence[slice], joined: Ints) -> Ints:
    """Take stretches of fields out of `rows`; return the new numbers of `joined`."""
    if not gone:
        return joined
    sizes = np.cumsum([0, *(one.stop - one.start for one in gone)])
    begins = np.array([one.start for one in gone])

    def renumbered(fields: Ints) -> Ints:
        return fields - sizes.take(np.searchsorted(begins, fields))

    rows.first, rows.last = renumbered(rows.first), renumbered(rows.last)
    # Pieces are copied in a third of the time that picking field by field takes.
    ends = [0, *(one.stop for one in gone)]
    kept = [slice(*pair) for pair in zip(ends, [*begins.tolist(), len(rows.ids)], strict=True)]
    for name in ("row", "tag", "equals", "stop", "ids"):
        column = getattr(rows, name)
        setattr(rows, name, np.concatenate([column[piece] for piece in kept]))
    return renumbered(joined)
