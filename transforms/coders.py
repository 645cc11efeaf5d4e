"""How a batch travels when a runner moves it between workers or stages.

Importing this module makes Beam use `BatchCoder` for every `PCollection[Batch]`.
"""

import pickle
import struct

import numpy as np
import pyarrow as pa
from apache_beam import coders

from fixfeed.transforms.batch import NO_POSITIONS, Batch

__all__ = ["BatchCoder"]

_LENGTH = struct.Struct("<I")
_TABLES = ("messages", "failures", "children")
_POSITIONS = ("filtered_positions", "skipped_positions")


class BatchCoder(coders.Coder):
    """A batch as bytes: its tables as Arrow IPC streams, after its other fields pickled.

    What comes out equals what went in, columns after the schema and dictionary-encoded ones
    included. Decoding copies nothing: the columns look into the bytes. Not deterministic, as Arrow
    has more than one form for the same values: a batch is not a key.
    """

    def encode(self, value: Batch) -> bytes:
        """Return the bytes of a batch."""
        scalars = pickle.dumps(
            {
                name: getattr(value, name)
                for name in Batch.__dataclass_fields__
                if name not in _TABLES + _POSITIONS
            }
            # As bytes, which are quicker to pickle than Arrow arrays, empty ones above all.
            | {name: getattr(value, name).to_numpy().tobytes() for name in _POSITIONS}
            | {"children": [*value.children]}
        )
        sink = pa.BufferOutputStream()
        sink.write(_LENGTH.pack(len(scalars)))
        sink.write(scalars)
        for rows in (value.messages, value.failures, *value.children.values()):
            # Arrow wants its buffers at multiples of eight; otherwise reading copies them.
            sink.write(bytes(-sink.tell() % 8))
            with pa.ipc.new_stream(sink, rows.schema) as stream:
                stream.write_batch(rows)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> Batch:
        """Return the batch that `encode` turned into these bytes."""
        buffer = pa.py_buffer(encoded)
        (length,) = _LENGTH.unpack_from(encoded)
        at = _LENGTH.size + length
        scalars = pickle.loads(encoded[_LENGTH.size : at])
        for name in _POSITIONS:
            octets = scalars[name]
            scalars[name] = pa.array(np.frombuffer(octets, np.int64)) if octets else NO_POSITIONS
        tables = []
        names = scalars.pop("children")
        for _ in range(2 + len(names)):
            at += -at % 8
            source = pa.BufferReader(buffer[at:])
            with pa.ipc.open_stream(source) as stream:
                tables.append(stream.read_next_batch())
                # Read on to the mark that ends the stream, so that the next one begins after it.
                for rest in stream:
                    raise ValueError(f"found {rest.num_rows} rows more, expected one batch")
            at += source.tell()
        messages, failures, *rest = tables
        children = dict(zip(names, rest, strict=True))
        return Batch(messages=messages, failures=failures, children=children, **scalars)

    def is_deterministic(self) -> bool:
        """Tell Beam that equal batches may have different bytes."""
        return False

    def estimate_size(self, value: Batch) -> int:
        """Return about how many bytes `encode` gives; Beam asks it for every element."""
        return value.nbytes

    def to_type_hint(self) -> type[Batch]:
        """Return the type that this coder is for."""
        return Batch

    def __eq__(self, other: object) -> bool:
        """All batch coders are the same."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """All batch coders are the same."""
        return hash(type(self))


coders.registry.register_coder(Batch, BatchCoder)
