"""Whether derived tables are made of all messages, which an answer from them says."""

from typing import Any

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries.quality import not_derived

__all__ = ["COMPLETE", "complete"]

COMPLETE: dict[str, Any] = {
    "complete": {
        "type": "boolean",
        "example": True,
        "description": "Whether all messages that are stored are in it; false while they are being"
        " derived, and until `fixfeed derive` where nothing derives.",
    }
}
"""What OpenAPI says of it."""


def complete(database: Database) -> dict[str, bool]:
    """Return the member of an answer; raises `Trouble`.

    To be asked for before the rows: then it never says more than is true of them.
    """
    return {"complete": not_derived(database) == 0}
