"""A protocol made for these tests goes from files into every sink; no sink knows it."""

import codecs
import dataclasses
import datetime
import gzip
import itertools
import json
import random
import signal
import subprocess
import sys
import zipfile
from contextlib import closing
from decimal import Decimal
from functools import partial
from operator import itemgetter
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from fixfeed.io.commit import Run
from fixfeed.io.files.find import cut_ranges, find_files
from fixfeed.io.files.ranges import with_context
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.files.source import ReadFromFiles
from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.jsonl.sink import WriteToJsonLines
from fixfeed.io.jsonl.standard_output import WriteToStandardOutput
from fixfeed.io.ledger.ledger import SchemaError, SinkError
from fixfeed.io.ledger.new_parts import new_parts
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.sink import WriteToParquet
from fixfeed.io.sql.open import look_at_store, open_store
from fixfeed.io.sql.sink import WriteToSql
from fixfeed.pipelines.graph import build
from fixfeed.pipelines.plan import make_plan
from fixfeed.transforms.batch import TOO_LONG, TRUNCATED, Block
from fixfeed.transforms.coders import BatchCoder
from fixfeed.transforms.enrich import Enrich
from fixfeed.transforms.filter import Filter
from fixfeed.transforms.lookup import Lookup, LookupFileError
from fixfeed.transforms.messages import ToFailures, ToMessages, messages_of
from fixfeed.transforms.parse import Parse, ParseFix
from tests.protocols.fixed_width import LEGS, SCHEMA, TAPE, UNKNOWN_KIND, TapeFraming
from tests.transforms.fix.messages import encode

START = datetime.datetime(2025, 1, 2, 23, 59, 59, tzinfo=datetime.UTC)
SYMBOLS = ("AAPL", "MSFT", "IBM", "BRK.A")
SIDES = {"B": "Buy", "S": "Sell"}
REPLACEABLE = ["sqlite", "postgresql", "parquet"]


def tape(count, *, seed=1, width=60):
    """Return the bytes of a file, and its messages, with their legs, and failures as rows."""
    rng = random.Random(seed)
    records, messages, failures, venue = [f"H{width:04d}"], [], [], None
    for number in range(count):
        position = width * len(records)
        case = rng.random()
        if case < 0.03 or not number:
            venue = rng.choice(("XNAS", "XNYS", "ARCX"))
            records.append(f"V{venue}")
            continue
        if case < 0.06:
            records.append(f"?{number}")
            failures.append((position, UNKNOWN_KIND, records[-1].ljust(width).encode()))
            continue
        kind, side, symbol = rng.choice("TQS"), rng.choice("BS"), rng.choice(SYMBOLS)
        price, quantity = rng.randrange(1, 10**9), rng.randrange(1, 10**6)
        time = START + datetime.timedelta(microseconds=number * 1000)
        moment = int(time.timestamp()) * 10**6 + time.microsecond
        bad = rng.random() < 0.05
        text = f"{kind}{moment}{symbol:8}{side}{'x' if bad else ''}{price:012d}"[:38]
        legs = [legs_of(rng) for _ in range(rng.randrange(3))] if kind == "S" else []
        note = "".join(leg[0] for leg in legs) or ("" if kind == "S" else f"note {number}")
        records.append(f"{text}{quantity:012d}{note}"[:width])
        messages.append(
            {
                "position": position,
                "kind": kind,
                "time": time,
                "symbol": symbol,
                "side": side,
                "price": None if bad else Decimal(price).scaleb(-4),
                "quantity": quantity,
                "venue": venue,
                "note": records[-1][50:].rstrip() or None,
                "defects": "bad_number" if bad else None,
                "raw": records[-1].ljust(width).encode(),
                "legs": [{"entry": entry, **leg} for entry, (_, leg) in enumerate(legs, 1)],
            }
        )
    return "".join(one.ljust(width) for one in records).encode(), messages, failures


def legs_of(rng):
    """Return a leg as text and as a row; its number is wrong now and then."""
    side, tenths, symbol = rng.choice("BS"), rng.choice("123456789x"), rng.choice(SYMBOLS)[:3]
    weight = None if tenths == "x" else Decimal(tenths).scaleb(-1)
    terms = {"leg": [side, symbol]}
    row = {"side": side, "weight": weight, "symbol": symbol, "terms": terms}
    return f"{side}{tenths}{symbol}", row


