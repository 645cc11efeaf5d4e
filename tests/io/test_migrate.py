"""A database of an older version keeps what it holds, and has all columns, once it is migrated."""

import subprocess
import sys
from pathlib import Path

import pytest

from fixio.ledger import SchemaError, Source
from fixio.sql import open_store
from fixio.tables import MESSAGE_COLUMNS, VERSION
from pipelines import migrate
from tests.fix.messages import encode
from transforms.fix.block import Block
from transforms.fix.parser import parse_block

HERE = Path(__file__).parent
ORDER = encode([(35, b"D"), (34, b"1"), (49, b"A"), (56, b"B"), (54, b"1")])
LOGON = encode([(35, b"A"), (34, b"2"), (49, b"A"), (56, b"B"), (553, b"ann"), (554, b"secret")])
SOURCE = Source("file:key", "file", "day.log", b"the head of a file")

FIRST = (
    "insert into messages (message_id, source_id, msg_type, msg_seq_num, side, fields, prefix, raw)"
    " values (1099511627776, 1, 'D', 1, '1', '{}', 'before ', ?)"
)


def version_1(uri):
    """Make a database as version 1 did, with a message in it."""
    store = open_store(uri)
    for statement in (HERE / f"schema_1_{store.dialect}.sql").read_text().split(";\n"):
        if statement:
            store.query(statement)
    store.query("insert into codes values ('Side', '1', 'Buy')")
    source_id = store.register([SOURCE], rules="r")[SOURCE.key].source_id
    assert source_id == 1
    store.query(FIRST, ORDER)
    store.query("insert into progress values (1, 'r', 0, ?, 1, 0, 0, 0)", len(ORDER))
    store.close()


def names(uri, relation):
    store = open_store(uri)
    if store.dialect == "sqlite":
        rows = store.query(f"select name from pragma_table_info('{relation}') order by cid")
    else:
        rows = store.query(
            "select column_name from information_schema.columns where table_name = ?"
            " and table_schema = current_schema() order by ordinal_position",
            relation,
        )
    store.close()
    return [row[0] for row in rows]


def test_a_database_of_version_1_is_refused_and_then_migrated(database, select, capsys, tmp_path):
    version_1(database)
    store = open_store(database)
    with pytest.raises(SchemaError, match="has schema version 1, this fixfeed writes 2; migrate"):
        store.prepare()
    store.close()
    assert migrate.main([database]) == 0
    assert capsys.readouterr().out.endswith(" has schema version 2, had 1\n")
    assert migrate.main([database]) == 0
    assert capsys.readouterr().out.endswith(" has schema version 2\n")

    store = open_store(database)
    store.prepare()
    block = Block("file:key", 0, ORDER + LOGON)
    assert store.write([(1, parse_block(block))], rules="r", replace=False) == [1]
    store.close()
    query = "select msg_seq_num, side_name, masked, prefix, raw from messages_named order by 1"
    masked = LOGON.replace(b"ann", b"***").replace(b"secret", b"******")
    assert select(database, query) == [
        (1, "Buy", None, "before ", ORDER),
        (2, None, "553,554", None, masked),
    ]


def test_a_migrated_database_has_the_tables_and_the_view_of_a_new_one(database, tmp_path):
    version_1(database)
    store = open_store(database)
    assert store.migrate() == (1, VERSION)
    store.close()
    new = f"sqlite:///{tmp_path}/new.db"
    store = open_store(new)
    store.prepare()
    store.close()
    assert names(new, "messages") == list(MESSAGE_COLUMNS)
    assert sorted(names(database, "messages")) == sorted(MESSAGE_COLUMNS)
    assert names(database, "messages_named") == names(new, "messages_named")


def test_a_migration_that_fails_leaves_the_older_version(postgresql):
    version_1(postgresql)
    store = open_store(postgresql)
    store.query("create view mine as select side_name from messages_named")
    store.close()
    command = [sys.executable, "-m", "pipelines.migrate", postgresql]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 1
    assert b"view mine depends on view messages_named" in done.stderr
    assert "masked" not in names(postgresql, "messages")
    store = open_store(postgresql)
    store.query("drop view mine")
    store.close()
    assert migrate.main([postgresql]) == 0
    assert "masked" in names(postgresql, "messages")
