"""Failures as JSON objects with their source: what JSON lines and topics carry, in any protocol."""

import base64
from typing import Any

import orjson
import pyarrow as pa

from fixfeed.transforms.batch import Batch

__all__ = ["failure_envelopes", "failure_of"]


def failure_envelopes(batch: Batch, source: str) -> pa.StringArray:
    """Return one JSON text for each failure of `batch`; `source` is the name of its source.

    Its keys are `source`, `position`, `reason`, `detail` and `raw`, the bytes as they came: as text
    where they are UTF-8, else as `{"base64": "..."}`.
    """
    texts = [
        orjson.dumps({"source": source, **failure, "raw": _text_or_base64(failure["raw"])}).decode()
        for failure in batch.failures.to_pylist()
    ]
    return pa.array(texts, pa.string())


def failure_of(text: bytes) -> dict[str, Any]:
    """Return what a text of `failure_envelopes` says; `raw` are bytes.

    Raises `ValueError` for other texts.
    """
    try:
        failure = orjson.loads(text)
        raw = failure["raw"]
        octets = base64.b64decode(raw["base64"]) if isinstance(raw, dict) else raw.encode()
        row = {key: failure[key] for key in ("source", "position", "reason", "detail")}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no failure: {error}") from error
    return row | {"raw": octets}


def _text_or_base64(raw: bytes) -> str | dict[str, str]:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
