"""Logs as Arrow tables: `fixfeed.read`, `scan`, `failures` and `parse`."""

import datetime
import gzip
import os
import random
import shutil
import subprocess
import sys
import textwrap
import time
import warnings
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import fixfeed
from fixfeed import tables, workers
from fixfeed.asked import messages_wanted
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.reading import read_blocks
from fixfeed.transforms.fix.protocol import FIX
from fixfeed.wanted import Part
from tests.transforms.fix.messages import encode, random_log
from tests.transforms.fix.session_logs import logon, order, random_session_log

ROOT = Path(__file__).parent.parent
MIXED = 3000
ORDER = encode([(35, b"D"), (49, b"A"), (56, b"B"), (55, b"AAPL"), (44, b"1.25")])


def silent(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def count(table, name):
    return int(table.schema.metadata[f"fixfeed.{name}".encode()])


def batches_of(*paths):
    """What the job makes of files, in the order of their names."""
    files, unreadable = find_files([str(path) for path in paths])
    assert unreadable == []
    for file in files:
        for part in cut_ranges(file, (), size=1 << 60):
            for block in read_blocks(part):
                yield file.name, FIX.parse(block)


@pytest.fixture
def logs(tmp_path):
    """Logs of several kinds: plain, compressed, of FIXT sessions, with text."""
    rng = random.Random(7)
    (tmp_path / "a.log").write_bytes(random_log(rng, MIXED, mutated=0.1, delimiter=b"|"))
    packed = gzip.compress(random_log(rng, MIXED, mutated=0.1, delimiter=b"\x01"))
    (tmp_path / "b.log.gz").write_bytes(packed)
    sessions = logon() + b"\n" + random_session_log(rng, MIXED, b"\x01", mutated=0)
    (tmp_path / "c.log").write_bytes(sessions + order())
    (tmp_path / "d.log").write_bytes((ORDER + b"\n") * MIXED)
    return tmp_path


@pytest.fixture
def in_small_parts(monkeypatch):
    """Let files of a few hundred kilobytes be read in many parts, and by worker processes."""
    monkeypatch.setattr(tables, "_RANGE", 60_000)
    monkeypatch.setattr(tables, "BLOCK", 40_000)
    monkeypatch.setattr(tables, "_SMALL", 0)


def test_a_table_has_what_the_job_stores_in_the_order_of_the_files(logs):
    table = silent(fixfeed.read, f"{logs}/*.log*")
    expected = list(batches_of(*logs.iterdir()))
    names = ["file", *(n for n in FIX.table.schema.names if n not in ("ingested_at", "enriched"))]
    assert table.column_names == names
    rows = pa.Table.from_batches([batch.messages for _, batch in expected])
    assert table.drop_columns("file").equals(rows.select(names[1:]))
    files = [name for name, batch in expected for _ in range(batch.messages.num_rows)]
    assert table["file"].to_pylist() == files
    assert len(set(files)) == 4


def test_messages_failures_and_filtered_are_all_that_came_in(logs):
    expected = [batch for _, batch in batches_of(*logs.iterdir())]
    table = silent(fixfeed.read, f"{logs}/*", include="MsgType = D")
    failed = fixfeed.failures(f"{logs}/*")
    assert count(table, "messages") == table.num_rows > 0
    assert count(table, "failures") == failed.num_rows > 0
    assert count(table, "filtered") > 0
    total = table.num_rows + failed.num_rows + count(table, "filtered")
    assert total == sum(batch.read for batch in expected)
    assert count(table, "lines_without_fix") == sum(batch.skipped for batch in expected)
    rows = pa.Table.from_batches([batch.failures for batch in expected])
    assert failed.drop_columns("file").equals(rows.replace_schema_metadata(failed.schema.metadata))
    assert set(pc.unique(table["msg_type"]).to_pylist()) == {"D"}


@pytest.mark.usefixtures("in_small_parts")
def test_the_number_of_workers_changes_nothing(logs):
    one = silent(fixfeed.read, f"{logs}/*", workers=1)
    for number in (2, 3):
        assert silent(fixfeed.read, f"{logs}/*", workers=number).equals(one, check_metadata=True)
    assert fixfeed.failures(f"{logs}/*", workers=2).equals(fixfeed.failures(f"{logs}/*"))
    versions = one.filter(pc.equal(one["file"], f"{logs}/c.log"))
    assert versions.num_rows > MIXED


@pytest.mark.usefixtures("in_small_parts")
def test_batches_are_the_table_in_parts(logs):
    table = silent(fixfeed.read, f"{logs}/*")
    with fixfeed.scan(f"{logs}/*", workers=2) as reader:
        batches = silent(list, reader)
    assert len(batches) > 5
    assert pa.Table.from_batches(batches).equals(table)


def test_only_a_few_parts_are_under_way_at_a_time(logs):
    wanted = messages_wanted(["position"], (), (), False, {})
    started = []

    def parts():
        for part in tables._parts(find_files([f"{logs}/d.log"])[0], 20_000):
            started.append(part)
            yield part

    given = workers.in_order(wanted, parts(), 2)
    next(given)
    assert len(started) == 4
    given.close()


@pytest.mark.parametrize(
    ("program", "options"),
    [("-c", ()), ("file", ()), ("-c", ("-W", "ignore")), ("daemon", ())],
)
def test_worker_processes_need_no_beam_and_no_main_guard(logs, tmp_path, program, options):
    code = f"""
        import sys
        sys.modules["apache_beam"] = None
        import fixfeed
        from fixfeed import tables
        tables._SMALL = 0
        print(fixfeed.read({str(logs / "a.log")!r}, workers=2, columns="symbol").num_rows)
        """
    code = textwrap.dedent(code)
    if program == "daemon":
        body = textwrap.indent(code, "    ")
        code = (
            f"def read():\n{body}\n"
            "if __name__ == '__main__':\n"
            "    from multiprocessing import get_context\n"
            "    one = get_context('spawn').Process(target=read, daemon=True)\n"
            "    one.start(); one.join(); sys = __import__('sys'); sys.exit(one.exitcode)\n"
        )
    script = tmp_path / "script.py"
    script.write_text(code)
    command = [sys.executable, *options, *(("-c", code) if program == "-c" else (script,))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{silent(fixfeed.read, logs / 'a.log').num_rows}\n"
    assert ("UserWarning" in done.stderr) == (not options)


@pytest.mark.parametrize("end", ["break", "kill", "leave"])
@pytest.mark.usefixtures("in_small_parts")
def test_workers_end_with_whoever_reads(logs, end):
    if end == "break":
        for _ in fixfeed.scan(f"{logs}/*", workers=2):
            assert len(children_of(os.getpid())) == 2
            break
        assert children_of(os.getpid()) == set()
        return
    code = (
        "import fixfeed; from fixfeed import tables; tables._SMALL, tables.BLOCK = 0, 9000\n"
        f"reader = fixfeed.scan('{logs}/*', workers=2); next(reader); print(flush=True)\n"
        "import sys; sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as caller:
        caller.stdout.readline()
        left = children_of(caller.pid)
        assert len(left) == 2
        if end == "kill":
            caller.kill()
        assert caller.communicate() == (b"", b"")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(map(is_alive, left)):
        time.sleep(0.05)
    assert not any(map(is_alive, left))


def children_of(process_id):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process_id)], capture_output=True)
    there = {int(word) for word in found.stdout.split()}
    return {one for one in there if b"fixfeed.workers" in command_of(one)}


