"""The layouts of sample messages in logs."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

__all__ = [
    "LAYOUTS",
    "SOH",
    "Layout",
    "decimal",
    "encode",
    "sealed",
    "time_text",
    "utc",
    "with_check_sum",
]

SOH = b"\x01"
FieldList = Sequence[tuple[int, bytes]]


def encode(version: str, fields: FieldList) -> bytes:
    """Return the message of these (tag, value) pairs with BeginString, BodyLength and CheckSum."""
    return sealed(b"8=%b" % version.encode(), [b"%d=%b" % pair for pair in fields])


def sealed(begin: bytes, body: Sequence[bytes]) -> bytes:
    """Return the message of BeginString and these body fields, with BodyLength and CheckSum."""
    content = b"".join(field + SOH for field in body)
    return with_check_sum(b"%b\x019=%d\x01%b" % (begin, len(content), content))


def with_check_sum(message: bytes) -> bytes:
    """Return a message with its CheckSum appended."""
    return b"%b10=%03d\x01" % (message, sum(message) % 256)


def time_text(at: int, pattern: str, digits: int) -> str:
    """Format `at`, nanoseconds since 1970, by a strftime pattern followed by `digits` decimals."""
    seconds, nanos = divmod(at, 10**9)
    return datetime.fromtimestamp(seconds, UTC).strftime(pattern) + f"{nanos:09d}"[:digits]


def utc(at: int, digits: int) -> bytes:
    """Return a UTCTimestamp with that many decimals of a second."""
    return time_text(at, "%Y%m%d-%H:%M:%S" + ("." if digits else ""), digits).encode()


def decimal(hundredths: int) -> bytes:
    """Return a price with two places."""
    return b"%d.%02d" % divmod(hundredths, 100)


class Layout(NamedTuple):
    """How a log writes messages: delimiter, prefix, end of line.

    `prefix` is called with the time in nanoseconds, the session and the direction. `line_end` is
    empty if messages follow each other without line ends. `last_delimiter` decides whether the
    delimiter after CheckSum is written.
    """

    delimiter: bytes
    prefix: Callable[[int, str, str], str]
    line_end: bytes = b"\n"
    last_delimiter: bool = True

    @property
    def bare(self) -> bool:
        """Whether a line begins with its message."""
        return not self.prefix(0, "", "")

    def write(self, message: bytes, prefix: str) -> bytes:
        """Return the log record of a message (or part of one) that has SOH between its fields."""
        if not self.last_delimiter:
            message = message.removesuffix(SOH)
        return prefix.encode() + message.replace(SOH, self.delimiter) + self.line_end


def _quickfix(at: int, session: str, direction: str) -> str:
    return time_text(at, "%Y%m%d-%H:%M:%S.", 9) + " : "


def _log4j(at: int, session: str, direction: str) -> str:
    return time_text(at, "%Y-%m-%d %H:%M:%S,", 3) + f" INFO [{session}] {direction:<3} "


def _iso(at: int, session: str, direction: str) -> str:
    return time_text(at, "%Y-%m-%dT%H:%M:%S.", 3) + f"Z {direction} "


def _nothing(at: int, session: str, direction: str) -> str:
    return ""


LAYOUTS = {
    "quickfix": Layout(SOH, _quickfix),
    "log4j": Layout(SOH, _log4j),
    "iso": Layout(SOH, _iso),
    "plain": Layout(SOH, _nothing),
    "stream": Layout(SOH, _nothing, line_end=b""),
    "pipe": Layout(b"|", _nothing),
    "caret_a": Layout(b"^A", _nothing),
    "caret": Layout(b"^", _nothing, last_delimiter=False),
    "semicolon": Layout(b";", _nothing, line_end=b"\r\n"),
    "tab": Layout(b"\t", _iso),
}
"""The layouts by name."""
