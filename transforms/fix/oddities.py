"""Which rows of a block only the scalar parser can read, and which values need care."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transforms.fix.rows import Rows

__all__ = ["mark_odd"]

Ints = NDArray[np.int64]


def mark_odd(rows: Rows, delimiter: bytes, data_ids: Sequence[int]) -> Ints:
    """Add to `rows.odd`; return the fields whose values JSON escapes or that are not ASCII.

    Odd are rows with a control byte in a tag, and those whose data fields are not as long, up to a
    delimiter, as their length fields say. `data_ids` are the ids of data fields by the ids of
    their length fields.
    """
    special = _mark_special(rows, delimiter)
    _mark_data_fields(rows, data_ids)
    return special


def _mark_special(rows: Rows, delimiter: bytes) -> Ints:
    places = _special_places(rows, delimiter)
    if not len(places):
        return places
    field = np.minimum(np.searchsorted(rows.stop, places), len(rows.stop) - 1)
    inside = (places >= rows.tag[field]) & (places < rows.stop[field])
    in_tag = inside & (places < rows.equals[field])
    rows.odd[rows.row[field[in_tag]]] = True
    return np.unique(field[inside & ~in_tag])


def _special_places(rows: Rows, delimiter: bytes) -> Ints:
    data, mark = rows.data, delimiter[0]
    octets = rows.octets[: len(data)]
    places = [_find_all(data, b'"'), _find_all(data, b"\\")]
    if not data.isascii():
        places.append(np.flatnonzero(octets >= 128))
    control = octets < 32
    usual = np.count_nonzero(octets == 10)
    if mark < 32:
        usual += np.count_nonzero(octets == mark)
    if np.count_nonzero(control) > usual:
        places.append(np.flatnonzero(control & (octets != mark) & (octets != 10)))
    return np.sort(np.concatenate(places))


def _find_all(data: bytes, text: bytes) -> Ints:
    found, at = [], data.find(text)
    while at >= 0:
        found.append(at)
        at = data.find(text, at + 1)
    return np.array(found, np.int64)


def _mark_data_fields(rows: Rows, data_ids: Sequence[int]) -> None:
    for field in np.flatnonzero((rows.ids >= 0) & (rows.ids < len(data_ids))).tolist():
        row = rows.row[field]
        length = rows.value(field)
        if (
            field == rows.last[row]
            or rows.ids[field + 1] != data_ids[rows.ids[field]]
            or not length.isdigit()
            or len(length) > 9
            or int(length) != len(rows.value(field + 1))
        ):
            rows.odd[row] = True
