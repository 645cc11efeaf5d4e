"""Messages as JSON objects with their source: what JSON lines and topics carry.

    {"source": "day.log", "position": 123, "captured_at": "2025-01-02T09:30:00.123456Z",
     "ingested_at": null, "session": "FIX.4.4:A->B", "direction": "in", "defects": ["check_sum"],
     "masked": ["553", "554"], "message": {"Header": {...}, "Body": {...}, "Trailer": {...}}}

(shown in three lines; a text has no line breaks). Keys come in this order. Before `message` come
`appl_ver_id` of messages of FIXT.1.1, `names` if `Enrich(names=True)` has added columns, with the
names that the dictionary knows, and `enriched` where lookups have added something. `message` is the
FIX JSON encoding.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fixfeed.transforms.batch import Batch
from fixfeed.transforms.fix.schema import NAMED

__all__ = ["envelopes"]


def envelopes(batch: Batch, source: str) -> pa.StringArray:
    """Return one JSON text for each message of `batch`; `source` is the name of its source.

    Messages have the column `fix_json` after those of `MESSAGES`; `ValueError` if not.
    """
    messages = batch.messages
    present = set(messages.schema.names)
    if not messages.num_rows:
        return pa.array([], pa.string())
    if "fix_json" not in present:
        raise ValueError(
            "the messages have no column fix_json: read them with ParseFix(fix_json=True)"
        )
    pieces: list[Any] = [
        f'{{"source":{_dumped(source)},"position":',
        messages["position"].cast(pa.string()),
        ',"captured_at":',
        _times(messages["captured_at"]),
        ',"ingested_at":',
        _times(messages["ingested_at"]),
        ',"session":',
        _each(messages["session"], _dumped),
        ',"direction":',
        _each(messages["direction"], _dumped),
        ',"defects":',
        _each(messages["defects"], _array),
        ',"masked":',
        _each(messages["masked"], _array),
    ]
    versions = messages["appl_ver_id"]
    if versions.null_count < len(versions):
        pieces.append(_each(versions, partial(_member, "appl_ver_id")))
    named = [name for name in NAMED if f"{name}_name" in present]
    if named:
        pieces += [',"names":{', _names(messages, named), "}"]
    pieces += [_enriched(messages["enriched"]), ',"message":', messages["fix_json"], "}"]
    return pc.binary_join_element_wise(*pieces, "")


def _dumped(value: str | None) -> str:
    return orjson.dumps(value).decode()


def _array(joined: str | None) -> str:
    return orjson.dumps(joined.split(",") if joined else []).decode()


def _each(column: pa.Array, text: Callable[[str | None], str]) -> pa.Array:
    """Return the text of each value, made once per distinct value."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    texts = pa.array([*map(text, column.dictionary.to_pylist()), text(None)], pa.string())
    return texts.take(column.indices.fill_null(len(texts) - 1))


def _times(column: pa.TimestampArray) -> pa.Array:
    """Return times with all six digits, so that their texts are in the order of time."""
    if column.null_count == len(column):
        return pa.repeat("null", len(column))
    # Without the time zone, whose look-up takes thirty times as long; as bytes, also for speed.
    local = column.cast(pa.int64()).cast(pa.timestamp("us")).cast(pa.string()).cast(pa.binary())
    texts = pc.binary_replace_slice(local, 10, 11, b"T").cast(pa.string())
    return pc.binary_join_element_wise('"', texts, 'Z"', "").fill_null("null")


def _names(messages: pa.RecordBatch, named: list[str]) -> pa.Array:
    """Return the members of the object of names; a code without a name has none."""
    members = [_each(messages[f"{name}_name"], partial(_member, name)) for name in named]
    # Not joined by commas with nulls skipped: Arrow leaves out rows in which all are null.
    return pc.utf8_slice_codeunits(pc.binary_join_element_wise(*members, ""), 1)


def _member(name: str, value: str | None) -> str:
    return "" if value is None else f",{_dumped(name)}:{_dumped(value)}"


def _enriched(column: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(',"enriched":', column, "").fill_null("")
