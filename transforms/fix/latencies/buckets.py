"""The buckets that latencies are counted in: logarithmic, so many to a doubling."""

from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["buckets_of", "up_to"]

_DOUBLING = 8


def buckets_of(taken: NDArray[Any]) -> NDArray[np.int64]:
    """Return the bucket of each latency, in microseconds; -1 of those below 0.

    >>> buckets_of(np.array([-5, 0, 1, 2, 1024, 1025])).tolist()
    [-1, 0, 0, 8, 80, 81]
    """
    whole = np.ceil(np.log2(np.maximum(taken, 1)) * _DOUBLING - 1e-9).astype(np.int64)
    return np.where(taken < 0, -1, whole)


@cache
def up_to(bucket: int) -> Decimal:
    """Return the upper end of a bucket in seconds, to the microsecond.

    >>> [str(up_to(bucket)) for bucket in (-1, 0, 8, 80, 160)]
    ['0.000000', '0.000001', '0.000002', '0.001024', '1.048576']
    """
    micro = 0 if bucket < 0 else round(2 ** (bucket / _DOUBLING))
    return Decimal(micro).scaleb(-6)
