"""All views of FIX, for `Table.views`."""

from collections.abc import Iterator

from fixfeed.transforms.fix.views import fills, group_entries, market_data, rejects

__all__ = ["views"]


def views(dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the query of each view, in a dialect of SQL (`transforms.dialects`)."""
    yield "fills", fills.select(dialect)
    yield "rejects", rejects.select(dialect)
    yield "group_entries", group_entries.select(dialect)
    yield "market_data", market_data.select(dialect)
