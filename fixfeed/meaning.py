"""What the messages of a log mean, as Arrow tables: `orders`, `executions`, `latencies`, ...

They are the tables that the job derives in databases, made of a log as a table.
"""

import os
from collections.abc import Sequence

import pyarrow as pa

from fixfeed.transforms.at_once import derived_tables, needed
from fixfeed.transforms.derived import Derived
from fixfeed.transforms.fix.anomalies.rules import Rule, chosen_rules
from fixfeed.transforms.fix.orders.drop_copies import read_drop_copies
from fixfeed.transforms.fix.protocol import FIX, Fix

__all__ = ["anomalies", "derived", "executions", "latencies", "orders"]


def orders(messages: pa.Table, *, drop_copy: str | Sequence[str] = ()) -> pa.Table:
    """Return the orders in messages: the table `orders` of docs/orders.md.

    `messages` is what `fixfeed.read` gives. The orders are a function of the set of messages: not
    of their order, nor of how often each is there, but for the number of `copies`. ValueError for a
    table that lacks a column. `drop_copy` names sessions of drop copies as the flag does.

    >>> import fixfeed
    >>> log = fixfeed.parse(
    ...     "8=FIX.4.4|9=1|35=D|49=A|56=B|52=20250102-09:30:00|11=C1|38=100|10=0|"
    ...     "8=FIX.4.4|9=1|35=8|49=B|56=A|52=20250102-09:30:01|11=C1|17=E1|150=F|39=1|32=40|31=9|"
    ...     "14=40|151=60|10=0|"
    ... )
    >>> orders(log).select(["first_cl_ord_id", "ord_status", "cum_qty"]).to_pylist()
    [{'first_cl_ord_id': 'C1', 'ord_status': '1', 'cum_qty': Decimal('40.0000000000')}]
    """
    return derived(messages, "orders", drop_copy=drop_copy)["orders"]


def executions(messages: pa.Table, *, drop_copy: str | Sequence[str] = ()) -> pa.Table:
    """Return the executions in messages, each once: the table `executions` of docs/orders.md.

    `message_id` is the number of the report's row in `messages`, from 0, if that has no column of
    this name. See `orders`.
    """
    return derived(messages, "executions", drop_copy=drop_copy)["executions"]


def latencies(messages: pa.Table) -> pa.Table:
    """Return how long requests waited for answers: the table `latencies` of docs/latencies.md.

    See `orders`.
    """
    return derived(messages, "latencies")["latencies"]


def anomalies(
    messages: pa.Table, *, rules: str | os.PathLike[str] | Sequence[Rule] | None = None
) -> pa.Table:
    """Return what is out of the ordinary in messages: the table `anomalies` of docs/anomalies.md.

    `rules` is the path of a YAML file that is laid over the rules of fixfeed, which hold if it is
    None. A file that cannot be understood is a ValueError. See `orders`.
    """
    return derived(messages, "anomalies", rules=rules)["anomalies"]


def derived(
    messages: pa.Table,
    *names: str,
    rules: str | os.PathLike[str] | Sequence[Rule] | None = None,
    drop_copy: str | Sequence[str] = (),
) -> dict[str, pa.Table]:
    """Return derived tables of messages by name; without `names` all that databases have.

    What several of them need is made once: `derived(log, "orders", "executions")`. See `orders`,
    also for `drop_copy`, and `anomalies` for `rules`. ValueError for a name that is no such table.
    """
    copied = read_drop_copies([drop_copy] if isinstance(drop_copy, str) else drop_copy)
    of = needed(Fix(anomalies=chosen_rules(rules), drop_copies=copied).table.derived, names)
    made = derived_tables(of, _prepared(messages, of))
    return {name: made[name] for name in names} if names else made


def _prepared(messages: pa.Table, of: Sequence[Derived]) -> pa.Table:
    """Return the columns that matter, in the types of the job, with a message_id."""
    names = list(dict.fromkeys(name for one in of for name in (*one.columns, *one.where)))
    missing = [name for name in names if name not in messages.column_names]
    if missing:
        raise ValueError(
            f"the messages have no column {missing[0]!r}, which this table is made from; read the "
            "log with all columns"
        )
    schema = FIX.table.schema
    columns = {name: messages[name].cast(schema.field(name).type) for name in names}
    ids = pa.array(range(messages.num_rows), pa.int64())
    if "message_id" in messages.column_names:
        ids = messages["message_id"].cast(pa.int64())
    return pa.table({"message_id": ids, **columns})
