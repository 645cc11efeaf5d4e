"""A dry run shows what a run would do and whether its sinks are usable, and makes nothing."""

import gzip
import json

import psycopg2
import pytest

from tests.io.sql.test_migrate import version_1
from tests.pipelines.jobs import fixfeed, printed
from tests.transforms.fix.messages import encode

ORDERS = [
    encode([(35, b"D"), (34, b"%d" % n), (49, b"A"), (56, b"B"), (55, b"X")]) for n in range(9)
]
LOG = b"".join(one + b"\n" for one in ORDERS)


def dry_run(*arguments, cwd, expected=0):
    before = sorted(cwd.rglob("*"))
    code, out, err = printed("--dry-run", *arguments, cwd=cwd)
    assert (code, err) == (expected, b"")
    assert sorted(cwd.rglob("*")) == before
    return json.loads(out) if "--json" in arguments else out.decode()


def outputs(*uris):
    return [word for uri in uris for word in ("--output", uri)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "day.log").write_bytes(LOG)
    return tmp_path


def test_rules_and_lookups_are_shown_as_text_and_as_json(folder):
    (folder / "symbols.csv").write_text("symbol,desk,region\nX,north,eu\nY,south,us\n")
    arguments = ["--input", "day.log", "--include", "Symbol = X", "--exclude", "MsgType = 0"]
    arguments += ["--no-admin", "--names", "--lookup", "symbols.csv:symbol"]
    shown = dry_run(*arguments, cwd=folder).splitlines()
    for line in (
        "  only what matches Symbol = X",
        "  nothing that matches MsgType = 0",
        "  no messages of the session level",
        "joining symbols.csv on symbol: 2 rows that add desk, region",
    ):
        assert line in shown
    found = dry_run(*arguments, "--json", cwd=folder)
    told = {"include", "exclude", "no_admin", "names", "lookups", "validate"}
    assert {key: value for key, value in found["rules"].items() if key in told} == {
        "include": ["Symbol = X"],
        "exclude": ["MsgType = 0"],
        "no_admin": True,
        "names": True,
        "lookups": [{"file": "symbols.csv", "on": "symbol", "rows": 2, "adds": ["desk", "region"]}],
        "validate": "structure",
    }
    assert {"name": "msg_type_name", "type": "string"} in found["columns"]
    assert found["exit_code"] == 0


def test_missing_sinks_are_new_and_are_not_made(folder, postgresql):
    new = ["sqlite:///new.db", "parquet:new/lake", "jsonl:new.jsonl", "jsonl:-", postgresql]
    found = dry_run("--input", "day.log", *outputs(*new), "--json", cwd=folder)
    new[-1:] = [name for name in found["sinks"] if name.startswith("postgresql")]
    ready = {"ready": True, "exists": False, "error": None}
    assert found["sinks"] == dict.fromkeys(new, ready)
    cursor = psycopg2.connect(postgresql).cursor()
    cursor.execute("select count(*) from pg_tables where schemaname = 'public'")
    assert cursor.fetchone() == (0,)


def test_unwritable_sinks_are_reported_with_the_reason(folder, postgresql):
    (folder / "text.db").write_bytes(b"text" * 4096)
    version_1(f"sqlite:///{folder}/old.db")
    (folder / "file").write_bytes(b"")
    (folder / "other" / "messages").mkdir(parents=True)
    (folder / "out.jsonl").write_bytes(b"{}\n")
    fixfeed("--input", "day.log", "--output", "parquet:lake", cwd=folder)
    fixfeed("--input", "day.log", "--output", "jsonl:cut.jsonl", cwd=folder)
    (folder / "cut.jsonl").write_bytes(b"")
    reasons = {
        "sqlite:///text.db": "file is not a database",
        "sqlite:///old.db": "has schema version 1, this fixfeed writes",
        "sqlite:///none/new.db": "there is no folder",
        "parquet:file": "it is a file, expected a folder",
        "parquet:file/lake": "you may not write to",
        "parquet:other": "that fixfeed did not make",
        "parquet:lake": "is partitioned by date, msg_type, not by symbol",
        "jsonl:out.jsonl": "is there already, and no out.jsonl.progress.db",
        "jsonl:cut.jsonl": "has 0 bytes, but fixfeed has written",
        "postgresql://fixfeed@127.0.0.1:1/none": "check that the server runs",
    }
    arguments = ["--input", "day.log", "--partition-by", "symbol", *outputs(*reasons)]
    found = dry_run(*arguments, "--json", cwd=folder, expected=2)
    assert found["exit_code"] == 2
    for uri, reason in reasons.items():
        state = found["sinks"][uri]
        assert (state["ready"], reason in state["error"]) == (False, True), state
    shown = dry_run(*arguments, cwd=folder, expected=2)
    assert shown.count(": not possible: ") == len(reasons)