def command_of(process_id):
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return b""


def is_alive(process_id):
    return bool(command_of(process_id))


@pytest.mark.usefixtures("in_small_parts")
def test_a_worker_that_ends_is_an_error_that_says_what_to_do(logs, monkeypatch):
    monkeypatch.setattr(workers, "_START", "raise SystemExit(3)")
    with pytest.raises(RuntimeError, match=r"exit code 3.*workers=1"):
        fixfeed.read(f"{logs}/*", workers=2)


@pytest.mark.usefixtures("in_small_parts")
def test_an_error_of_our_own_in_a_worker_is_shown_as_one(logs):
    wanted = messages_wanted(None, (), (), False, {})
    with pytest.raises(RuntimeError, match=r"(?s)fixfeed's own.*AttributeError"):
        list(workers.in_order(wanted, [Part("a.log", "no block")], 1))


def test_a_log_that_cannot_be_read_stops_no_other(tmp_path):
    (tmp_path / "good.log").write_bytes(ORDER + b"\n")
    whole = gzip.compress(b"".join(b"%d %s\n" % (n, ORDER) for n in range(2000)))
    (tmp_path / "torn.log.gz").write_bytes(whole[: len(whole) // 2])
    inputs = [tmp_path / "good.log", f"{tmp_path}/torn.log.gz", f"{tmp_path}/none.log"]
    with pytest.warns(UserWarning, match=r"(?s)unreadable.*none.log: does not exist.*torn") as told:
        table = fixfeed.read(inputs)
    assert told[0].filename == __file__
    failed = fixfeed.failures(inputs).to_pylist()
    assert [(Path(one["file"]).name, one["reason"]) for one in failed] == [
        ("torn.log.gz", "unreadable"),
        ("none.log", "unreadable"),
    ]
    assert "ends too early" in failed[0]["detail"]
    assert failed[0]["position"] > 0
    assert count(table, "failures") == 2
    assert {Path(name).name for name in table["file"].to_pylist()} == {"good.log", "torn.log.gz"}


def test_logs_none_of_which_can_be_read_are_an_error(tmp_path):
    (tmp_path / "day.log").write_bytes(ORDER)
    with pytest.raises(FileNotFoundError, match=r"dai.log: does not exist; there is '.*day.log'"):
        fixfeed.read(tmp_path / "dai.log")
    with pytest.raises(FileNotFoundError, match="matches no file"):
        fixfeed.scan(f"{tmp_path}/*.gz")
    assert fixfeed.failures(f"{tmp_path}/*.gz")["reason"].to_pylist() == ["unreadable"]


def test_what_is_no_log_of_fix_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("one\ntwo\n")
    with pytest.warns(UserWarning, match="no message was found in 2 lines"):
        assert fixfeed.read(tmp_path / "notes.txt").num_rows == 0


def test_logs_with_the_same_bytes_are_read_once_and_named(tmp_path):
    data = b"".join(b"%d %s\n" % (n, ORDER) for n in range(100))
    (tmp_path / "day.log").write_bytes(data)
    (tmp_path / "day.log.gz").write_bytes(gzip.compress(data))
    with pytest.warns(UserWarning, match=r"read once.*day.log.gz"):
        assert fixfeed.read(f"{tmp_path}/*").num_rows == 100


def test_columns_are_those_asked_for_in_that_order(logs):
    wanted = ["price", "file", "symbol"]
    table = silent(fixfeed.read, f"{logs}/*", columns=wanted)
    assert table.column_names == wanted
    assert table.equals(silent(fixfeed.read, f"{logs}/*").select(wanted))
    assert fixfeed.parse(ORDER, columns="symbol").to_pydict() == {"symbol": ["AAPL"]}


def test_a_field_without_a_column_is_a_column_of_text(tmp_path):
    parties = [(453, b"2"), (448, b"P1"), (447, b"D"), (448, b"P2")]
    data = encode([(35, b"D"), (5001, b"x=1"), (100, b"XLON"), (9001, b"north"), *parties])
    data += encode([(35, b"D"), (55, b'5001":'), (5001, b"1"), (5001, b"2"), (44, b"x")])
    own = {"dictionary": f"+{broker_dictionary(tmp_path)}"}
    names = ["5001", "ExDestination", "DeskCode", "price", "NoPartyIDs", "symbol"]
    table = fixfeed.parse(data, columns=names, **own)
    assert table.column_names == names
    groups = '[{"PartyID":"P1","PartyIDSource":"D"},{"PartyID":"P2"}]'
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("x=1", "XLON", "north", None, groups, None),
        ('["1","2"]', None, None, None, None, '5001":'),
    ]
    masked = fixfeed.parse(data, columns="ExDestination", mask="ExDestination")
    assert masked["ExDestination"].to_pylist() == ["****", None]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"columns": ["symbl"]}, ValueError, "no column 'symbl'; did you mean symbol?"),
        ({"columns": ["Symbol"]}, ValueError, "a column of its own; did you mean symbol?"),
        ({"columns": ["enriched"]}, ValueError, "there is no column 'enriched'"),
        ({"columns": ["symbol", "symbol"]}, ValueError, "'symbol' is asked for twice"),
        ({"include": "Symbl = A"}, ValueError, "the nearest is Symbol"),
        ({"include": "ingested_at exists"}, ValueError, "asks about ingested_at"),
        ({"include": "Account = A", "mask": "Account"}, ValueError, "would guess"),
        ({"mask": "Account=hash"}, ValueError, "hashes want a key"),
        ({"validate": "all"}, ValueError, "expected one of off, structure, dictionary"),
        ({"dictionary": "none.xml"}, ValueError, "none.xml"),
        ({"delimiter": ""}, ValueError, "delimiter"),
        ({"log_time_zone": "Mars"}, ValueError, "Mars"),
        ({"we_are": "A", "mask": "SenderCompID"}, ValueError, "SenderCompID, which mask hides"),
        ({"colums": ["symbol"]}, TypeError, "no option 'colums'; did you mean columns?"),
        ({"workers": 0}, ValueError, "workers is 0, expected 1 or more"),
    ],
)
def test_what_is_mistyped_is_answered(tmp_path, options, error, text):
    (tmp_path / "day.log").write_bytes(ORDER)
    for function in (fixfeed.read, fixfeed.scan):
        with pytest.raises(error) as raised:
            function(tmp_path / "day.log", **options)
        assert text in str(raised.value)


