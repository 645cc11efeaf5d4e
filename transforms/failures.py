"""Failures as JSON objects with their source: what JSON lines and topics carry, in any protocol."""

import base64

import orjson
import pyarrow as pa

from fixfeed.transforms.batch import Batch

__all__ = ["failure_envelopes"]


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


def _text_or_base64(raw: bytes) -> str | dict[str, str]:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
