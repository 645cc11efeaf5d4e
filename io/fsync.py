"""fsync for files and folders, and whether a path can be written."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["not_writable", "sync", "sync_all"]

_AT_ONCE = 16


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """Wait until all of them are on disk; a file system makes few operations of many at once."""
    with ThreadPoolExecutor(_AT_ONCE, "sync") as threads:
        for _ in threads.map(sync, paths):
            pass


def not_writable(path: Path) -> Path | None:
    """Return the file or folder that keeps this user from writing or making `path`, if any."""
    wanted = path = path.absolute()
    while not path.exists():
        path = path.parent
    if path != wanted and not path.is_dir():
        return path
    mode = os.W_OK | os.X_OK if path.is_dir() else os.W_OK
    return None if os.access(path, mode) else path
