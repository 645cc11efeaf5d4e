"""What comes beside the bytes of a record: its time, and as text its key and headers."""

from typing import Any

import orjson

from fixfeed.transforms.batch import EARLIEST, LATEST

__all__ = ["beside"]


def beside(
    key: bytes | None, headers: Any, timestamp: tuple[int, int]
) -> tuple[int | None, str | None]:
    """Return the time of a record in microseconds, and what is said: key and headers as JSON.

    A timestamp that is no time of the years 1 to 9999, as of a producer that writes nanoseconds for
    Kafka's milliseconds, is said as it is. Either is None if there is none.

    >>> beside(b"C1", None, (1, 1_700_000_000_123))
    (1700000000123000, '{"key":"C1"}')
    >>> beside(None, None, (1, 1_700_000_000_123_000_000))
    (None, '{"timestamp":1700000000123000000}')
    """
    kind, milliseconds = timestamp
    time = milliseconds * 1000 if kind else None
    if time is not None and not EARLIEST <= time <= LATEST:
        return None, _said(key, headers, {"timestamp": milliseconds})
    return time, None if key is None and headers is None else _said(key, headers, {})


def _said(key: bytes | None, headers: Any, more: dict[str, Any]) -> str:
    """Return key, headers and more as one JSON object; bytes that are no UTF-8 are escaped.

    >>> _said(b"C1", [("venue", b"XLON"), ("hop", b"a"), ("hop", b"b")], {})
    '{"key":"C1","headers":{"venue":"XLON","hop":["a","b"]}}'
    """
    said: dict[str, Any] = {}
    if key is not None:
        said["key"] = _text(key)
    if headers:
        said["headers"] = {}
        for name, value in headers:
            text = None if value is None else _text(value)
            said["headers"].setdefault(name, []).append(text)
        for name, values in said["headers"].items():
            if len(values) == 1:
                said["headers"][name] = values[0]
    return orjson.dumps(said | more).decode()


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
