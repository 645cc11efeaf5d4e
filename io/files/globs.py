"""The local files that a pattern names, and what could not be looked into on the way.

`*`, `?`, `[...]` and `**` mean what they mean to Python's `glob`, which passes over folders without
permission in silence: here they are named. A part of a path that exists as it is written is itself,
whatever brackets it holds.
"""

import fnmatch
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Found", "find", "has_magic", "kind_of", "visible"]


@dataclass
class Found:
    """What a pattern names: paths in order, and, by path, why something could not be listed."""

    paths: list[str] = field(default_factory=list)
    errors: dict[str, OSError] = field(default_factory=dict)


def visible(name: str) -> str:
    """Return a name as it can be shown, stored and sent anywhere.

    What is not UTF-8 and what does not print, line ends and escape sequences among them, is
    escaped: `day\\xff.log`.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def has_magic(pattern: str) -> bool:
    """Tell whether there is something in a pattern that stands for other characters."""
    return any(character in pattern for character in "*?[")


def kind_of(mode: int) -> str:
    """Return what something is that is no regular file, from its mode; "" for a file."""
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
    """Return what matches a pattern; folders only where nothing else does.

    `*` matches no name that begins with a dot. `**` enters each folder once, whatever links lead to
    it. Raises `ValueError` for what cannot be a path.
    """
    found = Found()
    root = "/" if pattern.startswith("/") else ""
    parts = [part for part in pattern.split("/") if part]
    paths = list(dict.fromkeys(_expand(root, parts, found.errors)))
    files = [path for path in paths if not os.path.isdir(path)]
    found.paths = sorted(files or paths)
    return found


def _expand(base: str, parts: list[str], errors: dict[str, OSError]) -> Iterator[str]:
    """Yield what the parts of a pattern name in the folder `base`."""
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
