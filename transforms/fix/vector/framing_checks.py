"""Whether BodyLength and CheckSum of a block's messages are right."""

import numpy as np

from fixfeed.transforms.fix.arrays import Ints, Mask
from fixfeed.transforms.fix.defects import BODY_LENGTH, CHECK_SUM, CHECK_SUM_DELIMITER, TRUNCATED
from fixfeed.transforms.fix.vector.rows import Rows
from fixfeed.transforms.fix.vector.values import integers

__all__ = ["check_framing"]


def check_framing(rows: Rows, odd: Mask, ended: Mask) -> Ints:
    """Return the defects of the framing of each row, 0 of odd ones; `ended` have a CheckSum."""
    defects = np.where(odd | ended, 0, TRUNCATED)
    regular = np.flatnonzero(~odd & ended)
    if not len(regular):
        return defects
    doubtful = regular[~rows.framed.take(regular)]
    defects[doubtful[~_is_body_length_right(rows, doubtful)]] |= BODY_LENGTH
    trailer, mark = rows.last.take(regular), rows.delimiter[0]
    found = rows.words[rows.equals[trailer] + 1]
    written = np.zeros(len(regular), np.int64)
    good = rows.stop[trailer] - rows.equals[trailer] == 4
    for place, power in enumerate((100, 10, 1)):
        digit = ((found >> np.uint64(8 * place)) & np.uint64(0xFF)).view(np.int64) - 48
        good &= (digit >= 0) & (digit < 10)
        written += digit * power
    ends = np.empty(2 * len(regular), np.int64)
    ends[0::2], ends[1::2] = rows.start[regular], rows.tag[trailer]
    plain = np.add.reduceat(rows.octets, ends, dtype=np.uint8)[0::2].astype(np.int64)
    real = (plain + (1 - mark) * rows.delimiter_count[regular]) & 255
    wrong = ~good | (real != written)
    if wrong.any():
        # Inside data the delimiter may be part of the data, or an SOH that a tool replaced.
        fields = trailer - rows.first.take(regular)
        wrong &= ~good | ((plain + (1 - mark) * fields) & 255 != written)
    over_delimiter = wrong & good & (plain == written)
    defects[regular[wrong & ~over_delimiter]] |= CHECK_SUM
    defects[regular[over_delimiter]] |= CHECK_SUM_DELIMITER
    return defects


def _is_body_length_right(rows: Rows, doubtful: Ints) -> Mask:
    """Tell for which of some rows BodyLength leads to their CheckSum."""
    length, trailer = rows.first[doubtful] + 1, rows.last[doubtful]
    at = rows.equals[length] + 1
    wide = rows.stop[length] - at
    values, valid = integers(rows.words, at, wide, lambda i: _digits(rows.value(int(length[i]))))
    return valid & (values == rows.tag[trailer] - rows.stop[length] - 1)


def _digits(value: bytes) -> str:
    # The scalar parser reads nine digits of a BodyLength, `read_int` more.
    return value.decode("latin-1") if len(value) <= 9 else ""
