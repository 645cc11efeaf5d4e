"""Converts the source identities of version 1 ledgers to those of this version."""

import os

__all__ = ["absolute", "identity"]


def identity(kind: str, name: str, fingerprint: str) -> tuple[str, str]:
    """Return place and fingerprint of a source in a version 1 ledger.

    A file was known by its first bytes, `length:digest`. A source that no job had planned was known
    by its key, which was its name; for a file the key was `file:length:digest`.
    """
    if kind == "file" and name.startswith("file:4096:"):
        return "", name.split(":")[2][:32]
    length, _, digest = fingerprint.partition(":")
    if kind != "file" or name.startswith("file:"):
        return "", f"key:{digest[:32]}"
    return name, digest[:32] if length == "4096" else ""


def absolute(place: str) -> str:
    """Return a stored place as this version stores it; version 1 kept paths as they were given."""
    if place and not os.path.isabs(place) and "://" not in place and place != "-":
        return os.path.realpath(place)
    return place
