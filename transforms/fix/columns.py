"""The columns of a batch that are not read from fields."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fixfeed.transforms.fix.arrays import Ints
from fixfeed.transforms.fix.defects import defect_text
from fixfeed.transforms.fix.scalar.fields import decode
from fixfeed.transforms.fix.secrets.masking import Masking

__all__ = [
    "defect_column",
    "masked_column",
    "masked_prefixes",
    "prefix_column",
    "raw_column",
    "session_column",
]


def masked_column(masked: Mapping[int, str], count: int) -> pa.Array:
    """Return the texts in `masked` by row, null where there is none."""
    texts: list[str | None] = [None] * count
    for row, text in masked.items():
        texts[row] = text
    return pa.array(texts, pa.string())


def raw_column(
    pieces: pa.Array, places: NDArray[np.int32], raws: Mapping[int, bytes], delimiter: bytes
) -> pa.Array:
    """Return the bytes of each message: its own in `raws` if there, else the piece at its place."""
    if not raws:
        return pieces.take(pa.array(places))
    own = list(raws.values())
    if len(delimiter) > 1:
        # A message that came with SOH keeps it, even in a log with another delimiter.
        own = [
            raw if b"\x01" in pieces[int(places[row])].as_py() else raw.replace(b"\x01", delimiter)
            for row, raw in raws.items()
        ]
    places = places.copy()
    places[list(raws)] = len(pieces) + np.arange(len(raws))
    return pa.concat_arrays([pieces, pa.array(own, pa.binary())]).take(pa.array(places))


def prefix_column(
    pieces: pa.Array, places: NDArray[np.int32], prefix_at: Ints, start: Ints
) -> pa.Array:
    """Return the text before each message on its line, the piece at its place; null if empty."""
    absent = prefix_at == start
    if absent.all():
        return pa.nulls(len(start), pa.string())
    taken = pieces.take(pa.array(places, mask=absent if absent.any() else None))
    try:
        return taken.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array(
            [None if one is None else decode(one) for one in taken.to_pylist()], pa.string()
        )


def masked_prefixes(prefix: pa.StringArray, masking: Masking) -> pa.StringArray:
    """Return the column with everything that may be secret masked."""
    secrets = masking.secrets
    if prefix.null_count == len(prefix) or not secrets.may_be_in(prefix.buffers()[2].to_pybytes()):
        return prefix
    # All of them at once, each on a line of its own, as no secret goes on beyond its line.
    lines = pc.binary_join_element_wise(prefix.fill_null(""), "", "\n")
    octets = lines.buffers()[2].to_pybytes()
    ends = np.frombuffer(lines.buffers()[1], np.int32, len(lines) + 1, lines.offset * 4)[1:]
    shown, changed = bytearray(octets), set()
    for start, end, _ in secrets.in_anything(octets):
        row = int(ends.searchsorted(start, side="right"))
        end = min(end, int(ends[row]) - 1) if row < len(ends) else start
        shown[start:end] = b"*" * (end - start)
        changed.add(row)
    if not changed:
        return prefix
    texts = prefix.to_pylist()
    for row in changed:
        texts[row] = decode(bytes(shown[int(ends[row - 1]) if row else 0 : int(ends[row]) - 1]))
    return pa.array(texts, pa.string())


def session_column(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Return `BeginString:SenderCompID->TargetCompID`, null where one of them is."""
    sender = pc.binary_join_element_wise(columns["begin_string"], columns["sender_comp_id"], ":")
    return pc.binary_join_element_wise(sender, columns["target_comp_id"], "->")


def defect_column(defects: Ints) -> pa.Array:
    """Return the names of each message's defects, given as bits; null where there are none."""
    wrong = np.flatnonzero(defects)
    kinds = defects[wrong].tolist()
    named = {bits: defect_text(bits) for bits in dict.fromkeys(kinds)}
    texts: list[str | None] = [None] * len(defects)
    for row, bits in zip(wrong.tolist(), kinds, strict=True):
        texts[row] = named[bits]
    return pa.array(texts, pa.string())
