"""The rows of the tables of regular orders: the twin of `orders.rows`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.orders.events import NO_ID
from fixfeed.transforms.fix.orders.fills import CORRECTION, FILL
from fixfeed.transforms.fix.orders.ids import SECONDARY
from fixfeed.transforms.fix.orders.rows import OF_ORDER, OF_REPORT, key_of, without_collector
from fixfeed.transforms.fix.orders.rows import rows_of as rows_one_by_one
from fixfeed.transforms.fix.orders.schema import TABLES
from fixfeed.transforms.fix.orders.vector.chains import chains
from fixfeed.transforms.fix.orders.vector.events import Events, Flags, Ints, flags, is_in
from fixfeed.transforms.fix.orders.vector.ids import KINDS, Ids, first_and_last, numbered
from fixfeed.transforms.fix.orders.vector.life import orders_of
from fixfeed.transforms.fix.orders.vector.regular import odd_chains
from fixfeed.transforms.fix.orders.vector.sequence import Lines
from fixfeed.transforms.fix.orders.vector.steps import Steps
from fixfeed.transforms.fix.schema import DATE

__all__ = ["rows_of"]


def rows_of(messages: pa.Table, events: Events, ids: Ids) -> dict[str, pa.Table]:
    """Return the rows of the tables that messages give, which must be all of their chains.

    `events` and `ids` are those of the messages. What is regular is told here, all else by
    `orders.rows`.
    """
    with without_collector():
        return _rows_of(messages, events, ids)


def _rows_of(messages: pa.Table, events: Events, ids: Ids) -> dict[str, pa.Table]:
    chain, loose = chains(events, ids)
    of_chain = np.flatnonzero(chain >= 0)
    steps = Steps(Lines(events, of_chain, chain[of_chain]))
    lines = steps.lines
    regular = ~odd_chains(steps, loose)
    odd = np.zeros(messages.num_rows, bool)
    row = events.row[np.append(lines.event, lines.copy)]
    chain = np.append(lines.chain, lines.chain[lines.copied])
    while True:  # a message that names several orders is all regular, or all odd
        odd[row[~regular[chain]]] = True
        touched = np.zeros(len(regular), bool)
        touched[chain[odd[row]]] = True
        if not (regular & touched).any():
            break
        regular &= ~touched
    parts = []
    if regular.any():
        parts.append(_regular_rows(steps, ids, regular))
    if odd.any() or not parts:
        parts.append(rows_one_by_one(messages.filter(pa.array(odd)), events.drop_copies))
    return {name: pa.concat_tables([part[name] for part in parts]) for name in parts[0]}


def _regular_rows(steps: Steps, ids: Ids, regular: Flags) -> dict[str, pa.Table]:
    lines = steps.lines
    keys = _keys(steps, ids)
    kept = np.flatnonzero(regular[lines.chain])
    copies = np.flatnonzero(regular[lines.chain[lines.copied]])
    orders = {
        "order_key": pa.array(keys),
        "session_pair": _pairs(ids, steps.events.pair[lines.event[lines.start]]),
        **orders_of(steps),
    }
    return {
        "orders": _table("orders", orders).filter(pa.array(regular)),
        "order_ids": _order_ids(steps, ids, keys, kept, copies),
        "order_messages": _order_messages(steps, keys, kept, copies),
        "executions": _executions(steps, ids, keys, kept[steps.execution[kept]], orders),
    }


def _table(name: str, columns: dict[str, pa.Array]) -> pa.Table:
    schema = TABLES[name].schema
    return pa.Table.from_arrays([columns[field.name] for field in schema], schema=schema)


def _pairs(ids: Ids, pair: Ints) -> pa.Array:
    return pa.array(ids.pairs, pa.string()).take(pa.array(pair))


def _keys(steps: Steps, ids: Ids) -> Ints:
    """Return the keys of the orders of chains, after the first id of each."""
    events = steps.lines.event[steps.lines.start]
    first = ids.first[events]
    texts = ids.texts.take(pa.array(ids.text[first])).to_pylist()
    columns = (ids.pair[first], ids.kind[first], steps.events.day[events])
    named = zip(*(column.tolist() for column in columns), texts, strict=True)
    return np.array(
        [key_of((ids.pairs[pair], KINDS[kind], text), day) for pair, kind, day, text in named],
        np.int64,
    )


def _order_messages(steps: Steps, keys: Ints, kept: Ints, copies: Ints) -> pa.Table:
    lines = steps.lines
    line = np.append(kept, lines.copied[copies])
    event = np.append(lines.event[kept], lines.copy[copies])
    chain = lines.chain[line]
    columns = {
        "order_key": pa.array(keys[chain]),
        "message_id": steps.events["message_id"].take(pa.array(event)),
        "step": pa.array(line - lines.start[chain] + 1),
        "copied": pa.array(np.arange(len(line)) >= len(kept)),
    }
    return _table("order_messages", columns)


def _order_ids(steps: Steps, ids: Ids, keys: Ints, kept: Ints, copies: Ints) -> pa.Table:
    """Return the ids of orders, each with its first and last day."""
    events, of = steps.events, steps.lines
    event = np.append(of.event[kept], of.copy[copies])
    chain = np.append(of.chain[kept], of.chain[of.copied[copies]])
    secondary = events.told("SecondaryOrderID").take(pa.array(event))
    seconded = np.flatnonzero(flags(secondary.is_valid()) & ~is_in(pc.utf8_upper(secondary), NO_ID))
    secondary = secondary.take(pa.array(seconded))
    # All texts are different, so each keeps its number.
    texts = pa.concat_arrays([ids.texts, secondary]).dictionary_encode()
    many, kinds = len(texts.dictionary), len(KINDS)
    tying = (ids.pair * kinds + ids.kind) * many + ids.text
    names, lines = [], []
    for level in ids.of_event:
        lines.append(np.flatnonzero(level[event] >= 0))
        names.append(tying[level[event[lines[-1]]]])
    text = texts.indices.to_numpy().astype(np.int64)[len(ids.texts) :]
    pair = events.pair[event[seconded]]
    lines.append(seconded)
    names.append((pair * kinds + KINDS.index(SECONDARY)) * many + text)
    line = np.concatenate(lines)
    name, number = numbered(np.concatenate(names))
    both, row = numbered(chain[line] * len(name) + number)
    first, last = first_and_last(row, events.day[event[line]], len(both))
    chain, name = both // max(len(name), 1), name[both % max(len(name), 1)]
    columns = {
        "id": texts.dictionary.take(pa.array(name % many)),
        "kind": pa.array(KINDS).take(pa.array(name // many % kinds)),
        "session_pair": _pairs(ids, name // many // kinds),
        "order_key": pa.array(keys[chain]),
        "chain": pa.nulls(len(both), pa.int64()),
        "first_day": pa.array(first.astype(np.int32)).cast(DATE),
        "last_day": pa.array(last.astype(np.int32)).cast(DATE),
    }
    return _table("order_ids", columns)


def _executions(
    steps: Steps, ids: Ids, keys: Ints, fills: Ints, orders: dict[str, pa.Array]
) -> pa.Table:
    """Return the fills and corrections on these lines."""
    lines, events = steps.lines, steps.events
    chain = lines.chain[fills]
    changed = steps.changed_by[fills]
    columns = {
        "order_key": pa.array(keys[chain]),
        "session_pair": _pairs(ids, events.pair[lines.event[fills]]),
        "kind": pa.array([FILL, CORRECTION]).take(pa.array(steps.correction[fills].astype(int))),
        "stands": pa.array(steps.stands[fills]),
        "corrected_by": lines.take(events["exec_id"], lines.those(changed, steps.correction)),
        "busted_by": lines.take(events["exec_id"], lines.those(changed, steps.bust)),
        "copies": pa.array(np.bincount(lines.copied, minlength=len(lines))[fills]),
        "multi_leg_reporting_type": lines.take(events.told("MultiLegReportingType"), fills),
        "drop_copy": pa.array(steps.copies[fills]),
    }
    columns |= {name: lines.take(events[name], fills) for name in OF_REPORT}
    of_chain = pa.array(chain)
    columns |= {
        name: pc.coalesce(lines.take(events[name], fills), orders[name].take(of_chain))
        for name in OF_ORDER
    }
    return _table("executions", columns)
