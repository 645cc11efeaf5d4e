"""The names of codes of a lake, in `codes/codes.parquet`: the columns of `io.codes`.

The file is replaced in one step, so a reader finds either the one before or the one after.
"""

from collections.abc import Iterable
from operator import itemgetter

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from fixfeed.io.codes import COLUMNS, code_row
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.storage import Storage
from fixfeed.transforms.codes import Code

__all__ = ["CODES", "codes_rows", "keep_codes"]

CODES = "codes/codes.parquet"
"""The place of the file in a lake."""


def keep_codes(storage: Storage, codes: Iterable[Code]) -> None:
    """Add codes to those of a lake; `other_names` of one that is there already are kept.

    The caller holds the lake's lock. Raises `SinkError` if the file that is there cannot be read.
    """
    wanted = codes_rows(codes)
    before = _read(storage)
    if before is not None and before.equals(wanted):
        return
    after = {} if before is None else _codes(before)
    for key, code in _codes(wanted).items():
        known = after.get(key)
        if known is not None and known.other_names:
            code = code._replace(other_names={**known.other_names, **code.other_names})
        after[key] = code
    rows = codes_rows(after.values())
    if before is not None and before.equals(rows):
        return
    aside = storage.aside()
    pq.write_table(rows, storage.scratch(aside), compression="zstd")
    storage.keep([aside])
    storage.publish([([(aside, CODES)], 1)], for_good=True, all_aside=True)


def codes_rows(codes: Iterable[Code]) -> pa.Table:
    """Return codes as rows, in order of field and value."""
    rows = sorted(map(code_row, codes), key=itemgetter(0, 1))
    return pa.table(
        {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(COLUMNS)}
    )


def _codes(rows: pa.Table) -> dict[tuple[str, str], Code]:
    found: dict[tuple[str, str], Code] = {}
    for field, value, name, text in zip(*(one.to_pylist() for one in rows.columns), strict=True):
        others = orjson.loads(text) if text else {}
        if (field, value) in found:
            others = {**found[field, value].other_names, **others}
        found[field, value] = Code(field, value, name, others)
    return found


def _read(storage: Storage) -> pa.Table | None:
    try:
        return pq.read_table(
            storage.source(CODES), partitioning=None, columns=list(COLUMNS)
        ).replace_schema_metadata()
    except FileNotFoundError:
        return None
    except (pa.ArrowInvalid, KeyError) as error:
        raise SinkError(
            f"{storage.shown(CODES)} holds no codes ({error}): something else has changed it; "
            "remove it, and the next run makes it anew"
        ) from error
