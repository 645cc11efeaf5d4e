"""What the values of a field are called: names of codes, for views, `Enrich` and lakes."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["OTHER", "Code"]

OTHER = "other"
"""The key in `Code.other_names` of all messages that no other key is for."""


class Code(NamedTuple):
    """A value of a field, and what it is called.

    `name` is right for every message if `other_names` is empty. Else `other_names` has the name of
    each kind of message by a value of one of its columns (`Table.named_by`: its session, its
    version), and under `OTHER` that of all others. A name that is empty there, or missing, means
    that the value has none; `name` is then the one that is best known.
    """

    field: str
    value: str
    name: str
    other_names: Mapping[str, str] = {}

    def name_in(self, keys: Iterable[str | None]) -> str | None:
        """Return the name in a message; `keys` are its values of the columns of `named_by`."""
        if not self.other_names:
            return self.name
        for key in (*keys, OTHER):
            if key is not None and key in self.other_names:
                return self.other_names[key] or None
        return None
