"""The recipes of docs/library.md run as they are."""

import ast
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer

import fixfeed
from fixfeed.io.ledger.ledger import totals
from fixfeed.io.parquet.ledger import ParquetLedger
from tests.documented_commands import make_place, run
from tests.pipelines.test_follow import wait_until
from tests.services.s3_server import KEYS, server
from tests.test_tables import silent
from tests.transforms.fix.messages import encode

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "library.md").read_text()


def recipes():
    """The Python of the document, by the heading that it is under."""
    found = {}
    for section in re.split(r"^#+ ", TEXT, flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0]
        blocks = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        found |= {f"{heading} {number}": block for number, block in enumerate(blocks, 1)}
    return found


RECIPES = recipes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with all that the recipes name."""
    folder = tmp_path_factory.mktemp("library")
    make_place(folder)
    return folder


@pytest.fixture(scope="module")
def endpoint(place):
    """An S3 server with the logs of the place."""
    with server() as (url, client):
        client.create_bucket(Bucket="logs")
        day = (place / "logs/day.log").read_bytes()
        client.put_object(Bucket="logs", Key="day/a.log", Body=day)
        yield url


def python(code, folder):
    environment = {name.upper(): value for name, value in KEYS.items()}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def outcome(heading, folder, before="", after=""):
    """What a recipe prints, which must end well."""
    done = python(before + RECIPES[heading] + after, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_recipe_is_tested():
    tested = (Path(__file__)).read_text()
    assert [one for one in RECIPES if f'"{one}"' not in tested] == []


def test_every_public_name_is_in_the_document_and_has_a_docstring():
    table = TEXT.partition("## All names")[2]
    names = {name for name in re.findall(r"`(\w+)`", table) if hasattr(fixfeed, name)}
    assert names == set(fixfeed.__all__)
    assert all(getattr(fixfeed, name).__doc__ for name in fixfeed.__all__)


def test_every_option_is_in_the_document():
    from fixfeed.asked import HowToRead

    rows = re.findall(r"^\| (`.*?`) \|", TEXT, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    words = {*HowToRead.__annotations__, "columns", "include", "exclude", "floats", "workers"}
    assert words <= listed


def test_a_log_is_a_table(place):
    assert outcome("fixfeed as a library 1", place) == ""
    rows, failed = outcome("A log as a table 1", place).split()
    table = silent(fixfeed.read, place / "logs/day.log.gz", include="MsgType = 8")
    assert int(rows) == table.num_rows > 50
    assert failed == f"b'{fixfeed.failures(place / 'logs/day.log.gz').num_rows}'"
    assert "order_qty" in outcome("A log as a table 2", place)
    assert "msg_type" in outcome("A log as a table 3", place)
    assert outcome("A log as a table 4", place) == ""


def test_the_table_of_the_readme_is_made(place):
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    done = python(f"{code}assert len(orders.to_pandas()) == orders.num_rows > 5", place)
    assert done.returncode == 0, done.stderr


def test_files_are_counted_in_windows(place):
    lines = outcome("Files to windows 1", place).splitlines()
    rule = "sending_time exists and MsgType not in (0, 1, 2, 3, 4, 5, A, n)"
    table = silent(fixfeed.read, place / "logs/day.log.gz", include=rule)
    assert sum(int(line.rpartition(", ")[2][:-1]) for line in lines) == table.num_rows
    assert len(lines) > 5


def test_a_dofn_works_on_arrow(place):
    found = dict(map(ast.literal_eval, outcome("Batches in Arrow 1", place).splitlines()))
    rule = "MsgType = D and price exists and order_qty exists"
    table = silent(fixfeed.read, place / "logs/day.log", include=rule, floats=True)
    frame = table.to_pandas()
    expected = (frame["order_qty"] * frame["price"]).groupby(frame["symbol"]).sum().to_dict()
    assert found == pytest.approx(expected)
    assert len(found) > 2


def test_messages_that_a_function_leaves_out_are_counted_as_filtered(place):
    outcome("Batches in Arrow 2", place)
    columns = ["order_qty", "price"]
    table = silent(fixfeed.read, place / "logs/day.log", columns=columns, floats=True)
    frame = table.to_pandas()
    expected = [one for one in frame["order_qty"] * frame["price"] if one > 100_000]
    lake = place / "large-lake"
    found = pq.read_table(lake / "messages")["notional"].to_pylist()
    assert sorted(found) == pytest.approx(sorted(expected))
    ledger = ParquetLedger(str(lake))
    _, stored, filtered, *_ = totals([row[1:] for row in ledger.progress(ledger.load())])
    assert (stored, filtered) == (len(expected), len(frame) - len(expected))
    assert expected


def test_topics_are_read_and_written_once_whatever_number_of_runs(place, select, kafka):
    raw, out = kafka.topic(), f"{kafka.topic()}.out"
    recipe = "Topics of Kafka 1"
    code = RECIPES[recipe].replace("host:9092", kafka.plain).replace("fix.raw", raw)
    code = code.replace("fix.executions", out)
    stored = "Timer(10, stopping.set)", "Thread(target=lambda: (input(), stopping.set()))"
    code = code.replace(*stored)
    producer = Producer({"bootstrap.servers": kafka.plain})
    for sent in (1, 2):
        for number, kind in enumerate((b"8", b"D", b"8")):
            fields = [(35, kind), (34, b"%d" % (10 * sent + number)), (37, b"o")]
            producer.produce(raw, encode(fields))
        assert producer.flush(20) == 0
        words = [sys.executable, "-c", code]
        with subprocess.Popen(words, cwd=place, stdin=subprocess.PIPE) as running:
            wait_until(partial(_has_sent, running, kafka, out, 2 * sent))
            running.communicate(b"\n")
        assert running.returncode == 0
        rows = select(f"sqlite:///{place}/kafka.db", "select msg_seq_num from messages order by 1")
        assert [one for (one,) in rows] == [10, 11, 12, 20, 21, 22][: 3 * sent]
        assert _sent(kafka, out) == 2 * sent


def _has_sent(running, kafka, topic, count):
    return running.poll() is not None or _sent(kafka, topic) == count


def _sent(kafka, topic):
    there = topic in kafka.admin().list_topics(timeout=10).topics
    return sum(kafka.ends(topic)) if there else 0


def test_what_a_log_means_is_a_table(place):
    printed = outcome("A log as a table 5", place)
    assert "fills" in printed
    assert "exec_id" in printed
    assert "every 90 s at the latest" in printed


def test_what_messages_mean_is_derived_in_a_pipeline(place):
    lines = outcome("What messages mean 1", place).splitlines()
    table = fixfeed.orders(silent(fixfeed.read, place / "logs/day.log"))
    assert len(lines) == table.num_rows > 20


def test_records_become_blocks(place, select):
    for _ in range(2):
        outcome("Bytes and Kafka records 1", place)
    uri = f"sqlite:///{place}/records.db"
    rows = select(uri, "select name, stored from sources")
    assert rows == [("kafka:orders/0", 3)]


def test_several_sources_go_into_one_database_beside_the_job(place, select):
    uri = f"sqlite:///{place}/fixfeed.db"
    job = run("fixfeed --input logs/day.log --json", place)
    assert job.returncode == 0
    stored = json.loads(job.stdout)["sinks"][uri.replace(f"{place}/", "")]["stored"]
    for _ in range(2):
        outcome("Several sources into one database, beside the job 1", place)
    again = run("fixfeed --input logs/day.log --json", place)
    assert json.loads(again.stdout)["sinks"]["sqlite:///fixfeed.db"]["stored"] == 0
    assert select(uri, "select name, stored from sources order by name") == [
        ("download:more/other.log", stored),
        ("logs/day.log", stored),
    ]
    assert select(uri, "select count(*) from messages") == [(2 * stored,)]


def test_metrics_tell_what_was_committed(place):
    lines = outcome("What was committed 1", place).splitlines()
    found = {line.split()[-2]: int(line.split()[-1]) for line in lines}
    table = silent(fixfeed.read, place / "logs/day.log")
    assert found["stored"] == table.num_rows
    assert found["failures"] == fixfeed.failures(place / "logs/day.log").num_rows
    again = outcome("What was committed 1", place).splitlines()
    found = {line.split()[-2]: int(line.split()[-1]) for line in again}
    assert (found["stored"], found["repeated"]) == (0, table.num_rows)


def test_a_pipeline_is_tested(place):
    outcome("Testing a pipeline 1", place)
    wrong = RECIPES["Testing a pipeline 1"].replace("1.2500000000", "1.26")
    assert python(wrong, place).returncode != 0


def test_logs_in_s3_are_read_with_options(place, endpoint, select):
    recipe = RECIPES["S3 and other places 1"]
    assert "http://localhost:9000" in recipe
    done = python(recipe.replace("http://localhost:9000", endpoint), place)
    assert done.returncode == 0, done.stderr
    rows = select(f"sqlite:///{place}/s3.db", "select name, stored from sources")
    assert rows == [("s3://logs/day/a.log", silent(fixfeed.read, place / "logs/day.log").num_rows)]


def test_dictionaries_and_masking_are_built(place, select):
    outcome("Dictionaries, masking, prefixes 1", place)
    uri = f"sqlite:///{place}/masked.db"
    hashed = select(uri, "select distinct length(account) from messages where account is not null")
    assert hashed == [(16,)]
    assert select(uri, "select count(*) from messages where defects like '%check_sum%'") == [(0,)]
    assert select(uri, "select count(*) from messages where enriched like '%north%'")[0][0] > 0
