"""Enriching adds names, times and a user's own columns, and reports errors in lookups."""

import dataclasses
import datetime
import pickle
import subprocess
import sys

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that

from fixfeed.transforms.batch import Block
from fixfeed.transforms.enrich import Enrich, enrich_batch
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.schema import MESSAGES
from fixfeed.transforms.lookup import Lookup, LookupFileError
from tests.transforms.fix.messages import encode

NOW = datetime.datetime(2025, 1, 2, 9, 30, tzinfo=datetime.UTC)
DATA = (
    encode([(35, b"D"), (55, b"AAPL"), (1, b"007"), (54, b"1"), (40, b"2"), (59, b"0")])
    + encode([(35, b"8"), (55, b"MSFT"), (1, b"9"), (39, b"1"), (150, b"F"), (20, b"0")])
    + encode([(35, b"ZZ"), (55, b"IBM"), (54, b"?")])
    + encode([(35, b"D"), (55, b"AAPL"), (1, b"NO")])
)
BATCH = dataclasses.replace(
    parse_block(Block("file:1:00", 0, DATA)), filtered_positions=pa.array([9]), read=5
)
SYMBOLS = 'isin,symbol,issuer\nUS0378331005,AAPL,Apple\nUS5949181045,MSFT,"Microsoft\nInc"\n'
ACCOUNTS = "007: {desk: Bonds, limit: 010}\nNO:\n  desk: Norway\n  limit: null\n"


def set_column(messages, name, values):
    at = messages.schema.get_field_index(name)
    field = messages.schema.field(at)
    return messages.set_column(at, field, pa.array(values, field.type))


def expected(enriched, joined=None):
    messages = set_column(BATCH.messages, "ingested_at", [NOW] * 4)
    messages = set_column(messages, "enriched", enriched)
    return dataclasses.replace(BATCH, messages=messages, joined=joined or {})


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_the_time_of_ingestion_is_set():
    assert enrich_batch(BATCH, ingested_at=NOW) == expected([None] * 4)


def test_names_are_in_columns_after_the_schema():
    messages = enrich_batch(BATCH, ingested_at=NOW, names=True).messages
    names = messages.select(range(len(MESSAGES), messages.num_columns))
    assert {field.type for field in names.schema} == {pa.dictionary(pa.int16(), pa.string())}
    assert names.to_pydict() == {
        "appl_ver_id_name": [None] * 4,
        "msg_type_name": ["NewOrderSingle", "ExecutionReport", None, "NewOrderSingle"],
        "security_id_source_name": [None] * 4,
        "security_type_name": [None] * 4,
        "put_or_call_name": [None] * 4,
        "side_name": ["Buy", None, None, None],
        "ord_status_name": [None, "Partially filled", None, None],
        "exec_type_name": [None, "Trade", None, None],
        "exec_trans_type_name": [None, "New", None, None],
        "ord_type_name": ["Limit", None, None, None],
        "time_in_force_name": ["Day", None, None, None],
    }
    assert messages.select(MESSAGES.names).schema == MESSAGES


def test_names_are_added_once_over_repeated_requests():
    once = enrich_batch(BATCH, ingested_at=NOW, names=True)
    assert enrich_batch(once, ingested_at=NOW, names=True) == once


def test_a_lookup_adds_all_its_other_columns(write):
    symbols = Lookup.read(write("symbols.csv", SYMBOLS), on="symbol")
    apple = '{"isin":"US0378331005","issuer":"Apple"}'
    microsoft = '{"isin":"US5949181045","issuer":"Microsoft\\nInc"}'
    assert enrich_batch(BATCH, ingested_at=NOW, lookups=[symbols]) == expected(
        [apple, microsoft, None, apple], {symbols.name: 3}
    )


def test_lookups_are_joined_in_one_object_at_once_or_in_turn(write):
    symbols = Lookup.read(write("symbols.csv", "symbol,issuer\nAAPL,Apple\nMSFT,MS\n"), on="symbol")
    accounts = Lookup.read(write("accounts.yaml", ACCOUNTS), on="account")
    united = expected(
        [
            '{"issuer":"Apple","desk":"Bonds","limit":"010"}',
            '{"issuer":"MS"}',
            None,
            '{"issuer":"Apple","desk":"Norway","limit":"null"}',
        ],
        {symbols.name: 3, accounts.name: 2},
    )
    assert enrich_batch(BATCH, ingested_at=NOW, lookups=[symbols, accounts]) == united
    first = enrich_batch(BATCH, ingested_at=NOW, lookups=[symbols])
    assert enrich_batch(first, ingested_at=NOW, lookups=[accounts]) == united


