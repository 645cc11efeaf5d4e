"""A database of an older version keeps its contents and gets all columns when it is migrated."""

import contextlib
import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fixfeed.io.ledger.ledger import SchemaError
from fixfeed.io.sql.open import open_store
from fixfeed.io.sql.tables import VERSION
from fixfeed.pipelines import migrate
from fixfeed.pipelines import run as fixfeed
from fixfeed.pipelines.derive import main as derive
from fixfeed.pipelines.fixfeed import main
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.logons import carry
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.protocol import FIX
from tests.io.older.log import LOG, stored
from tests.transforms.fix.messages import encode

HERE = Path(__file__).parent
ORDER = encode([(35, b"D"), (34, b"1"), (49, b"A"), (56, b"B"), (54, b"1")])
LOGON = encode([(35, b"A"), (34, b"2"), (49, b"A"), (56, b"B"), (553, b"ann"), (554, b"secret")])

FIRST = (
    "insert into messages (message_id, source_id, msg_type, msg_seq_num, side, fields, prefix, raw)"
    " values (1099511627776, 1, 'D', 1, '1', '{}', 'before ', ?)"
)
SOURCE = (
    "insert into sources (source_id, kind, name, fingerprint, first_seen, last_seen, mark_digests)"
    " values (?, 'file', ?, ?, '2025-01-02', '2025-01-02', ?)"
)


def digest(data):
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def identity_1(data):
    """Return fingerprint and digests of a file as version 1 stored them."""
    ends = [1 << bit for bit in range(9, 21) if 1 << bit < len(data)] + [min(len(data), 1 << 20)]
    digests = " ".join(f"{end}:{digest(data[:end])}" for end in ends)
    return f"{min(len(data), 4096)}:{digest(data[:4096])}", digests


def version_1(uri, path="day.log", data=ORDER):
    """Make a database as version 1 did, with one message and a file read to its end."""
    store = open_store(uri)
    for statement in (HERE / f"schema_1_{store.dialect}.sql").read_text().split(";\n"):
        if statement:
            store.query(statement)
    store.query("insert into codes values ('Side', '1', 'Buy')")
    store.query(SOURCE, 1, str(path), *identity_1(data))
    store.query(FIRST, ORDER)
    store.query("insert into progress values (1, 'r', 0, ?, 1, 0, 0, 0)", len(data))
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
    with pytest.raises(SchemaError, match="has schema version 1, this fixfeed writes 7; migrate"):
        store.prepare()
    store.close()
    assert migrate.main([database]) == 0
    assert capsys.readouterr().out.endswith(" has schema version 7, had 1\n")
    assert migrate.main([database]) == 0
    assert capsys.readouterr().out.endswith(" has schema version 7\n")

    store = open_store(database)
    store.prepare()
    block = Block("file:day.log", 0, ORDER + LOGON)
    assert store.write([(1, parse_block(block))], rules="r", replace=False) == [1]
    store.close()
    query = "select msg_seq_num, side_name, masked, prefix, raw from messages_named order by 1"
    masked = LOGON.replace(b"ann", b"***").replace(b"secret", b"******")
    assert select(database, query) == [
        (1, "Buy", None, "before ", ORDER),
        (2, None, "553,554", None, masked),
    ]


def test_a_migrated_database_has_the_tables_views_and_codes_of_a_new_one(
    database, tmp_path, select
):
    version_1(database)
    store = open_store(database)
    assert store.migrate() == (1, VERSION)
    store.close()
    new = f"sqlite:///{tmp_path}/new.db"
    store = open_store(new)
    store.prepare()
    store.close()
    assert names(new, "messages") == list(FIX.table.keyed)
    assert sorted(names(database, "messages")) == sorted(FIX.table.keyed)
    for relation in ("messages_named", "sources", "source_identities", "progress", "codes"):
        assert names(database, relation) == names(new, relation)
    codes = [
        select(uri, "select field, value, name, other_names from codes") for uri in (database, new)
    ]
    migrated, made = (
        sorted((*key, json.loads(text) if isinstance(text, str) else text) for *key, text in rows)
        for rows in codes
    )
    assert migrated == made


