"""The one schema of all message files of a lake, so that any reader can read them together.

DuckDB takes the columns of the first file that it finds for all files, and refuses a file that
lacks one of them. So the lake has the columns of its first commit, stored in
`_fixfeed/messages.schema` (Arrow's encoding of a schema). A lake without that file, from an older
version, has the columns of its files. Tables of children have a schema each in the same way.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.parquet.storage import OWN, Storage
from fixfeed.transforms.protocol import Table

__all__ = [
    "check_columns",
    "check_types",
    "columns_of_a_run",
    "conforming",
    "remember",
    "remembered",
    "united",
]


def columns_of_a_run(table: Table, *, names: bool) -> tuple[str, ...]:
    """Return the columns of a run's messages, with or without `--names`."""
    return (*table.keyed, *(table.names_of_codes if names else ()))


def remembered(storage: Storage, table: str = "messages") -> pa.Schema | None:
    """Return the schema of a table of a lake, None if it has none yet.

    Raises `SinkError` if the stored schema, or a file, cannot be read, or if a lake has no stored
    schema and its files have several types for one column.
    """
    stored = _stored(table)
    try:
        return pa.ipc.read_schema(pa.BufferReader(storage.read(stored)))
    except FileNotFoundError:
        pass
    except pa.ArrowInvalid as error:
        raise SinkError(
            f"{storage.shown(stored)} is no schema ({error}): something else has changed it; "
            "remove it, and the schema is taken from the files of the lake again"
        ) from error
    try:
        schemas = {pq.read_schema(storage.source(place)) for place in storage.files(table)}
        return pa.unify_schemas([one.remove_metadata() for one in schemas]) if schemas else None
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SinkError(
            f"the files in {storage.shown(table)} have no schema in common ({error}): move what is "
            "not fixfeed's elsewhere, or name another folder"
        ) from error


def _stored(table: str) -> str:
    return f"{OWN}/{table}.schema"


def remember(
    storage: Storage, schema: pa.Schema, table: str = "messages", *, again: bool = False
) -> None:
    """Store the schema of a table of a lake if it has none, or `again`.

    The caller holds the lake's lock.
    """
    content = schema.remove_metadata().serialize().to_pybytes()
    try:
        if storage.read(_stored(table)) and not again:
            return
    except FileNotFoundError:
        pass
    storage.replace(_stored(table), content)


def check_columns(place: str, lake: pa.Schema, names: Iterable[str], table: Table) -> None:
    """Raise `SinkError`, with what to do, if messages with these columns do not fit the lake.

    They may lack a column of the lake, which is null then, but not the columns of `--names` if the
    lake has them. They may have no column that the lake lacks. `table` describes the messages.
    """
    given = list(names)
    further = [name for name in given if name not in lake.names]
    missing = [name for name in lake.names if name in table.names_of_codes and name not in given]
    rule = "all files of a lake have the same columns"
    if any(name in table.schema.names for name in further):
        raise SinkError(
            f"{place} was begun by an older fixfeed and has no column {', '.join(further)}, and "
            f"{rule}: migrate it with: fixfeed migrate parquet:{place}"
        )
    if missing:
        raise SinkError(
            f"{place} has the columns of --names ({', '.join(missing)}), and {rule}: add --names, "
            "or name another folder"
        )
    if any(name in table.names_of_codes for name in further):
        raise SinkError(
            f"{place} was begun without --names and has no column "
            f"{', '.join(name for name in further if name in table.names_of_codes)}, and {rule}: "
            "leave out --names, or name another folder"
        )
    if further:
        raise SinkError(
            f"{place} has no column {', '.join(further)}, and {rule}: leave it out, or name "
            "another folder"
        )


def check_types(place: str, lake: pa.Schema, given: pa.Schema) -> None:
    """Raise `SinkError` if a column has another type than the lake's."""
    for field in given:
        type_of_lake = lake.field(field.name).type
        if field.type not in (type_of_lake, pa.null()):
            raise SinkError(
                f"{place} has a column {field.name} of type {type_of_lake}, the messages one of "
                f"type {field.type}: give them the lake's, or name another folder"
            )


def united(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return all columns of schemas, each with the first type that is not null."""
    types: dict[str, pa.DataType] = {}
    for field in (field for schema in schemas for field in schema):
        if types.get(field.name, pa.null()) == pa.null():
            types[field.name] = field.type
    # The type of a column without any value is not known; text can hold anything.
    return pa.schema([(n, pa.string() if t == pa.null() else t) for n, t in types.items()])


def conforming(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with exactly the columns of a schema, in its order; missing ones are null."""
    if rows.schema.equals(schema):
        return rows
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.schema.names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
