"""Short names of what a run has, for metrics and logs, which tell no server, folder or user."""

from collections.abc import Sequence

__all__ = ["numbered", "short_names"]


def short_names(sinks: Sequence[str]) -> dict[str, str]:
    """Return the short names of sinks: their kinds, with a number where one comes again.

    >>> short_names(["sqlite:///day.db", "parquet:lake/", "parquet:other/"])
    {'sqlite:///day.db': 'sqlite', 'parquet:lake/': 'parquet', 'parquet:other/': 'parquet-2'}
    """
    schemes = numbered([name.partition(":")[0] for name in sinks])
    return dict(zip(sinks, schemes, strict=True))


def numbered(names: Sequence[str]) -> list[str]:
    """Return the names with a number where one comes again.

    >>> numbered(["symbol", "account", "symbol"])
    ['symbol', 'account', 'symbol-2']
    """
    result = []
    for place, name in enumerate(names):
        before = names[:place].count(name)
        result.append(f"{name}-{before + 1}" if before else name)
    return result
