"""All views of FIX, for `Table.views`."""

from collections.abc import Iterator

from fixfeed.transforms.fix.views import fills, rejects

__all__ = ["views"]


def views(dialect: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the query of each view, in a dialect of SQL (`transforms.dialects`)."""
    yield "fills", fills.select(dialect)
    yield "rejects", rejects.select(dialect)
