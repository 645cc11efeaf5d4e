"""Which time an answer counts, where it is counted by minute: then it may be wider than asked."""

import datetime
from typing import Any

from fixfeed.dashboard.queries.whole_minutes import covering
from fixfeed.dashboard.view import View

__all__ = ["COUNTED_TIME", "counted_time"]


def _member(name: str, example: str, said: str) -> dict[str, Any]:
    return {
        name: {
            "type": ["string", "null"],
            "format": "date-time",
            "example": example,
            "description": f"{said}; null for any. Of a time within a minute the whole minute"
            " counts, so this may be wider than what was asked for.",
        }
    }


COUNTED_TIME: dict[str, Any] = {
    **_member("from", "2025-01-02T09:30:00Z", "The first time that is counted"),
    **_member("to", "2025-01-02T16:00:00Z", "The time after the last one that is counted"),
}
"""What OpenAPI says of it."""


def counted_time(view: View, *, exact: bool = False) -> dict[str, datetime.datetime | None]:
    """Return the members of an answer: the whole minutes of a view, or its times if it is exact."""
    counted = view if exact else covering(view)
    return {"from": counted.begin, "to": counted.end}