def test_a_batch_without_messages_is_enriched():
    empty = dataclasses.replace(BATCH, messages=BATCH.messages.slice(0, 0))
    lookup = Lookup("empty.csv", "symbol", {}, frozenset(), "00")
    enriched = enrich_batch(empty, ingested_at=NOW, lookups=[lookup])
    assert enriched == dataclasses.replace(empty, joined={"empty.csv:symbol": 0})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "account,desk\n007,Bonds\nNO,Norway\n"),
        ("a.CSV", "\ufeffdesk,account\r\nBonds,007\r\n\r\nNorway,NO"),
        ("a.yml", "007: {desk: Bonds}\nNO: {desk: Norway}\n"),
        ("a.yaml", "- {desk: Bonds, account: 007}\n- account: NO\n  desk: Norway\n"),
    ],
)
def test_a_lookup_is_read_from_csv_and_yaml(name, content, write):
    lookup = Lookup.read(write(name, content), on="account")
    assert lookup.rows == {"007": '{"desk":"Bonds"}', "NO": '{"desk":"Norway"}'}
    assert lookup.columns == {"desk"}


def test_the_digest_covers_content_and_column(write):
    def digest(name, content, on):
        return Lookup.read(write(name, content), on=on).digest

    first = digest("a.csv", SYMBOLS, "symbol")
    assert digest("b.csv", SYMBOLS, "symbol") == first
    assert digest("a.csv", SYMBOLS.replace("symbol", "security_id"), "security_id") != first
    assert digest("a.csv", SYMBOLS.replace("Apple", "Pear"), "symbol") != first


def test_a_lookup_can_be_pickled(write):
    lookup = Lookup.read(write("symbols.csv", SYMBOLS), on="symbol")
    assert pickle.loads(pickle.dumps(lookup)) == lookup


PICKLED = """
import pickle, sys
one, other = (pickle.loads(sys.stdin.buffer.read(int(size))) for size in sys.argv[1:])
assert one is other
print(len(one.rows), one.rows["K7"])
"""


def test_a_large_lookup_is_read_once_by_each_process(write):
    path = write("big.csv", "symbol,x\n" + "".join(f"K{n},{n}\n" for n in range(200_000)))
    lookup = Lookup.read(path, on="symbol")
    pickled = pickle.dumps(lookup)
    assert len(pickled) < 1000
    assert pickle.loads(pickled) is lookup

    def elsewhere():
        size = str(len(pickled))
        return subprocess.run(
            [sys.executable, "-c", PICKLED, size, size], input=pickled * 2, capture_output=True
        )

    assert elsewhere().stdout == b'200000 {"x":"7"}\n'
    write("big.csv", "symbol,x\nA,1\n")
    problem = f"lookup {path}: was changed while the run went on; run it again"
    assert problem in elsewhere().stderr.decode()


def test_a_batch_asks_once_for_each_distinct_value(write):
    class Counted(dict):
        asked = 0

        def get(self, key, default=None):
            Counted.asked += 1
            return super().get(key, default)

    rows = Counted({f"K{n}": "{}" for n in range(1000)} | {"AAPL": '{"x":"1"}'})
    lookup = Lookup("symbols.csv", "symbol", rows, frozenset({"x"}), "00")
    batch = enrich_batch(BATCH, ingested_at=NOW, lookups=[lookup])
    assert batch.joined == {"symbols.csv:symbol": 2}
    assert Counted.asked == len({"AAPL", "MSFT", "IBM"})


