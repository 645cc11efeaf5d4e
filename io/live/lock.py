"""One gateway writes the spool of an address: the lock, and the boot of the machine it ran in."""

import fcntl
import os
from pathlib import Path

from fixfeed.io.live.spool import LOCK

__all__ = ["Lock"]

_BOOT = "/proc/sys/kernel/random/boot_id"


class Lock:
    """The lock of an address, which ends with the process that holds it.

    `same_boot` is whether the last gateway ran since the machine was started. What that one wrote
    is there then, synced or not, also if it was killed.
    """

    def __init__(self, address: Path):
        """Take it. Raises `BlockingIOError` if another process has it, or another `OSError`."""
        self._file = os.open(address / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._boot = _boot()
            self.same_boot = os.pread(self._file, 100, 0) == self._boot
        except BaseException:
            os.close(self._file)
            raise

    @property
    def is_removed(self) -> bool:
        """Whether its file was removed, so that others may take the lock of a new one."""
        return os.fstat(self._file).st_nlink == 0

    def note_boot(self) -> None:
        """Note that from now on a gateway of this boot writes."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, self._boot, 0)
        os.fsync(self._file)

    def release(self) -> None:
        """Give it up."""
        os.close(self._file)


def _boot() -> bytes:
    try:
        return Path(_BOOT).read_bytes().strip()
    except OSError:
        return b"unknown"  # elsewhere than on Linux: never the same as that of another time
