"""Patterns of sessions and CompIDs."""

from fnmatch import fnmatchcase

__all__ = ["matches"]


def matches(text: str, pattern: str) -> bool:
    """Return whether a text matches a pattern: `*` is any text, `?` a character, all else itself.

    >>> matches("[B]ROKER", "[B]RO*"), matches("BROKER", "[B]RO*")
    (True, False)
    """
    return fnmatchcase(text, pattern.replace("[", "[[]"))
