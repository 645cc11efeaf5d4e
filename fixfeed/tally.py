"""The counts of a read, and what is said of them."""

import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from fixfeed.io.files.find import File, Unreadable
from fixfeed.transforms.batch import UNREADABLE
from fixfeed.wanted import Given

__all__ = ["Tally"]

_NAMED = 3
"""So many files that could not be read are named."""


class Tally:
    """What a call has read so far: messages + failures + filtered are all that came in."""

    def __init__(
        self, caller: str, unreadable: Sequence[Unreadable] = (), copies: Sequence[File] = ()
    ):
        """`unreadable` files are failures; `copies` hold what other files hold."""
        self._caller = caller
        self._copies = [file.name for file in copies]
        self._errors = [f"{one.path}: {one.reason}" for one in unreadable]
        self._reasons: Counter[str] = Counter({UNREADABLE: len(unreadable)} if unreadable else {})
        self._messages = self._filtered = self._lines = 0

    def counted(self, given: Given) -> pa.RecordBatch:
        """Count what a block gave; return its rows."""
        failed = sum(given.reasons.values())
        self._messages += given.read - given.filtered - failed
        self._filtered += given.filtered
        self._lines += given.lines
        self._reasons.update(given.reasons)
        self._errors += given.errors
        return given.rows

    @property
    def metadata(self) -> Mapping[str, str]:
        """The counts as metadata of a schema."""
        return {
            "fixfeed.messages": str(self._messages),
            "fixfeed.failures": str(self._reasons.total()),
            "fixfeed.filtered": str(self._filtered),
            "fixfeed.lines_without_fix": str(self._lines),
        }

    def tell(self) -> None:
        """Warn of failures, of copies, and of logs without FIX."""
        said = []
        if self._reasons:
            kinds = ", ".join(f"{count:,} {reason}" for reason, count in self._reasons.items())
            count = self._reasons.total()
            said.append(
                f"{count:,} failure{'s' * (count > 1)} ({kinds}) left out: bytes that are no "
                "message; fixfeed.failures returns them"
            )
        if self._errors:
            rest = len(self._errors) - _NAMED
            more = f"; and {rest:,} more" if rest > 0 else ""
            said.append(f"not read whole: {'; '.join(self._errors[:_NAMED])}{more}")
        if self._copies:
            said.append(f"read once, as other logs hold the same: {', '.join(self._copies)}")
        if self._lines and not self._messages + self._filtered:
            said.append(f"no message was found in {self._lines:,} lines; is it a log of FIX?")
        if said:
            text = f"fixfeed.{self._caller}: {'. '.join(said)}"
            warnings.warn(text, stacklevel=_callers_level())


def _callers_level() -> int:
    """Return how many frames up the code is that called the package."""
    level, frame = 0, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("fixfeed."):
        level, frame = level + 1, frame.f_back
    return level + 1
