"""What comes beside the bytes of a record, as text: its key and headers."""

from typing import Any

import orjson

__all__ = ["said_beside"]


def said_beside(key: bytes | None, headers: Any) -> str:
    """Return key and headers as one JSON object; bytes that are no UTF-8 are escaped.

    >>> said_beside(b"C1", [("venue", b"XLON"), ("hop", b"a"), ("hop", b"b")])
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
    return orjson.dumps(said).decode()


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
