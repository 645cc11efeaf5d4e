"""Values of OrdStatus, which people give by their names too."""

from fixfeed.dashboard.database import Database
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["UnknownStatus", "statuses"]


class UnknownStatus(ValueError):
    """There is no OrdStatus of a name; the text names the nearest one, and all that there are."""


def statuses(database: Database, text: str) -> list[str]:
    """Return the values that a value or a name means: `8`, `Rejected`. Raises `UnknownStatus`.

    Names count in upper and lower case; a single letter is taken for a value.
    """
    if len(text) == 1:
        return [text]
    codes = database.rows("select value, name from codes where field = 'OrdStatus' order by value")
    found = [code["value"] for code in codes if code["name"].lower() == text.lower()]
    if not found:
        names = list(dict.fromkeys(code["name"] for code in codes if code["name"]))
        near = did_you_mean(text, names)
        raise UnknownStatus(f"no OrdStatus is called {text!r}{near}; there are {', '.join(names)}")
    return found
