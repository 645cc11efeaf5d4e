"""Derived tables are what the stored messages say, whatever happened on the way."""

import contextlib
import random
import re
import string
import subprocess
import sys

import pyarrow.compute as pc
import pytest

from fixfeed.io.ledger.source import Source
from fixfeed.io.sql import changes, derive_anew, derived, sqlite, to_derive
from fixfeed.io.sql.open import open_store
from fixfeed.pipelines import derive as command
from fixfeed.pipelines import migrate
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.schema import COLUMNS
from tests.io.sql import deriving_kills
from tests.io.sql.test_minute_counts import counted, there
from tests.transforms.fix.messages import encode
from tests.transforms.fix.orders.odd_days import made

LOG = made(7, orders=30)


@pytest.fixture
def store(database):
    with contextlib.closing(opened(database)) as found:
        yield found


def opened(uri):
    store = open_store(uri)
    store.prepare()
    return store


def write(store, lines, *, start=0, key="file:key", rules="r", replace=False, keep=None):
    """Store lines of a log that begins at `start` in its source; only rows that `keep` says."""
    number = store.register([Source(key, "file", "day.log")], rules=rules, replace=replace)[key]
    batch = parse_block(Block(key, start, b"".join(lines)))
    if keep is not None:
        batch = batch.only(pc.equal(batch.messages["msg_type"], keep))
    store.write([(number.source_id, batch)], rules=rules, replace=replace)


def content(store):
    """Return the rows of all derived tables, sorted."""
    return {
        name: sorted(map(str, store.query(f"select {', '.join(table.schema.names)} from {name}")))
        for one in store.table.derived
        for name, table in one.tables.items()
    }


def made_anew(store):
    """Derive all tables from the beginning, as --rebuild does; return their content."""
    with store.deriving():
        derive_anew.start_over(store)
    derived.derive(store)
    return content(store)


def test_deriving_after_each_commit_gives_what_deriving_at_the_end_gives(store):
    random.Random(1).shuffle(lines := list(LOG))
    start = 0
    while lines:
        part, lines = lines[:9], lines[9:]
        write(store, part, start=start)
        assert derived.derive(store) == len(part)
        start += sum(map(len, part))
    after_each = content(store)
    with store.transaction():
        derive_anew.start_over(store)
    assert not any(content(store).values())
    assert derived.derive(store) == len(LOG)
    assert content(store) == after_each
    assert derived.derive(store) == 0


def test_all_messages_are_derived_in_parts_of_a_few(store):
    write(store, LOG)
    derived.derive(store)
    at_once = content(store)
    for few in (7, 40, 150):
        with store.deriving():
            derive_anew.start_over(store)
        assert derived.derive(store, at_once=few) == len(LOG)
        assert content(store) == at_once
    assert min(len(at_once["orders"]), len(at_once["executions"])) > 20


def test_a_rebuild_takes_messages_in_their_order(store, monkeypatch):
    write(store, LOG)
    derived.derive(store)
    with store.deriving():
        derive_anew.start_over(store)
    find, taken = derived.find, []

    def found(*arguments):
        part = find(*arguments)
        taken.extend(part.part.stretches)
        return part

    monkeypatch.setattr(derived, "find", found)
    derived.derive(store, at_once=40)
    assert len(taken) > 3
    assert taken == sorted(taken)


def test_the_journal_of_sqlite_stays_short_while_much_is_derived(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "_JOURNAL_BYTES", 200_000)
    find, sizes = derived.find, []

    def found(*arguments):
        sizes.append((tmp_path / "fixfeed.db-wal").stat().st_size)
        return find(*arguments)

    monkeypatch.setattr(derived, "find", found)
    with contextlib.closing(opened(f"sqlite:///{tmp_path}/fixfeed.db")) as store:
        write(store, LOG)
        derived.derive(store, at_once=10)
    # Without that it has 3 MB in the end.
    assert max(sizes[1:]) < 1_000_000
    assert len(sizes) > 10


def test_ids_that_come_again_and_again_are_read_a_few_times_alone(store, monkeypatch):
    line = LOG[0]
    read = []

    def counted(*arguments):
        found = read_messages(*arguments)
        read.append(found.num_rows)
        return found

    read_messages = changes.read_messages
    for part in range(40):
        write(store, [line] * 10, start=part * 10 * len(line))
    monkeypatch.setattr(changes, "read_messages", counted)
    assert derived.derive(store, at_once=10) == 400
    # In parts of ten, each order would be read again 39 times, and so would its session.
    assert sum(read) < 400 * 8
    assert store.query("select messages, copies from orders") == [(1, 399)]


