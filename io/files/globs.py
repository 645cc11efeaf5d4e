"""The local files that match a pattern, and the folders on the way that could not be listed.

`*`, `?`, `[...]` and `**` mean the same as in Python's `glob`, but folders without permission are
named here, not silently skipped. A part of a path that exists as written is taken literally, even
if it has brackets.
"""

import fnmatch
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Found", "find", "has_magic", "kind_of", "visible"]


@dataclass
class Found:
    """The matches of a pattern: paths in order, and the errors by path that could not be listed."""

    paths: list[str] = field(default_factory=list)
    errors: dict[str, OSError] = field(default_factory=dict)


def visible(name: str) -> str:
    """Return a name in a form that can be shown, stored and sent anywhere.

    Bytes that are not UTF-8 and characters that do not print, such as line ends and escape
    sequences, are escaped: `day\\xff.log`.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def has_magic(pattern: str) -> bool:
    """Return whether a pattern has wildcards."""
    return any(character in pattern for character in "*?[")


def kind_of(mode: int) -> str:
    """Return the kind of something that is not a regular file, from its mode; "" for a file."""
    kinds = (
        (stat.S_ISREG, ""),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((kind for test, kind in kinds if test(mode)), "no file")


def find(pattern: str) -> Found:
    """Return the matches of a pattern; folders only if nothing else matches.

    `*` matches no name that begins with a dot. `**` enters each folder once, however many links
    lead to it. Raises `ValueError` for text that cannot be a path.
    """
    found = Found()
    root = "/" if pattern.startswith("/") else ""
    parts = [part for part in pattern.split("/") if part]
    paths = list(dict.fromkeys(_expand(root, parts, found.errors)))
    files = [path for path in paths if not os.path.isdir(path)]
    found.paths = sorted(files or paths)
    return found


def _expand(base: str, parts: list[str], errors: dict[str, OSError]) -> Iterator[str]:
    """Yield the paths that match the parts of a pattern in the folder `base`."""
    if not parts:
        if base:
            yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        for folder in _folders(base, errors, set()):
            yield from _expand(folder, rest or ["*"], errors)
    elif not has_magic(part) or _is_itself(base, part):
        path = os.path.join(base, part)
        if _exists(path, errors):
            yield from _expand(path, rest, errors)
    else:
        for entry in _entries(base, errors):
            hidden = entry.name.startswith(".") and not part.startswith(".")
            if not hidden and fnmatch.fnmatchcase(entry.name, part):
                path = os.path.join(base, entry.name)
                if not rest or os.path.isdir(path):
                    yield from _expand(path, rest, errors)


def _is_itself(base: str, part: str) -> bool:
    return "*" not in part and "?" not in part and os.path.lexists(os.path.join(base, part))


def _exists(path: str, errors: dict[str, OSError]) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        errors[path] = error
        return False
    return True


def _entries(folder: str, errors: dict[str, OSError]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or ".") as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        errors[folder or "."] = error
        return []


def _folders(base: str, errors: dict[str, OSError], entered: set[tuple[int, int]]) -> Iterator[str]:
    """Yield `base` and the folders in it to any depth."""
    try:
        status = os.stat(base or ".")
    except OSError as error:
        errors[base or "."] = error
        return
    if (status.st_dev, status.st_ino) in entered:
        return
    entered.add((status.st_dev, status.st_ino))
    yield base
    # A folder is entered by its own name rather than by a link to it.
    entries = [entry for entry in _entries(base, errors) if not entry.name.startswith(".")]
    for entry in sorted(entries, key=lambda entry: entry.is_symlink()):
        path = os.path.join(base, entry.name)
        if os.path.isdir(path):
            yield from _folders(path, errors, entered)
