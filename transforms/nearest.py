"""The word that was probably meant by one that is unknown."""

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known word that is most like `word`, "" if none is.

    `cutoff` is how alike they have to be, from 0 to 1. If none is, capitals do not count.

    >>> nearest("sybol", ["symbol", "side"])
    'symbol'
    >>> nearest("ClOrdID", ["cl_ord_id", "order_id"])
    'cl_ord_id'
    """
    words = list(known)
    for one in (word, word.lower()):
        if near := difflib.get_close_matches(one, words, 1, cutoff):
            return near[0]
    return ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the nearest known word, "" if none is near.

    >>> did_you_mean("sybol", ["symbol", "side"])
    '; did you mean symbol?'
    """
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""