def test_what_is_interrupted_is_done_again(store, monkeypatch):
    write(store, LOG)
    calls = []

    def fails(table, batches):
        calls.append(table)
        if len(calls) == 3:
            raise KeyboardInterrupt
        ingest(table, batches)

    ingest = store.ingest
    monkeypatch.setattr(store, "ingest", fails)
    with pytest.raises(KeyboardInterrupt):
        derived.derive(store, at_once=50)
    assert not any(content(store).values())
    monkeypatch.undo()
    assert derived.derive(store) == len(LOG)
    interrupted = content(store)
    assert made_anew(store) == interrupted


def meanwhile(monkeypatch, act):
    """Let `act` happen once, after what a part changes is found out and before it is written."""
    find, acts = derived.find, [act]

    def found(*arguments):
        part = find(*arguments)
        if acts:
            acts.pop()()
        return part

    monkeypatch.setattr(derived, "find", found)


def test_what_is_stored_and_removed_while_a_part_is_found_out_is_derived_after_it(
    store, database, monkeypatch
):
    half = len(LOG) // 2
    border = sum(map(len, LOG[:half]))
    write(store, LOG[:half])

    def stored():
        with contextlib.closing(opened(database)) as other:
            write(other, LOG[half:], start=border)
            write(other, LOG[:half], rules="new", replace=True, keep="8")

    meanwhile(monkeypatch, stored)
    assert derived.derive_part(store, 1000) == derived.Done(half, 0)
    derived.derive(store)
    told = content(store)
    assert made_anew(store) == told


