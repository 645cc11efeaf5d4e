"""The names of codes of a lake, in `codes/codes.parquet`: the columns of `io.codes`.

The file is replaced in one step, so a reader finds either the one before or the one after.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from fixfeed.io.codes import COLUMNS, code_row
from fixfeed.io.fsync import sync
from fixfeed.io.ledger.ledger import SinkError
from fixfeed.transforms.codes import Code

__all__ = ["keep_codes"]

_PLACE = Path("codes") / "codes.parquet"


def keep_codes(folder: Path, codes: Iterable[Code], writing: Path) -> None:
    """Add codes to those of a lake; `other_names` of one that is there already are kept.

    The caller holds the lake's lock. `writing` is the path for a file that is not finished yet.
    Raises `SinkError` if the file that is there cannot be read.
    """
    place = folder / _PLACE
    before = _read(place)
    after = dict(before)
    for code in codes:
        known = after.get((code.field, code.value), code)
        others = {**known.other_names, **code.other_names}
        after[code.field, code.value] = code._replace(other_names=others)
    if after == before:
        return
    rows = [code_row(after[key]) for key in sorted(after)]
    columns = {
        name: pa.array(column, pa.string())
        for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)
    }
    pq.write_table(pa.table(columns), writing, compression="zstd")
    sync(writing)
    place.parent.mkdir(exist_ok=True)
    os.replace(writing, place)
    sync(place.parent)


def _read(place: Path) -> dict[tuple[str, str], Code]:
    try:
        rows = pq.read_table(place, partitioning=None, columns=list(COLUMNS)).to_pylist()
    except FileNotFoundError:
        return {}
    except (pa.ArrowInvalid, KeyError) as error:
        raise SinkError(
            f"{place} holds no codes ({error}): something else has changed it; remove it, and the "
            "next run makes it anew"
        ) from error
    return {
        (row["field"], row["value"]): Code(
            row["field"], row["value"], row["name"], orjson.loads(row["other_names"] or "{}")
        )
        for row in rows
    }
