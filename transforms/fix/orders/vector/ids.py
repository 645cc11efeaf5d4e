"""The ids of all events at once: the twin of `orders.ids`, with the same ids."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.orders.events import NO_ID
from fixfeed.transforms.fix.orders.ids import (
    CL_ORD_ID,
    EXEC_ID,
    ORDER_ID,
    SECONDARY,
    Id,
    last_resort,
)
from fixfeed.transforms.fix.orders.vector.events import Events, Ints, flags, is_in

__all__ = ["KINDS", "Ids", "Spans", "first_and_last", "ids_of", "numbered", "spans"]

KINDS = (CL_ORD_ID, ORDER_ID, SECONDARY, EXEC_ID)


class Ids(NamedTuple):
    """The ids that tie events.

    `of_event` has three for each event, numbers of ids in the order of `orders.ids.ids_of`; -1
    where there is none. `first` is the first of each event. Id number `i` is `pair[i]`, `kind[i]`
    and `text[i]`, whose numbers `pairs`, `KINDS` and `texts` have.
    """

    of_event: Ints
    first: Ints
    pair: Ints
    kind: Ints
    text: Ints
    pairs: list[str]
    texts: pa.StringArray

    def named(self, number: int) -> Id:
        """Return an id in full."""
        return (
            self.pairs[self.pair[number]],
            KINDS[self.kind[number]],
            self.texts[int(self.text[number])].as_py(),
        )


def ids_of(events: Events) -> Ids:
    """Return the ids of events."""
    columns = [events[name] for name in ("cl_ord_id", "orig_cl_ord_id", "order_id")]
    coded = pa.concat_arrays(columns).dictionary_encode()
    texts = coded.dictionary
    upper = pc.utf8_upper(texts)
    is_id = ~is_in(upper, NO_ID)
    codes = coded.indices.fill_null(-1).to_numpy().astype(np.int64).reshape(3, -1)
    tie = (codes >= 0) & is_id[codes] if len(texts) else codes >= 0
    tie[1] &= codes[1] != codes[0]
    tie[:2, events.drop_copied & tie[2]] = False
    # Of messages with entries, and of mass cancel reports, entries alone are of orders.
    reports = pc.equal(events["msg_type"], "r").slice(0, len(events.divided))
    whole = events.divided | flags(reports)
    tie[:, : len(whole)] &= ~whole
    without = ~tie.any(axis=0)
    without[: len(whole)] &= ~whole
    resorts = _last_resorts(events, np.flatnonzero(without))
    more = pa.array([text for _, (_, text) in resorts], pa.string())
    place = pc.index_in(more, texts)
    new = pc.unique(more.filter(place.is_null()))
    texts = pa.concat_arrays([texts, new])
    many, kinds = len(texts) + 1, len(KINDS)
    keys = np.where(tie, codes, -1)
    for level, kind in enumerate((CL_ORD_ID, CL_ORD_ID, ORDER_ID)):
        pair = events.order_pair if kind == ORDER_ID else events.pair
        key = (pair * kinds + KINDS.index(kind)) * many + codes[level]
        keys[level] = np.where(tie[level], key, -1)
    numbers = pc.index_in(more, texts).to_pylist()
    for (event, (kind, _)), number in zip(resorts, numbers, strict=True):
        keys[0, event] = (int(events.pair[event]) * kinds + KINDS.index(kind)) * many + number
    found, of_event = numbered(keys)
    first = np.where(of_event[0] >= 0, of_event[0], of_event[1])
    first = np.where(first >= 0, first, of_event[2])
    return Ids(
        of_event, first, found // many // kinds, found // many % kinds, found % many,
        events.pairs, texts,
    )  # fmt: skip


def _last_resorts(events: Events, without: Ints) -> list[tuple[int, tuple[str, str]]]:
    """Return ids of events that have none of the usual ones, kind and text, with the event."""
    names = ("msg_type", "exec_ref_id", "exec_id", "cl_ord_id")
    columns = [events[name].take(pa.array(without)).to_pylist() for name in names]
    found = []
    for event, *values in zip(without.tolist(), *columns, strict=True):
        one = last_resort(events.more.get(event, {}), *values)
        if one is not None:
            found.append((event, one))
    return found


def numbered(keys: Ints) -> tuple[Ints, Ints]:
    """Return the different keys that are not below 0, and in the place of each key its number."""
    flat = keys.ravel()
    coded = pa.array(flat, mask=flat < 0).dictionary_encode()
    numbers = coded.indices.fill_null(-1).to_numpy().astype(np.int64)
    return coded.dictionary.to_numpy(), numbers.reshape(keys.shape)


class Spans(NamedTuple):
    """The first and the last day of each id."""

    first: Ints
    last: Ints


def spans(events: Events, ids: Ids) -> Spans:
    """Return the days that ids are found on, by the number of the id."""
    level, event = np.nonzero(ids.of_event >= 0)
    return first_and_last(ids.of_event[level, event], events.day[event], len(ids.text))


def first_and_last(number: Ints, day: Ints, count: int) -> Spans:
    """Return the first and the last of the days that each of so many numbers comes with."""
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(first, number, day)
    np.maximum.at(last, number, day)
    return Spans(first, last)
