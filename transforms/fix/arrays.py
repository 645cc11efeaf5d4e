"""The types of the codec's numpy arrays."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ints", "Mask", "Words"]

Ints = NDArray[np.int64]
"""Positions, lengths, counts, or the numbers of rows, fields and slots."""

Mask = NDArray[np.bool_]
"""Whether something holds for each row or field."""

Words = NDArray[np.uint64]
"""Eight bytes of text each, as little-endian numbers (`swar`)."""
