"""A lake of an older version is read together with new messages once it is migrated."""

import datetime
import json
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fixfeed.io.ledger.ledger import SinkError
from fixfeed.io.ledger.source import Source
from fixfeed.io.parquet.local_folder import LocalFolder
from fixfeed.io.parquet.schema import columns_of_a_run, remembered
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.pipelines import migrate
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.logons import carry
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.transforms.fix.schema import COLUMNS, MESSAGES
from tests.io.older.log import LOG, stored
from tests.transforms.fix.messages import encode

NEW = (
    "appl_ver_id", "on_behalf_of_comp_id", "trade_date", "settl_date", "ref_seq_num",
    "security_id_source", "security_type", "security_exchange", "maturity_month_year",
    "put_or_call", "strike_price", "last_mkt",
)  # fmt: skip
SOURCE = Source("file:key", "file", "day.log")


def write(lake, *blocks, fields="rest"):
    writer = ParquetWriter(str(lake))
    writer.prepare()
    number = writer.register([SOURCE], rules="r")["file:key"].source_id
    batches = [(number, parse_block(block, fields=fields)) for block in blocks]
    writer.write(batches, rules="r", replace=False)
    writer.close()


def schema_of(lake):
    return remembered(LocalFolder("lake", str(lake)))


def older(lake, fields):
    """Make a lake with the messages of `tests.io.older.log` as version 3 had them."""
    write(lake, Block("file:key", 0, LOG), fields=fields)
    types = {"message_id": pa.int64(), "source_id": pa.int64()}
    types |= {field.name: field.type for field in MESSAGES}
    schema = pa.schema([(n, types[n]) for n in FIX.table.keyed if n not in NEW])
    rows = {row["message_id"]: row | {"source_id": 1} for row in stored(fields)}
    for path in (lake / "messages").rglob("*.parquet"):
        ids = pq.ParquetFile(path).read(["message_id"])[0].to_pylist()
        content = [{field.name: _typed(field, rows[one]) for field in schema} for one in ids]
        pq.write_table(pa.Table.from_pylist(content, schema), path)
    schema_file = lake / "_fixfeed" / "messages.schema"
    schema_file.write_bytes(schema.serialize().to_pybytes())


def _typed(field, row):
    value = row.get(field.name)
    if value is None:
        return None
    if pa.types.is_timestamp(field.type):
        return datetime.datetime.fromisoformat(f"{value}+00:00")
    return Decimal(value) if pa.types.is_decimal(field.type) else value


def messages(lake):
    query = f"select {', '.join(FIX.table.keyed)} from read_parquet('{lake}/messages/**/*.parquet')"
    rows = duckdb.sql(f"{query} order by message_id").fetchall()
    found = [dict(zip(FIX.table.keyed, row, strict=True)) for row in rows]
    return [row | {"fields": json.loads(row["fields"])} for row in found]


@pytest.mark.parametrize("fields", ["rest", "all"])
def test_a_migrated_lake_has_the_messages_of_a_fresh_one(tmp_path, fields, capsys):
    old, new = tmp_path / "old", tmp_path / "new"
    older(old, fields)
    more = Block("file:key", len(LOG), encode([(35, b"D"), (75, b"20260303"), (5001, b"x")]))
    with pytest.raises(SinkError, match="begun by an older fixfeed and has no column appl_ver_id"):
        write(old, more, fields=fields)
    assert migrate.main([f"parquet:{old}"]) == 0
    assert "has this version's columns: 5 of 5 files rewritten" in capsys.readouterr().out
    assert migrate.main([f"parquet:{old}"]) == 0
    assert "0 of 5 files rewritten" in capsys.readouterr().out
    write(new, *carry(Block("file:key", 0, LOG), {}), fields=fields)
    for lake in (old, new):
        write(lake, more, fields=fields)
    assert schema_of(old) == schema_of(new)
    for one, other in zip(messages(old), messages(new), strict=True):
        assert one == other


def test_names_and_columns_of_ones_own_stay(tmp_path):
    lake = tmp_path / "lake"
    older(lake, "rest")
    for path in (lake / "messages").rglob("*.parquet"):
        rows = pq.ParquetFile(path).read()
        for name in FIX.table.names_of_codes:
            if name.removesuffix("_name") not in NEW:
                rows = rows.append_column(name, pa.nulls(len(rows), pa.string()))
        rows = rows.append_column("desk", pa.array(["d"] * len(rows)))
        pq.write_table(rows, path)
    (lake / "_fixfeed" / "messages.schema").unlink()
    assert migrate.main([f"parquet:{lake}"]) == 0
    assert schema_of(lake).names == [*columns_of_a_run(FIX.table, names=True), "desk"]
    query = "select distinct security_type, security_type_name, desk"
    query += f" from '{lake}/messages/**/*.parquet'"
    assert sorted(duckdb.sql(f"{query} where security_type in ('OPT', 'CS')").fetchall()) == [
        ("CS", "Common stock", "d"),
        ("OPT", "Option", "d"),
    ]


def test_what_is_no_lake_is_refused_and_not_made(tmp_path, capsys):
    assert migrate.main([f"parquet:{tmp_path}/none"]) == 2
    assert "none holds no lake of fixfeed's to migrate" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_new_columns_are_those_that_version_3_lacks():
    assert set(NEW) < {column.name for column in COLUMNS}
    assert not any(set(NEW) & row.keys() for row in stored("all"))