def with_legs(rows, legs):
    """Return rows with theirs of `legs`, which have a position each; none is left over."""
    by_position = {}
    for leg in sorted(legs, key=itemgetter("position", "entry")):
        if isinstance(leg["terms"], str):
            leg["terms"] = json.loads(leg["terms"])
        by_position.setdefault(leg.pop("position"), []).append(leg)
    found = [{**row, "legs": by_position.pop(row["position"], [])} for row in rows]
    assert by_position == {}
    return found


def of_batches(batches):
    """Return the messages and failures of batches as `tape` does."""
    batches = list(batches)
    rows = [row for batch in batches for row in batch.messages.to_pylist()]
    legs = [row for batch in batches for row in batch.children["legs"].to_pylist()]
    failures = [row for batch in batches for row in batch.failures.to_pylist()]
    added = ("ingested_at", "enriched")
    return (
        with_legs([{k: v for k, v in row.items() if k not in added} for row in rows], legs),
        [(row["position"], row["reason"], row["raw"]) for row in failures],
    )


def one_file(path, data):
    path.write_bytes(data)
    (file,), unreadable = find_files([str(path)], TAPE)
    assert unreadable == []
    return file


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("size", [61, 1000, 7777, 1 << 20])
@pytest.mark.parametrize("block_size", [60, 1000, 1 << 20])
def test_any_ranges_and_blocks_of_a_file_hold_the_same_messages(tmp_path, size, block_size, pack):
    data, messages, failures = tape(600)
    file = one_file(tmp_path / "day.tape", pack(data))
    assert file.framing == TapeFraming(60)
    ranges = with_context(cut_ranges(file, (), size=size))
    blocks = [b for part in ranges for b in read_blocks(part, block_size=block_size)]
    assert b"".join(block.data for block in blocks) == data
    assert all(one.end == other.start for one, other in itertools.pairwise(blocks))
    batches = [TAPE.parse(block) for block in blocks]
    assert of_batches(batches) == (messages, failures)
    assert sum(batch.read for batch in batches) == len(messages) + len(failures)
    assert sum(batch.skipped for batch in batches) == 601 - len(messages) - len(failures)


def test_bytes_are_taken_as_they_are_from_files_and_archives(tmp_path):
    """No line end comes between the files of an archive, and no byte order mark is looked for."""
    data, messages, failures = tape(50)
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        archive.writestr("1.tape", data[:1200])
        archive.writestr("2.tape", data[1200:])
    file = one_file(tmp_path / "day.zip", (tmp_path / "day.zip").read_bytes())
    parts = with_context(cut_ranges(file, ()))
    blocks = [block for part in parts for block in read_blocks(part)]
    assert of_batches(map(TAPE.parse, blocks)) == (messages, failures)
    marked = codecs.BOM_UTF16_LE.ljust(52, b"x")
    (part,) = cut_ranges(one_file(tmp_path / "marked.tape", marked), ())
    assert [block.data for block in read_blocks(part)] == [marked]


def test_an_unfinished_end_is_kept_and_read_again_when_the_file_has_grown(tmp_path):
    data, messages, failures = tape(50)
    file = one_file(tmp_path / "day.tape", data[:-7])
    blocks = [block for part in cut_ranges(file, ()) for block in read_blocks(part)]
    (unfinished,) = [block for block in blocks if block.provisional]
    found = of_batches(map(TAPE.parse, blocks))
    assert (unfinished.start, unfinished.data) == (len(data) - 60, data[-60:-7])
    assert found[1][-1] == (len(data) - 60, TRUNCATED, data[-60:-7])
    file = one_file(tmp_path / "day.tape", data)
    ranges = with_context(cut_ranges(file, [(0, len(data) - 60)]))
    rest = of_batches(TAPE.parse(block) for part in ranges for block in read_blocks(part))
    assert (found[0] + rest[0], found[1][:-1] + rest[1]) == (messages, failures)


def test_a_record_that_is_too_long_is_kept_as_failures(tmp_path):
    data, _, _ = tape(20, width=200)
    file = one_file(tmp_path / "day.tape", data)
    blocks = [block for part in cut_ranges(file, (), longest=100) for block in read_blocks(part)]
    assert b"".join(block.data for block in blocks) == data
    first = TAPE.parse(blocks[0])
    assert first.failures["reason"].to_pylist() == [TOO_LONG]
    assert (first.start, first.end, first.messages.num_rows) == (0, 100, 0)


# Sinks.


