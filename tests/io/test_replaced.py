"""A sink that is removed or replaced while it is written to is found out."""

import shutil
import subprocess
import sys

import pytest

from fixfeed.io.jsonl.writer import JsonlWriter
from fixfeed.io.ledger.ledger import SinkFailed
from fixfeed.io.ledger.source import Source
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.io.sql import sqlite
from fixfeed.io.sql.open import open_store
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from tests.transforms.fix.messages import encode

MADE = {
    "sqlite": lambda folder: open_store(f"sqlite:///{folder}/sink"),
    "parquet": lambda folder: ParquetWriter(f"{folder}/sink"),
    "jsonl": lambda folder: JsonlWriter(f"{folder}/sink"),
}


def batch(number):
    data = encode([(35, b"0"), (34, b"%d" % number), (49, b"A"), (56, b"B")]) + b"\n"
    return parse_block(Block("file:key", 1000 * number, data), fix_json=True)


def begun(writer, number=1):
    """Make the sink ready, and store the first message in it; return the number of its source."""
    writer.prepare()
    known = writer.register([Source("file:key", "file", "day.log")], rules="r")["file:key"]
    assert write(writer, known.source_id, number) == [1]
    return known.source_id


def write(writer, source_id, number):
    return writer.write([(source_id, batch(number))], rules="r", replace=False)


@pytest.fixture
def at_each_commit(monkeypatch):
    monkeypatch.setattr(sqlite, "_CARE", 0)


@pytest.mark.usefixtures("at_each_commit")
@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("replaced", [False, True])
def test_what_was_removed_or_replaced_is_written_no_more(kind, replaced, tmp_path):
    place, away = tmp_path / "place", tmp_path / "away"
    place.mkdir()
    writer = MADE[kind](place)
    number = begun(writer)
    place.rename(away)
    place.mkdir()
    if replaced:
        other = MADE[kind](place)
        other.prepare()
        other.close()
    with pytest.raises(SinkFailed, match="sink was removed or replaced while it was") as found:
        write(writer, number, 2)
    assert found.value.lost
    writer.close()
    shutil.rmtree(place)
    away.rename(place)
    writer = MADE[kind](place)
    writer.prepare()
    assert write(writer, number, 2) == [1]
    writer.close()


@pytest.mark.parametrize("kind", MADE)
def test_what_is_opened_anew_is_what_the_run_began_with_or_an_error(kind, tmp_path):
    writer = MADE[kind](tmp_path)
    number = begun(writer)
    writer.close()
    for path in tmp_path.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    writer = MADE[kind](tmp_path)
    writer.prepare()
    with pytest.raises(SinkFailed, match="was removed or replaced") as found:
        write(writer, number, 2)
    assert found.value.lost
    writer.close()


def test_a_lock_of_another_process_is_told_as_one_after_as_long_as_was_asked_for(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/f.db", patience=0.2)
    number = begun(store)
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('begin immediate')"
    code += "; print(flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "f.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    with pytest.raises(SinkFailed, match="the database is locked by another conn") as found:
        write(store, number, 2)
    assert (found.value.locked, found.value.away, found.value.lost) == (True, True, False)
    other.communicate()
    assert write(store, number, 2) == [1]
    store.close()