@pytest.mark.parametrize(
    ("name", "content", "on", "problem"),
    [
        (
            "a.csv",
            SYMBOLS,
            "Symbl",
            "lookup {path}: found the column 'Symbl' to join on, expected a text column of the "
            "messages; the nearest is symbol",
        ),
        ("a.txt", SYMBOLS, "symbol", "lookup {path}: expected a file named .csv, .yaml or .yml"),
        (
            "a.csv",
            "symbol,x\nA,1\nB,2\nA,3\n",
            "symbol",
            "{path}, line 4: found the key 'A' again, expected each key once; "
            "it is in line 2 as well",
        ),
        (
            "a.csv",
            "symbol,x\nA,1\nB,2,3\n",
            "symbol",
            "{path}, line 3: found 3 values, expected 2 as in the header",
        ),
        (
            "a.csv",
            "Symbol,x\nA,1\n",
            "symbol",
            "{path}, line 1: found the columns Symbol, x, expected symbol among them, as the "
            "messages are joined on it; the nearest is Symbol",
        ),
        (
            "a.csv",
            "isin,x\nA,1\n",
            "symbol",
            "{path}, line 1: found the columns isin, x, expected symbol among them, as the "
            "messages are joined on it",
        ),
        (
            "a.csv",
            "symbol;x\nA;1\n",
            "symbol",
            "{path}, line 1: found 'symbol;x', expected a header of at least two different names "
            "with commas between them",
        ),
        (
            "a.csv",
            b"symbol,x\nA,\xe9\n",
            "symbol",
            "{path}, line 2: found the byte 0xe9, expected UTF-8",
        ),
        (
            "a.csv",
            'symbol,x\nA,"1\n',
            "symbol",
            "{path}, line 3: unexpected end of data, expected CSV",
        ),
        (
            "a.yaml",
            "A: {x: 1}\nA: {x: 2}\n",
            "symbol",
            "{path}, line 2: found the key 'A' again, expected each key once; "
            "it is in line 1 as well",
        ),
        (
            "a.yaml",
            "A: 1\n",
            "symbol",
            "{path}, line 1: found the value '1', expected a mapping from names to values",
        ),
        (
            "a.yaml",
            "A:\n  x: [1, 2]\n",
            "symbol",
            "{path}, line 2: found several values, expected a single value",
        ),
        (
            "a.yaml",
            "A:\n  x: 1\n  x: 2\n",
            "symbol",
            "{path}, line 3: found the name 'x' again, expected it once",
        ),
        (
            "a.yaml",
            "- {symbol: A, x: 1}\n- {x: 2}\n",
            "symbol",
            "{path}, line 2: found x, expected the key symbol among them",
        ),
        (
            "a.yaml",
            "just text\n",
            "symbol",
            "{path}, line 1: expected a mapping from key to mapping, or a list of mappings",
        ),
    ],
)
def test_an_error_in_a_lookup_is_reported_with_its_line(name, content, on, problem, write):
    path = write(name, content)
    with pytest.raises(LookupFileError) as raised:
        Lookup.read(path, on=on)
    assert str(raised.value) == problem.format(path=path)


def test_invalid_yaml_is_reported_with_its_line(write):
    path = write("a.yaml", "A: {x: 1}\nB: {x: 1\n")
    with pytest.raises(LookupFileError, match=r"a\.yaml, line 3: .*, expected YAML"):
        Lookup.read(path, on="symbol")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nowhere/none.csv", "No such file or directory$"),
        ("nosuch://place/none.csv", ""),
    ],
)
def test_an_unreadable_file_is_named(path, why):
    with pytest.raises(LookupFileError, match=f"lookup {path}: cannot be read: {why}"):
        Lookup.read(path, on="symbol")


def test_two_lookups_that_add_the_same_name_are_refused():
    one = Lookup("one.csv", "symbol", {}, frozenset({"name"}), "00")
    other = Lookup("other.csv", "account", {}, frozenset({"name", "desk"}), "01")
    with pytest.raises(LookupFileError) as raised:
        Enrich(lookups=[one, other])
    assert str(raised.value) == (
        "lookup other.csv: found name, which one.csv has as well, "
        "expected different names; rename one of them"
    )


def test_the_transform_enriches_in_a_pipeline_with_one_time_per_batch():
    rows = {"IBM": '{"issuer":"IBM"}'}
    lookup = Lookup("symbols.csv", "symbol", rows, frozenset({"issuer"}), "00")

    def check(found):
        (batch,) = found
        (moment,) = set(batch.messages.column("ingested_at").to_pylist())
        assert batch == enrich_batch(BATCH, ingested_at=moment, names=True, lookups=[lookup])

    with test_pipeline.TestPipeline() as pipeline:
        batches = pipeline | beam.Create([BATCH]) | Enrich(names=True, lookups=[lookup])
        assert_that(batches, check)
