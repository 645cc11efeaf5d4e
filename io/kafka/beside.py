"""What comes beside the bytes of a record: its time, and as text its key and headers."""

from operator import methodcaller
from typing import Any

import orjson

from fixfeed.transforms.batch import EARLIEST, LATEST

__all__ = ["beside"]

# Raises what confluent_kafka leaves. Python's own call of a method that it has called often does
# not look for an error beside a result: it would come up later, anywhere (Python 3.11).
_headers = methodcaller("headers")


def beside(record: Any) -> tuple[int | None, str | None]:
    """Return the time of a record of librdkafka in microseconds, and what is said: JSON.

    That is key and headers, and what cannot be had of the record: a timestamp that is no time of
    the years 1 to 9999, as of a producer that writes nanoseconds for Kafka's milliseconds, is said
    as it is; of headers with a name that is no UTF-8, which confluent_kafka cannot give, the error.
    Time and text are None if there is none. Asks for the headers once: after its error
    confluent_kafka would give a list of nothing, which must not be touched.

    >>> from types import SimpleNamespace
    >>> def record(time, key, headers):
    ...     said = {"timestamp": (1, time), "key": key, "headers": headers}
    ...     return SimpleNamespace(**{name: lambda value=said[name]: value for name in said})
    >>> beside(record(1_700_000_000_123, b"C1", None))
    (1700000000123000, '{"key":"C1"}')
    >>> beside(record(1_700_000_000_123_000_000, None, None))
    (None, '{"timestamp":1700000000123000000}')
    """
    kind, milliseconds = record.timestamp()
    time = milliseconds * 1000 if kind else None
    key = record.key()
    more: dict[str, Any] = {}
    try:
        headers = _headers(record)
    except (SystemError, UnicodeDecodeError) as error:
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        headers, more["headers_error"] = None, str(first)
    if time is not None and not EARLIEST <= time <= LATEST:
        time, more["timestamp"] = None, milliseconds
    if key is None and headers is None and not more:
        return time, None
    return time, _said(key, headers, more)


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