def test_prices_are_exact_or_the_nearest_floats():
    texts = ["785.9605", "0.1", "1.12345678901234", "-0", "99999999999999999999"]
    data = b"\n".join(encode([(35, b"D"), (44, text.encode())]) for text in texts)
    exact = fixfeed.parse(data)
    assert exact["price"].type == pa.decimal128(38, 10)
    assert exact["price"].to_pylist()[:2] == [Decimal("785.9605"), Decimal("0.1")]
    floats = fixfeed.parse(data, floats=True, columns="price")
    assert floats.to_pydict() == {"price": [float(text) for text in texts]}


def test_what_is_read_is_as_the_flags_of_the_job_say():
    line = (
        b"09.01.2025 10:00:00 "
        + encode([(35, b"A"), (49, b"ME"), (56, b"B"), (98, b"0"), (108, b"30"), (554, b"secret")])
        + b"\n"
        + encode([(35, b"D"), (49, b"ME"), (56, b"B"), (1, b"acc"), (9999, b"x")])
    )
    table = fixfeed.parse(
        line,
        captured_at="%d.%m.%Y %H:%M:%S",
        log_time_zone="Europe/Paris",
        we_are=["ME"],
        mask=["Account=hash"],
        mask_key=b"key",
        validate="dictionary",
    )
    first, second = table.to_pylist()
    utc = datetime.datetime(2025, 1, 9, 9, tzinfo=datetime.UTC)
    assert (first["captured_at"], first["direction"]) == (utc, "out")
    assert (first["masked"], second["masked"]) == ("554", "1")
    assert b"secret" not in first["raw"]
    assert second["account"] not in ("acc", None)
    assert "unknown_tag" in second["defects"]