def test_a_read_only_postgresql_user_is_reported(folder, postgresql):
    connection = psycopg2.connect(postgresql)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("drop role if exists reader; create role reader login")
    reader = postgresql.replace("fixfeed@", "reader@")
    found = dry_run("--input", "day.log", "--output", reader, "--json", cwd=folder, expected=2)
    assert "this user may not make tables" in found["sinks"][reader]["error"]
    fixfeed("--input", "day.log", "--output", postgresql, cwd=folder)
    found = dry_run("--input", "day.log", "--output", reader, "--json", cwd=folder, expected=2)
    assert "this user may not insert into its tables" in found["sinks"][reader]["error"]
    cursor.execute("drop role reader")
    connection.close()


def test_every_sink_shows_its_state_of_every_file(folder, postgresql):
    sinks = ["sqlite:///day.db", postgresql, "parquet:lake", "jsonl:out.jsonl"]
    (folder / "old.log").write_bytes(LOG.replace(b"55=X", b"55=Y") * 20)
    (folder / "done.log.gz").write_bytes(gzip.compress(LOG.replace(b"55=X", b"55=Z") * 20))
    packed = (folder / "done.log.gz").stat().st_size
    for uri in sinks:
        fixfeed("--input", "*.log*", "--output", uri, cwd=folder)
    with open(folder / "day.log", "ab") as file:
        file.write(LOG)
    (folder / "new.log").write_bytes(LOG.replace(b"55=X", b"55=W"))
    (folder / "empty.log").write_bytes(b"")
    arguments = ["--input", "*.log*", *outputs(*sinks, "sqlite:///new.db")]
    found = dry_run(*arguments, "--json", cwd=folder)
    states = {
        file["name"]: {one["state"]: one["bytes"] for one in file["sinks"].values()}
        for file in found["files"]
    }
    size = len(LOG)
    assert states == {
        "day.log": {"grown": size, "new": 2 * size},
        "done.log.gz": {"done": 0, "new": 20 * size},
        "empty.log": {"empty": 0},
        "new.log": {"new": size},
        "old.log": {"done": 0, "new": 20 * size},
    }
    assert all(len(file["sinks"]) == 5 for file in found["files"])
    assert {file["name"]: file["bytes"] for file in found["files"]}["done.log.gz"] == packed
    shown = dry_run(*arguments, cwd=folder).splitlines()
    assert f"    sqlite:///day.db: done, and has grown by {size:,} bytes" in shown
    assert "    parquet:lake: done" in shown
    # The next run does what it says.
    summary = fixfeed(*arguments, cwd=folder)
    assert {name: one["read"] for name, one in summary["sinks"].items()}["sqlite:///day.db"] >= 18
    after = dry_run(*arguments, "--json", cwd=folder)
    left = {one["state"] for file in after["files"] for one in file["sinks"].values()}
    assert left == {"done", "empty"}


def test_other_rules_and_rows_to_be_replaced_are_reported(folder):
    sinks = ["sqlite:///day.db", "parquet:lake"]
    fixfeed("--input", "day.log", *outputs(*sinks), cwd=folder)
    arguments = ["--input", "day.log", *outputs(*sinks), "--no-admin", "--json"]
    (file,) = dry_run(*arguments, cwd=folder)["files"]
    done = {"state": "done", "bytes": 0, "other_rules": True}
    assert file["sinks"] == dict.fromkeys(sinks, done)
    (file,) = dry_run(*arguments, "--reprocess", cwd=folder)["files"]
    again = {"state": "again", "bytes": len(LOG), "other_rules": True}
    assert file["sinks"] == dict.fromkeys(sinks, again)
    fixfeed("--input", "day.log", "--output", "jsonl:out.jsonl", cwd=folder)
    lines = ["--input", "day.log", "--output", "jsonl:out.jsonl", "--reprocess", "--json"]
    found = dry_run(*lines, cwd=folder, expected=2)
    assert "cannot be replaced" in found["sinks"]["jsonl:out.jsonl"]["error"]


def test_a_lake_of_very_many_files_is_reported(folder):
    orders = [encode([(35, b"D"), (49, b"A"), (56, b"B"), (11, b"C%d" % n)]) for n in range(2500)]
    (folder / "orders.log").write_bytes(b"\n".join(orders))
    arguments = ["--input", "orders.log", "--output", "parquet:lake", "--partition-by", "cl_ord_id"]
    assert "note: parquet:lake will get about 2,500 files" in dry_run(*arguments, cwd=folder)


def test_standard_input_is_left_unread(folder):
    shown = dry_run("--input", "-", cwd=folder)
    assert "  - (standard input, which a dry run leaves alone)" in shown.splitlines()
