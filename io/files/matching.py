"""The files that match patterns now, as far as their states tell, and the folders they are in."""

import os
import stat
from collections.abc import Callable, Iterable, Sequence

from fixfeed.io.files.globs import find, has_magic, kind_of

__all__ = ["Signature", "all_inside", "is_deep", "matching"]

Signature = tuple[str, int, int]
"""Device and inode, size, and time of the last change of a file."""


def matching(
    patterns: Sequence[str], complain: Callable[[str, str], None]
) -> tuple[dict[str, Signature], set[str]]:
    """Return the files that match now, by path, and the folders that all of them are in."""
    there: dict[str, Signature] = {}
    folders: set[str] = set()
    for pattern in patterns:
        folders |= _folder(pattern)
        try:
            paths = find(pattern).paths
        except (OSError, ValueError) as error:
            complain(pattern, str(error))
            continue
        for path in paths:
            try:
                state = os.stat(path)
            except OSError:
                continue
            if stat.S_ISREG(state.st_mode):
                inode = f"{state.st_dev}:{state.st_ino}"
                there[path] = (inode, state.st_size, state.st_ctime_ns)
            else:
                kind = kind_of(state.st_mode)
                files = f"; name its files: {os.path.join(path, '*')}" if kind == "a folder" else ""
                complain(path, f"is {kind}, and is not followed{files}")
    return there, folders


def all_inside(paths: Iterable[str], folders: Iterable[str]) -> bool:
    """Return whether all files are in these folders themselves, and not only linked to."""
    real = tuple(_with_slash(folder) for folder in folders)
    theirs = {os.path.dirname(path) or "." for path in paths}
    return all(_with_slash(folder).startswith(real) for folder in theirs)


def _with_slash(folder: str) -> str:
    return f"{os.path.realpath(folder).rstrip('/')}/"


def _folder(pattern: str) -> set[str]:
    """Return the folder that all matches of a pattern are in, if it is there yet."""
    parts = os.path.abspath(pattern).split("/")
    plain = parts[:-1]
    for number, part in enumerate(parts):
        if has_magic(part):
            plain = parts[: min(number, len(parts) - 1)]
            break
    folder = "/".join(plain) or "/"
    return {folder} if os.path.isdir(folder) else set()


def is_deep(pattern: str) -> bool:
    """Return whether matches of a pattern may be in folders inside the one they all are in."""
    return has_magic(os.path.dirname(pattern))