def broker_dictionary(folder):
    dictionary = """<fix type='FIX' major='4' minor='4' servicepack='0'>
        <header/><trailer/>
        <messages><message name='NewOrderSingle' msgtype='D' msgcat='app'>
        <field name='DeskCode' required='N'/></message></messages>
        <components/><fields><field number='9001' name='DeskCode' type='STRING'/></fields></fix>"""
    (folder / "broker.xml").write_text(dictionary)
    return folder / "broker.xml"


def test_a_dictionary_of_ones_own_names_its_fields(tmp_path):
    data = encode([(35, b"D"), (9001, b"north")])
    own = {"dictionary": f"+{broker_dictionary(tmp_path)}"}
    table = fixfeed.parse(data, columns="fields", include="DeskCode = north", **own)
    assert table["fields"].to_pylist() == ['{"DeskCode":"north"}']


@pytest.mark.usefixtures("in_small_parts")
def test_workers_read_by_the_same_dictionaries_rules_and_masking(tmp_path):
    shutil.copy(broker_dictionary(tmp_path), tmp_path / "own.xml")
    line = encode([(35, b"D"), (9001, b"north"), (1, b"acc")])
    other = encode([(35, b"D"), (9001, b"south"), (1, b"acc")])
    (tmp_path / "day.log").write_bytes(b"".join([line, b"\n", other, b"\n"] * 1000))
    options = {
        "dictionary": [f"+{tmp_path}/own.xml"],
        "include": ["DeskCode = north"],
        "mask": "Account=hash",
        "mask_key": b"key",
    }
    table = fixfeed.read(tmp_path / "day.log", workers=2, **options)
    assert table.equals(fixfeed.read(tmp_path / "day.log", workers=1, **options))
    assert set(table["fields"].to_pylist()) == {'{"DeskCode":"north"}'}
    assert (table.num_rows, count(table, "filtered")) == (1000, 1000)
    assert table["account"][0].as_py() not in ("acc", None)


