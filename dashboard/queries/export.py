"""All messages of a view, the newest first, as a CSV or Parquet file that is made as it is read.

Nothing is kept: whoever takes the bytes decides how fast they come. What is stored meanwhile is
newer than what was read, and not in the file.
"""

import base64
import csv
import io
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from fixfeed.dashboard.database import Database
from fixfeed.dashboard.queries import messages
from fixfeed.dashboard.view import View
from fixfeed.transforms.batch import DECIMAL
from fixfeed.transforms.protocol import default_protocol

__all__ = ["csv_of", "parquet_of"]

_ROWS = 5000  # that are read at once
_SECONDS = 2.0  # of looking for them, then what was found is given
_LAST, _EXACT = Decimal(1).scaleb(-DECIMAL.scale), Context(prec=60)
_FORMULA = tuple("=+-@＝＋－＠\t\r\n\0")  # noqa: RUF001 - wide ones are formulas in East Asia


def csv_of(database: Database, view: View) -> Iterator[bytes]:
    """Yield a CSV file in UTF-8 with all columns of messages, and their names in the first line.

    `raw` that is no UTF-8 is in `raw_base64` instead. A text that a spreadsheet would take for a
    formula has an apostrophe before it. Raises `Trouble` and `SearchError`, some of it after the
    first bytes: then the file has no end.
    """
    names = default_protocol().table.keyed
    texts = {field.name for field in default_protocol().table.schema if field.type == pa.string()}
    head = [[*names, "raw_base64"]]
    for rows in _read(database, view):
        yield _lines([*head, *(_cells(row, names, texts) for row in rows)])
        head = []


def parquet_of(database: Database, view: View) -> Iterator[bytes]:
    """Yield a Parquet file with all columns of messages, exact, in groups of some thousand rows.

    Raises as `csv_of`.
    """
    table = default_protocol().table
    schema = pa.schema(
        [
            pa.field("message_id", pa.int64(), nullable=False),
            pa.field("source_id", pa.int64(), nullable=False),
            *list(table.schema)[1:],
        ]
    )
    decimals = [field.name for field in schema if field.type == DECIMAL]
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for rows in _read(database, view):
            for row in rows:
                for name in table.json:
                    if row[name] is not None:
                        row[name] = orjson.dumps(row[name]).decode()
                for name in decimals:
                    if row[name] is not None:
                        row[name] = row[name].quantize(_LAST, context=_EXACT)
            if rows:
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema))
            yield _taken(sink)
    yield _taken(sink)


def _read(database: Database, view: View) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of page after page, which may be none."""
    columns = default_protocol().table.keyed
    cursor: str | None = None
    while True:
        page = messages.page(
            database, view, cursor=cursor, limit=_ROWS, seconds=_SECONDS, columns=columns
        )
        yield page.rows
        cursor = page.older
        if cursor is None:
            return


def _taken(sink: io.BytesIO) -> bytes:
    """Return what was written; the writer knows by itself how much that was before."""
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


def _lines(rows: list[list[Any]]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode("utf-8", "backslashreplace")


def _cells(row: dict[str, Any], names: tuple[str, ...], texts: set[str]) -> list[Any]:
    cells: list[Any] = []
    encoded = ""
    for name in names:
        value = row[name]
        if isinstance(value, dict | list):
            value = orjson.dumps(value).decode()
        elif isinstance(value, bytes):
            try:
                value = _harmless(value.decode())
            except UnicodeDecodeError:
                encoded = base64.b64encode(value).decode()
                value = None
        elif name in texts and value is not None:
            value = _harmless(value)
        elif hasattr(value, "isoformat"):
            value = value.isoformat().replace("+00:00", "Z")
        cells.append(value)
    return [*cells, encoded]


def _harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    >>> [_harmless(text) for text in ("=1+1", "\\uff1d1+1", "\\0=1", "a=1", "")]
    ["'=1+1", "'\uff1d1+1", "'\\x00=1", 'a=1', '']
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
