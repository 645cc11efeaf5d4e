"""How far the reader of something without end is behind what is there."""

from typing import Literal, NamedTuple

__all__ = ["Lag"]


class Lag(NamedTuple):
    """How much is there and not read yet.

    >>> str(Lag(1234, "bytes")), str(Lag(0, "records"))
    ('1,234 bytes behind', '')
    """

    amount: int
    unit: Literal["bytes", "records"]

    def __str__(self) -> str:
        """Return it for people, `` if it is nothing."""
        return f"{self.amount:,} {self.unit} behind" if self.amount else ""
