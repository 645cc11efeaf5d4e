"""A row of the table of anomalies."""

import datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.fix.anomalies.rules import Rule

__all__ = ["Found", "anomaly", "scopes"]


class Found(NamedTuple):
    """What was looked at again, and the rows of all that is out of the ordinary there now."""

    scopes: pa.Array
    rows: list[dict[str, Any]]


def scopes(kind: str, names: pa.Array) -> pa.Array:
    """Return the scopes of a kind by their names.

    >>> scopes("order", pa.array([1, 2])).to_pylist()
    ['order 1', 'order 2']
    """
    return pc.binary_join_element_wise(kind, names.cast(pa.string()), " ")


def anomaly(
    rule: Rule,
    *,
    scope: str,
    seen: str,
    expected: str,
    happened_at: datetime.datetime | None = None,
    session: str | None = None,
    order_key: int | None = None,
    symbol: str | None = None,
) -> dict[str, Any]:
    """Return a row of `schema.ANOMALIES`."""
    return {
        "scope": scope,
        "happened_at": happened_at,
        "kind": rule.kind,
        "severity": rule.severity,
        "session": session,
        "order_key": order_key,
        "symbol": symbol,
        "seen": seen,
        "expected": expected,
        "rule": rule.name,
    }