def test_a_part_is_found_out_again_if_somebody_else_derives_meanwhile(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/messages.db"
    with contextlib.closing(opened(uri)) as store:
        half = len(LOG) // 2
        write(store, LOG[:half])
        derived.derive(store)
        write(store, LOG[half:], start=sum(map(len, LOG[:half])))

        def overtaken():
            with contextlib.closing(opened(uri)) as other:
                assert derived.derive(other, at_once=20) == len(LOG) - half

        meanwhile(monkeypatch, overtaken)
        first = derived.derive_part(store, 20)
        assert (first.messages, first.overtaken) == (0, True)
        assert derived.derive(store) == 0
        with store.deriving():
            derive_anew.start_over(store)

        def overtaken_once_more():
            with contextlib.closing(opened(uri)) as other:
                derived.derive_part(other, 20)

        meanwhile(monkeypatch, overtaken_once_more)
        assert derived.derive(store, at_once=20) == len(LOG) - 20
        told = content(store)

        def emptied():
            with contextlib.closing(opened(uri)) as other, other.deriving():
                derive_anew.start_over(other)

        write(store, LOG[:1], start=1 << 20)
        meanwhile(monkeypatch, emptied)
        assert derived.derive(store) == len(LOG) + 1
        assert len(content(store)["orders"]) == len(told["orders"])
        one = content(store)
        assert made_anew(store) == one


def test_killed_at_any_moment_all_tables_are_those_of_the_messages(database):
    words = [sys.executable, "-m", "tests.io.sql.deriving_kills", database, "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    endings = re.findall(r"process \d+: (-?\d+)", done.stdout)
    assert endings[-1] == "0"
    assert endings.count("-9") == deriving_kills.KILLS, done.stdout
    with contextlib.closing(opened(database)) as store:
        assert store.query("select count(*) from messages") == [(len(deriving_kills.LOG),)]
        assert to_derive.waiting(store) == 0
        killed = content(store)
        assert made_anew(store) == killed
        assert len(killed["sequences"]) > 4
        assert counted(store) == there(store)


def test_rows_that_are_not_committed_are_not_marked(store, monkeypatch):
    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "ingest", fails)
    with pytest.raises(KeyboardInterrupt):
        write(store, LOG)
    assert derived.derive(store) == 0


def test_reprocessing_leaves_what_a_fresh_load_with_the_new_rules_gives(store):
    half = len(LOG) // 2
    border = sum(map(len, LOG[:half]))
    write(store, LOG[:half])
    write(store, LOG[half:], start=border)
    derived.derive(store)
    write(store, LOG[:half], rules="new", replace=True, keep="8")
    derived.derive(store)
    write(store, LOG[half:], start=border, rules="new", replace=True, keep="8")
    derived.derive(store)
    replaced = content(store)
    assert made_anew(store) == replaced
    assert store.query("select count(*) from orders where has_beginning") == [(0,)]
    write(store, LOG[:half], rules="none", replace=True, keep="-")
    write(store, LOG[half:], start=border, rules="none", replace=True, keep="-")
    derived.derive(store)
    assert not any(content(store).values())
    assert store.query("select count(*) from derive_removed") == [(0,)]


def test_a_migrated_database_has_the_tables_once_it_is_derived(database, capsys):
    with contextlib.closing(opened(database)) as store:
        write(store, LOG)
        derived.derive(store)
        expected = content(store)
        marks = ("derive_stretches", "derive_removed", "derive_settings")
        for name in (*expected, *marks, "minute_counts"):
            store.query(f"drop table {name}")
        store.query("update schema_version set version = 4")
    assert migrate.main([database]) == 0
    assert command.main([database]) == 0
    assert f"{len(LOG)} messages derived" in capsys.readouterr().out
    with contextlib.closing(open_store(database)) as store:
        assert content(store) == expected


def test_a_migrated_database_keeps_the_derived_tables_that_have_the_same_columns(database, capsys):
    with contextlib.closing(opened(database)) as store:
        write(store, LOG)
        derived.derive(store)
        expected = content(store)
        store.query("create view mine as select order_key from orders")
        store.query("alter table session_days drop column silent_since")
        for name in ("anomalies", "trade_prices", "derive_settings"):
            store.query(f"drop table {name}")
        store.query("update schema_version set version = 5")
    assert migrate.main([database]) == 0
    assert command.main([database]) == 0
    with contextlib.closing(open_store(database)) as store:
        assert content(store) == expected
        assert store.query("select count(*) from mine") == store.query(
            "select count(*) from orders"
        )


def test_a_message_without_any_id_is_of_no_order(store):
    write(store, [encode([(35, b"D"), (34, b"1"), (49, b"A"), (56, b"B")])])
    assert derived.derive(store) == 1
    assert not any(content(store).values())


def test_the_command_rebuilds_the_tables_and_refuses_what_has_none(database, capsys, tmp_path):
    with contextlib.closing(opened(database)) as store:
        write(store, LOG)
    assert command.main([database]) == 0
    with contextlib.closing(open_store(database)) as store:
        expected = content(store)
        store.query("delete from executions")
    assert command.main([database, "--rebuild"]) == 0
    with contextlib.closing(open_store(database)) as store:
        assert content(store) == expected
    assert command.main(["parquet:lake/"]) == 2
    assert command.main([f"sqlite:///{tmp_path}/none.db"]) == 2
    said = capsys.readouterr().err
    assert "parquet:lake/ has no derived tables: only databases have" in said
    assert "there is no database at" in said


def test_values_of_any_length_are_stored_and_derived(store):
    """An entry of an index of PostgreSQL has room for 2,704 bytes, which compress badly here."""
    rng = random.Random(5)
    usual = {
        35: b"8", 34: b"1", 49: b"A", 56: b"B", 52: b"20250102-09:00:00", 11: b"one", 37: b"o1",
        17: b"e1", 150: b"F", 39: b"2", 55: b"S", 54: b"1", 38: b"9", 32: b"9", 31: b"1",
    }  # fmt: skip
    tags = [*usual, *(column.tag for column in COLUMNS), 198, 66, 70, 1180, 58, 20000]
    lines = []
    for number, tag in enumerate(tags):
        for length, signs in ((250, "\xe9\xf6"), (5000, string.ascii_letters)):
            value = "".join(rng.choices(signs, k=length)).encode("latin-1")
            lines.append(encode(list({**usual, 34: b"%d" % number, tag: value}.items())))
    group = [(35, b"E"), (66, b"l"), (73, b"1")]
    for tag in (11, 55, 198, 37):
        value = "".join(rng.choices(string.ascii_letters, k=5000)).encode()
        lines.append(encode([*group, *{11: b"in", tag: value}.items(), (54, b"1")]))
    write(store, lines)
    derived.derive(store)
    kept = sum(store.query(f"select count(*) from {t}")[0][0] for t in ("messages", "failures"))
    assert kept == len(lines)
    assert {row["reason"] for row in store.failures()} == {"no_msg_type"}
    assert to_derive.waiting(store) == 0
    assert store.query("select count(*) from executions")[0][0]
    longest = "select max(length(id)) from order_ids"
    assert store.query(longest)[0][0] == 250