@pytest.fixture(params=["sqlite", "postgresql", "parquet", "jsonl"])
def output(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tape.db'}"
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")
    return f"{request.param}:{tmp_path / 'out'}"


def ledger_of(output, protocol=TAPE):
    kind, _, place = output.partition(":")
    if kind == "parquet":
        return ParquetLedger(place, protocol=protocol)
    if kind == "jsonl":
        return JsonlLedger(place)
    return open_store(output, protocol=protocol)


def sink_of(output, told=None):
    kind, _, place = output.partition(":")
    if kind == "parquet":
        return WriteToParquet(place, told, protocol=TAPE)
    if kind == "jsonl":
        return WriteToJsonLines(place, told, protocol=TAPE)
    return WriteToSql(output, told, protocol=TAPE)


def run(path, output, steps=(), *, rules=TAPE.digest, reprocess=False):
    """Read the new parts of a file in many small ranges; return the number of ranges."""
    ledger = ledger_of(output)
    ledger.prepare()
    files, unreadable = find_files([str(path)], TAPE)
    assert unreadable == []
    plan = make_plan(files, {"sink": ledger}, rules=rules, reprocess=reprocess)
    known = ledger.register([file.source for file in files], rules=rules)[files[0].key]
    done, stored_end = ((), "") if reprocess else (known.done, known.stored_end)
    ranges = cut_ranges(files[0], done, stored_end, size=5000)
    told = Run(plan.sources["sink"], rules=rules, replace=reprocess)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        build(
            pipeline,
            source=ReadFromFiles(ranges),
            parse=Parse(TAPE),
            steps=steps,
            sinks=[("Write", sink_of(output, told))],
        )
    ledger.finish({plan.sources["sink"][files[0].key]: files[0].stored_end})
    ledger.close()
    return len(ranges)


COLUMNS = [name for name in SCHEMA.names if name not in ("ingested_at", "enriched")]
OF_LEGS = ("position", *LEGS.names[1:])


def stored(output, select):
    """Return a sink's content as `tape` does, and what was added, by position."""
    kind, _, place = output.partition(":")
    added = {}
    if kind == "jsonl":
        lines = [json.loads(line) for line in Path(place).read_text().splitlines()]
        rows = [{name: line.get(name) for name in COLUMNS} for line in lines]
        legs = [{"position": one["position"], **leg} for one in lines for leg in one["legs"]]
        added = {one["position"]: (one.get("side_name"), one.get("enriched")) for one in lines}
        path = Path(place).with_name("out.failures")
        failures = [json.loads(line) for line in path.read_text().splitlines()]
        failures = [(one["position"], one["reason"], one["raw"].encode()) for one in failures]
        for row in rows:
            row["time"] = row["time"] and datetime.datetime.fromisoformat(row["time"])
            row["price"] = row["price"] and Decimal(row["price"])
    elif kind == "parquet":
        rows = pq.read_table(f"{place}/messages", partitioning=None).to_pylist()
        added = {
            one["message_id"] % 2**40: (
                one.get("side_name"),
                one["enriched"] and json.loads(one["enriched"]),
            )
            for one in rows
        }
        rows = [
            {"position": row["message_id"] % 2**40, **{n: row[n] for n in COLUMNS[1:]}}
            for row in rows
        ]
        legs = [
            {"position": leg["message_id"] % 2**40, **{n: leg[n] for n in OF_LEGS[1:]}}
            for leg in pq.read_table(f"{place}/legs", partitioning=None).to_pylist()
        ]
        failures = [
            (row["failure_id"] % 2**40, row["reason"], row["raw"])
            for row in pq.read_table(f"{place}/failures").to_pylist()
        ]
    else:
        names = ", ".join(COLUMNS[1:])
        found = select(
            output, f"select message_id, side_name, enriched, {names} from messages_named"
        )
        rows = [dict(zip(COLUMNS, (row[0] % 2**40, *row[3:]), strict=True)) for row in found]
        added = {
            row[0] % 2**40: (row[1], json.loads(row[2]) if isinstance(row[2], str) else row[2])
            for row in found
        }
        found = select(output, f"select message_id, {', '.join(OF_LEGS[1:])} from legs")
        legs = [dict(zip(OF_LEGS, (row[0] % 2**40, *row[1:]), strict=True)) for row in found]
        found = select(output, "select failure_id, reason, raw from failures")
        failures = [(number % 2**40, reason, raw) for number, reason, raw in found]
        if kind == "sqlite":
            for row in rows:
                row["time"] = datetime.datetime.fromisoformat(row["time"])
                row["time"] = row["time"].replace(tzinfo=datetime.UTC)
                row["price"] = row["price"] and round(Decimal(row["price"]), 4)
    if kind == "jsonl":
        for row in rows:
            del row["raw"]
    for leg in legs:
        leg["weight"] = leg["weight"] and round(Decimal(leg["weight"]), 4)
    rows.sort(key=lambda row: row["position"])
    return with_legs(rows, legs), sorted(failures), added


def without_raw(messages, output):
    if not output.startswith("jsonl:"):
        return messages
    return [{k: v for k, v in row.items() if k != "raw"} for row in messages]


def test_every_sink_stores_each_message_once_whatever_is_read_again(tmp_path, output, select):
    path = tmp_path / "day.tape"
    data, messages, failures = tape(2000)
    cut = len(data) // 120 * 60  # at the end of a record
    path.write_bytes(data[:cut])
    assert run(path, output) > 10
    path.write_bytes(data)
    assert run(path, output) > 10
    found = stored(output, select)
    assert found[0] == without_raw(messages, output)
    assert found[1] == failures
    assert run(path, output) == 0
    assert stored(output, select) == found


class Bigger:
    """A custom rule: messages of at least this quantity."""

    def __init__(self, quantity):
        self.quantity = quantity

    def mask(self, messages):
        return pc.fill_null(pc.greater_equal(messages["quantity"], self.quantity), False)


def test_messages_are_filtered_and_enriched_on_the_way(tmp_path, output, select):
    path, names = tmp_path / "day.tape", tmp_path / "names.csv"
    data, messages, failures = tape(500)
    path.write_bytes(data)
    names.write_text("symbol,name\nAAPL,Apple\nIBM,Big Blue\n")
    lookup = Lookup.read(str(names), on="symbol", protocol=TAPE)
    steps = [
        ("Filter", Filter(include=[Bigger(500_000)], exclude=[Bigger(900_000)])),
        ("Enrich", Enrich(names=True, lookups=[lookup], protocol=TAPE)),
    ]
    run(path, output, steps)
    rows, failed, added = stored(output, select)
    kept = [one for one in messages if 500_000 <= one["quantity"] < 900_000]
    assert 50 < len(kept) < len(messages)
    assert rows == without_raw(kept, output)
    assert failed == failures
    known = {"AAPL": {"name": "Apple"}, "IBM": {"name": "Big Blue"}}
    assert added == {
        one["position"]: (SIDES[one["side"]], known.get(one["symbol"])) for one in kept
    }


@pytest.mark.parametrize("output", REPLACEABLE, indirect=True)
def test_other_rules_replace_messages_and_their_legs(tmp_path, output, select):
    path = tmp_path / "day.tape"
    data, messages, failures = tape(1000)
    path.write_bytes(data)
    run(path, output, [("Filter", Filter(include=[Bigger(300_000)]))], rules="most")
    some = [("Filter", Filter(exclude=[Bigger(700_000)]))]
    run(path, output, some, rules="some", reprocess=True)
    kept = [one for one in messages if one["quantity"] < 700_000]
    assert 100 < sum(len(one["legs"]) for one in kept) < sum(len(one["legs"]) for one in messages)
    assert stored(output, select)[:2] == (kept, failures)
    run(path, output, rules="all", reprocess=True)
    assert stored(output, select)[:2] == (messages, failures)


KILLED = """if True:
    import itertools, os, signal, sys
    from fixfeed.io.commit import Limits
    from fixfeed.io.jsonl import ledger, sink as jsonl
    from fixfeed.io.parquet import sink as parquet
    from fixfeed.io.sql import open, postgresql, sink as sql, sqlite
    from tests.protocols.test_fixed_width import run

    for module in (sql, parquet, jsonl):
        module._LIMITS = Limits(bytes=1, rows=1)
    times = itertools.count(1)

    def dying(function, about):
        def wrapped(*arguments, **named):
            if about(*arguments) and next(times) == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)
        return wrapped

    for store in (sqlite.SqliteStore, postgresql.PostgresqlStore):
        store.ingest = dying(store.ingest, lambda _, table, __: table == "messages")
    os.replace = dying(os.replace, lambda _, to: "/messages/" in str(to))
    lines = ledger.JsonlLedger
    lines.append = dying(lines.append, lambda _, name, __: name == "failures")
    run(*sys.argv[1:])
"""


def test_a_job_killed_between_messages_and_their_legs_loses_and_repeats_nothing(
    tmp_path, output, select
):
    """Legs are stored first, and it dies before their messages are; lines hold both."""
    path = tmp_path / "day.tape"
    data, messages, failures = tape(1000)
    path.write_bytes(data)
    words = [sys.executable, "-c", KILLED, path, output]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert 0 < run(path, output) < -(-len(data) // 5000)
    assert stored(output, select)[:2] == (without_raw(messages, output), failures)


@pytest.mark.parametrize("output", REPLACEABLE, indirect=True)
def test_a_sink_whose_legs_have_other_columns_is_refused(tmp_path, output):
    path = tmp_path / "day.tape"
    path.write_bytes(tape(100)[0])
    run(path, output)

    class Tape2(type(TAPE)):
        legs = LEGS.append(pa.field("strike", pa.string()))
        table = dataclasses.replace(TAPE.table, children={"legs": legs})

    text = r"without the column legs\.strike|has legs with other columns"
    with closing(ledger_of(output, Tape2())) as ledger, pytest.raises(SinkError, match=text):
        ledger.prepare()


def test_a_batch_that_came_in_part_brings_the_rest_with_its_legs():
    data, messages, _ = tape(100)
    batch = TAPE.parse(Block("file:day", 0, data, 60))
    done = [("rules", 1200, 1260, 1, 0, 0, 0, ""), ("rules", 3000, 4980, 1, 0, 0, 0, "")]
    parts = new_parts(batch, done, rules="rules")
    assert [part.stretch for part in parts] == [(0, 1200), (1260, 3000), (4980, len(data))]
    assert of_batches(parts)[0] == [
        {**one, "venue": None}
        for one in messages
        if not (one["position"] == 1200 or 3000 <= one["position"] < 4980)
    ]


def test_a_batch_travels_with_its_legs():
    batch = TAPE.parse(Block("file:day", 0, tape(100)[0], 60))
    assert BatchCoder().decode(BatchCoder().encode(batch)) == batch
    assert batch.nbytes > batch.messages.nbytes + batch.failures.nbytes


def test_a_message_as_a_dict_has_its_legs():
    data, messages, _ = tape(100)
    found = list(messages_of(TAPE.parse(Block("file:day", 0, data, 60))))
    legs = [leg for one in found for leg in one.get("legs", ())]
    expected = [leg for one in messages for leg in one["legs"]]
    assert [one["position"] for one in found if "legs" in one] == [
        one["position"] for one in messages if one["legs"]
    ]
    assert [{**leg, "weight": leg.get("weight")} for leg in legs] == [
        {**leg, "terms": json.dumps(leg["terms"], separators=(",", ":"))} for leg in expected
    ]


@pytest.mark.parametrize(
    ("children", "why"),
    [
        ({"failures": LEGS}, "a name in lower case other than"),
        ({"Legs": LEGS}, "a name in lower case other than"),
        ({"legs": LEGS.remove(1)}, r"position and entry \(int64\) as the first"),
    ],
)
def test_a_table_of_children_that_no_sink_could_store_is_refused(children, why):
    with pytest.raises(ValueError, match=why):
        dataclasses.replace(TAPE.table, children=children)


def test_a_custom_pipeline_names_the_protocol_at_its_start_and_end(tmp_path, output, select):
    path = tmp_path / "day.tape.gz"
    data, messages, failures = tape(300)
    path.write_bytes(gzip.compress(data))
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        blocks = pipeline | ReadFromFiles.matching([str(path)], TAPE)
        _ = blocks | Parse(TAPE) | sink_of(output)
    found = stored(output, select)
    assert found[:2] == (without_raw(messages, output), failures)


def test_parquet_files_are_in_the_folders_of_the_protocol(tmp_path):
    path = tmp_path / "day.tape"
    path.write_bytes(tape(2500)[0])
    run(path, f"parquet:{tmp_path / 'out'}")
    folders = {one.parent for one in (tmp_path / "out" / "messages").rglob("*.parquet")}
    assert sorted(str(one.relative_to(tmp_path / "out" / "messages")) for one in folders) == [
        f"date=2025-01-0{day}/by_kind=is-{kind}" for day in (2, 3) for kind in "QST"
    ]
    with pytest.raises(ValueError, match="did you mean symbol"):
        WriteToParquet("lake", partition_by=["symbols"], protocol=TAPE)


def test_a_database_has_the_columns_indexes_and_names_of_the_protocol(database, select):
    store = open_store(database, protocol=TAPE)
    store.prepare()
    assert store.columns("messages") == {"message_id", "source_id", *SCHEMA.names[1:]}
    assert store.columns("legs") == {"message_id", "source_id", *LEGS.names[1:]}
    store.close()
    codes = select(database, "select field, value, name from codes order by 1, 2")
    assert codes == [
        ("Kind", "Q", "Quote"),
        ("Kind", "S", "Spread"),
        ("Kind", "T", "Trade"),
        ("Side", "B", "Buy"),
        ("Side", "S", "Sell"),
    ]
    indexes = {
        "sqlite": "select name from sqlite_master where type = 'index' and sql is not null",
        "postgresql": "select indexname from pg_indexes where indexname like 'messages_%'"
        " and indexname not like '%_pkey'",
    }
    found = {name for (name,) in select(database, indexes[store.dialect])}
    assert found == {"messages_symbol", "messages_time", "messages_defects"}


def test_a_database_of_another_protocol_is_refused(database):
    store = open_store(database)
    store.prepare()
    store.close()
    store = open_store(database, protocol=TAPE)
    with pytest.raises(SchemaError, match="holds messages of another protocol, without the column"):
        store.prepare()
    store.close()
    with pytest.raises(SchemaError, match="holds messages of another protocol"):
        look_at_store(database, protocol=TAPE)


@pytest.mark.parametrize("output", REPLACEABLE, indirect=True)
def test_a_sink_without_the_protocol_says_how_to_name_it(tmp_path, output):
    path = tmp_path / "day.tape"
    path.write_bytes(tape(10)[0])
    pipeline = beam.Pipeline(runner=FnApiRunner())
    batches = pipeline | ReadFromFiles.matching([str(path)], TAPE) | Parse(TAPE)
    place = output.removeprefix("parquet:")
    _ = batches | (WriteToSql(output) if place == output else WriteToParquet(place))
    with pytest.raises(Exception, match=r"no column fields; .* WriteToSql\(uri, protocol=...\)"):
        pipeline.run()


def test_messages_go_to_standard_output_and_to_python(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "day.tape"
    data, messages, failures = tape(100)
    path.write_bytes(data)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        batches = pipeline | ReadFromFiles.matching([str(path)], TAPE) | Parse(TAPE)
        _ = batches | WriteToStandardOutput(protocol=TAPE)
        for take, expected in (
            (ToMessages(), [one["position"] for one in messages]),
            (ToFailures(), [position for position, _, _ in failures]),
        ):
            label = type(take).__name__
            positions = batches | take | f"Positions {label}" >> beam.Map(itemgetter("position"))
            assert_that(positions, equal_to(expected), label)
    lines = map(json.loads, capfd.readouterr().out.splitlines())
    assert [one["position"] for one in lines] == [one["position"] for one in messages]
    failed = map(json.loads, Path("fixfeed.failures.jsonl").read_text().splitlines())
    assert [(one["position"], one["reason"]) for one in failed] == [one[:2] for one in failures]


def test_a_lookup_joins_on_columns_of_the_protocol_alone(tmp_path):
    (tmp_path / "a.csv").write_text("cl_ord_id,x\n1,2\n")
    with pytest.raises(LookupFileError, match="expected a text column of the messages: kind, sym"):
        Lookup.read(str(tmp_path / "a.csv"), on="cl_ord_id", protocol=TAPE)


def test_fix_and_another_protocol_work_in_one_process(tmp_path, select):
    """Neither takes the other's place."""
    (tmp_path / "day.tape").write_bytes(tape(10)[0])
    (tmp_path / "day.log").write_bytes(encode([(35, b"D"), (55, b"IBM")]) + b"\n")
    databases = [f"sqlite:///{tmp_path / name}.db" for name in ("tape", "fix")]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        for name, protocol, parse, sink in (
            ("tape", TAPE, Parse(TAPE), partial(WriteToSql, protocol=TAPE)),
            ("log", None, ParseFix(), WriteToSql),
        ):
            source = ReadFromFiles.matching([str(tmp_path / f"day.{name}")], protocol)
            batches = pipeline | f"Read {name}" >> source | f"Parse {name}" >> parse
            _ = batches | f"Write {name}" >> sink(databases[name == "log"])
    assert select(databases[1], "select symbol from messages") == [("IBM",)]
    assert select(databases[0], "select count(*) from messages")[0][0] == len(tape(10)[1])