@pytest.mark.parametrize("delimiter", [b"\x01", b"|", b"^A", b"<SOH>", b";"])
def test_the_delimiter_of_a_piece_is_found(delimiter):
    data = encode([(35, b"D"), (55, b"AAPL")], delimiter=delimiter)
    whole = data.removesuffix(delimiter)
    for piece in (data, whole, data.decode("latin-1"), bytearray(data), memoryview(data)):
        (row,) = fixfeed.parse(piece).to_pylist()
        assert (row["symbol"], row["defects"], row["position"]) == ("AAPL", None, 0)


def test_a_logon_counts_for_the_messages_after_it_in_a_piece():
    # SideTrdSubTyp (1008) is a field of FIX.5.0SP1 and later alone.
    more = (1008, b"0")
    data = order() + logon(version=b"7") + order(b"A", b"B", more) + logon(version=b"9")
    defects = fixfeed.parse(data, validate="dictionary")["defects"].to_pylist()
    batches = [FIX.parse(block) for block in blocks_with_context(data)]
    assert len(batches) > 1
    table = fixfeed.parse(data)
    rows = pa.Table.from_batches([batch.messages for batch in batches])
    assert table.equals(rows.select(table.column_names))
    assert len(defects) == 4


def blocks_with_context(data):
    framing = FIX.sniff(data)
    return framing.carry(fixfeed.Block("", 0, data, framing.layout), {})


def test_a_long_piece_is_cut_without_a_difference(monkeypatch):
    data = random_log(random.Random(3), 2000, mutated=0.1, delimiter=b"|")
    whole = silent(fixfeed.parse, data)
    monkeypatch.setattr(tables, "BLOCK", 10_000)
    cut = silent(fixfeed.parse, data)
    assert cut.column("raw").num_chunks > 5
    assert cut.equals(whole, check_metadata=True)


def test_a_piece_has_no_file():
    with pytest.raises(ValueError, match="there is no column 'file'"):
        fixfeed.parse(ORDER, columns=["file", "symbol"])


def test_what_is_no_bytes_is_refused():
    with pytest.raises(TypeError):
        fixfeed.parse(7)


def test_pandas_and_duckdb_take_what_is_read(logs):
    table = silent(fixfeed.read, f"{logs}/*", floats=True)
    frame = table.to_pandas()
    assert len(frame) == table.num_rows
    assert frame["price"].dtype == "float64"
    reader = fixfeed.scan(f"{logs}/*", columns=["symbol", "order_qty"])
    assert reader.schema.names == ["symbol", "order_qty"]
    with pytest.warns(UserWarning, match="fixfeed.scan: .* failures"):
        ((rows, total),) = duckdb.sql("select count(*), sum(order_qty) from reader").fetchall()
    assert rows == table.num_rows
    assert total == pc.sum(silent(fixfeed.read, f"{logs}/*")["order_qty"]).as_py()