def test_what_an_older_version_has_derived_is_derived_anew(database, tmp_path, select):
    log = tmp_path / "day.log"
    log.write_bytes(encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C"), (55, b"X")]))
    assert main(["--input", str(log), "--output", database, "--quiet"]) == 0
    store = open_store(database)
    store.query("update orders set symbol = 'as it was'")
    store.query("update schema_version set version = 6")
    store.close()
    assert migrate.main([database]) == 0
    assert select(database, "select symbol from orders") == []
    assert derive([database]) == 0
    assert select(database, "select symbol from orders") == [("X",)]


def test_a_failed_migration_leaves_the_older_version(postgresql):
    version_1(postgresql)
    store = open_store(postgresql)
    store.query("create view mine as select side_name from messages_named")
    store.close()
    command = [sys.executable, "-m", "fixfeed.pipelines.migrate", postgresql]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 1
    assert b"view mine depends on view messages_named" in done.stderr
    assert "masked" not in names(postgresql, "messages")
    store = open_store(postgresql)
    store.query("drop view mine")
    store.close()
    assert migrate.main([postgresql]) == 0
    assert "masked" in names(postgresql, "messages")


@pytest.mark.parametrize("size", [700, 5_000, 1_500_000])
def test_files_read_by_older_versions_are_not_read_again(database, select, tmp_path, size):
    line = encode([(35, b"0"), (34, b"1"), (49, b"A"), (56, b"B")]) + b"\n"
    data = line * (size // len(line))
    path = tmp_path / "day.log"
    path.write_bytes(data)
    version_1(database, path, data)
    assert migrate.main([database]) == 0
    arguments = ["--quiet", "--workers", "1", "--output", database, "--input"]
    for _ in range(2):
        assert fixfeed.main([*arguments, str(path)]) == 0
        assert select(database, "select count(*) from messages") == [(1,)]
        (place,) = select(database, "select place from source_identities")
        assert place == (str(path),)
        path = path.rename(tmp_path / "day.log.1")
    # The whole file is compared with what was read.
    path.write_bytes(data[:-1] + b"X" + line)
    assert fixfeed.main([*arguments, str(path)]) == 0
    assert select(database, "select count(*) from source_identities") == [(2,)]


def test_no_rules_count_as_current_where_an_older_version_left_them_unclear(database, select):
    version_1(database)
    store = open_store(database)
    store.query("insert into progress values (1, 'other', 0, 20, 1, 0, 0, 0)")
    store.query("insert into progress values (1, 'other', 500, 600, 1, 0, 0, 0)")
    store.migrate()
    store.close()
    assert select(database, 'select rules, start, "end" from progress order by 2') == [
        ("unknown", 0, len(ORDER)),
        ("other", 500, 600),
    ]


def test_files_read_by_older_versions_into_other_sinks_are_not_read_again(tmp_path, capsys):
    line = encode([(35, b"0"), (34, b"1"), (49, b"A"), (56, b"B")]) + b"\n"
    data = line * 100
    path = tmp_path / "day.log"
    path.write_bytes(data)
    fingerprint, digests = identity_1(data)
    lake, lines = tmp_path / "lake", tmp_path / "out.jsonl"
    (lake / "_fixfeed" / "commits").mkdir(parents=True)
    source = {"source_id": 1, "kind": "file", "name": str(path), "fingerprint": fingerprint}
    source |= {"bytes": 0, "stored": 0, "filtered": 0, "failed": 0, "skipped": 0}
    source |= {"first_seen": "", "last_seen": "", "mark_digests": digests, "mark_size": 0}
    half = len(line) * 50
    state = {"version": 1, "sources": [source], "applied": []}
    state["progress"] = [[1, "r", 0, half, 50, 0, 0, 0]]
    (lake / "_fixfeed" / "sources.json").write_text(json.dumps(state))
    commit = {"version": 1, "progress": [[1, "r", half, len(data), 50, 0, 0, 0]]}
    commit |= {"files": [], "replaced": []}
    (lake / "_fixfeed" / "commits" / "0a1b.json").write_text(json.dumps(commit))
    lines.touch()
    with contextlib.closing(sqlite3.connect(f"{lines}.progress.db")) as ledger:
        ledger.executescript((HERE / "schema_1_jsonl.sql").read_text())
        ledger.execute("insert into files values ('lines', 0, '')")
        ledger.execute(
            "insert into sources values (1, 'file', ?, ?, ?, 0)", (str(path), fingerprint, digests)
        )
        ledger.execute("insert into progress values (1, 'r', 0, ?, 100, 0, 0, 0)", (len(data),))
        ledger.commit()
    arguments = ["--json", "--workers", "1", "--input", str(path)]
    for _ in range(2):
        assert (
            fixfeed.main([*arguments, "--output", f"parquet:{lake}", "--output", f"jsonl:{lines}"])
            == 0
        )
        summary = json.loads(capsys.readouterr().out)
        assert [one["read"] for one in summary["sinks"].values()] == [0, 0]
        assert summary["finished"] == [str(path)]


def older(uri, version, fields):
    """Make a database as an older version did, with the messages of `tests.io.older.log`."""
    store = open_store(uri)
    made = 3 if version == 3 else 1
    for statement in (HERE / f"schema_{made}_{store.dialect}.sql").read_text().split(";\n"):
        if statement.strip():
            store.query(statement)
    if version == 2:
        store.query("alter table messages add column masked text")
        store.query("update schema_version set version = 2")
    if version == 3:
        store.query(
            "insert into source_identities values (1, 'file', 'day.log', '', '', '', '', '', '',"
            " '2026-03-02T10:00:00.000001', '2026-03-02T11:00:00.000001')"
        )
        store.query("insert into progress values (1, 'r', 0, ?, 14, 0, 0, 0, '')", len(LOG))
        store.query(
            "insert into runs (run_id, started_at, version, configuration)"
            " values (1, '2026-03-02T10:00:00.500000', '0', '{}')"
        )
    else:
        store.query(SOURCE, 1, "day.log", *identity_1(LOG))
        store.query("insert into progress values (1, 'r', 0, ?, 14, 0, 0, 0)", len(LOG))
    for row in stored(fields):
        row = {"source_id": 1, **row}
        if version == 1:
            row.pop("masked", None)
        marks = ", ".join("?" * len(row))
        store.query(f"insert into messages ({', '.join(row)}) values ({marks})", *row.values())
    store.close()


def rows_of(select, uri):
    names = ", ".join(name for name in FIX.table.keyed if name != "masked")
    found = select(uri, f"select {names} from messages order by message_id")
    where = names.split(", ").index("fields")
    read = [list(row) for row in found]
    for row in read:
        row[where] = row[where] if isinstance(row[where], dict) else json.loads(row[where])
    return [dict(zip(names.split(", "), row, strict=True)) for row in read]


@pytest.mark.parametrize("fields", ["rest", "all"])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_migrated_database_has_the_messages_of_a_fresh_load(
    database, select, tmp_path, version, fields
):
    older(database, version, fields)
    assert migrate.main([database]) == 0
    new = f"sqlite:///{tmp_path}/new.db"
    if database.startswith("postgresql"):
        store = open_store(database)
        store.query("create schema fresh")
        store.close()
        new = f"{database}?options=-csearch_path%3Dfresh"
    store = open_store(new)
    store.prepare()
    store.query(
        "insert into source_identities (source_id, kind, name, fingerprint, place, file_id,"
        " digests, first_seen, last_seen) values (1, 'file', 'day.log', '', '', '', '',"
        " '2026-03-02', '2026-03-02')"
    )
    blocks = carry(Block("file:day.log", 0, LOG), {})
    batches = [(1, parse_block(block, fields=fields)) for block in blocks]
    assert sum(store.write(batches, rules="r", replace=False)) == 14
    store.close()
    for one, other in zip(rows_of(select, database), rows_of(select, new), strict=True):
        assert one == other
    query = "select defects, count(*) from messages_named group by 1 order by 1"
    assert select(database, query) == select(new, query)


def test_times_are_rewritten_in_all_tables_of_sqlite(tmp_path, select):
    database = f"sqlite:///{tmp_path / 'fixfeed.db'}"
    older(database, 3, "rest")
    assert migrate.main([database]) == 0
    assert select(database, "select first_seen, last_seen from sources") == [
        ("2026-03-02 10:00:00.000001", "2026-03-02 11:00:00.000001")
    ]
    assert select(database, "select started_at, ended_at from runs") == [
        ("2026-03-02 10:00:00.500000", None)
    ]
