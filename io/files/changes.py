"""Tells which files of some folders have changed, as the kernel reports it where it does."""

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["Changes", "is_remote"]

_STEP = 5  # milliseconds without another change, after which those so far are told
_TOGETHER = 50  # milliseconds for which changes are gathered at most

# Changes that another machine makes to these are not reported by the kernel.
_REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "lustre", "gluster", "beegfs", "gpfs")
_MOUNTS = "/proc/self/mounts"


class Changes:
    """The changes in some folders.

    Where the kernel reports changes, `wait` returns as soon as there is one. Elsewhere, as in a
    network file system, it cannot tell, and the caller has to look for itself.
    """

    def __init__(self) -> None:
        """Start without folders."""
        self._folders: frozenset[str] = frozenset()
        self._inodes: dict[str, int] = {}
        self._deep = False
        self._reports: Iterator[set[tuple[Any, str]]] | None = None
        self.reported = False

    def watch(self, folders: Iterable[str], *, deep: bool) -> None:
        """Watch these folders, which exist; with `deep` all folders in them as well.

        `reported` is true afterwards if the kernel reports their changes.
        """
        wanted = frozenset(folders)
        # A folder that was made again is another one.
        inodes = {folder: os.stat(folder).st_ino for folder in wanted if os.path.isdir(folder)}
        if inodes == self._inodes and deep == self._deep:
            return
        self.close()
        self._folders, self._inodes, self._deep = wanted, inodes, deep
        self.reported = bool(wanted) and not any(is_remote(folder) for folder in wanted)

    def wait(self, seconds: float) -> set[str]:
        """Return the paths that changed; none if nothing did, or nothing was told, for `seconds`.

        A path is in one of the folders as they were named.
        """
        if not self.reported or not self._folders:
            time.sleep(seconds)
            return set()
        if self._reports is None:
            # Imported here: only a job that follows files needs it.
            import watchfiles

            self._reports = watchfiles.watch(
                *sorted(self._folders),
                watch_filter=None,
                debounce=_TOGETHER,
                step=_STEP,
                rust_timeout=max(1, round(seconds * 1000)),
                yield_on_timeout=True,
                recursive=self._deep,
                force_polling=False,
                ignore_permission_denied=True,
            )
        try:
            return {path for _, path in next(self._reports)}
        except (OSError, RuntimeError, StopIteration):
            # A folder has gone, or the kernel has no room for more.
            self.reported, self._reports = False, None
            return set()

    def close(self) -> None:
        """Watch nothing."""
        self._folders, self._inodes = frozenset(), {}
        self.reported, self._reports = False, None


def is_remote(folder: str) -> bool:
    """Return whether a folder is in a file system whose changes may come from other machines."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split()[1:3] for line in file]
    except OSError:
        return True  # it is not known
    path = os.path.realpath(folder)
    kind, longest = "", -1
    for place, found in mounts:
        place = place.replace("\\040", " ")
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= longest:
            kind, longest = found, len(place)
    return kind.startswith(_REMOTE)
