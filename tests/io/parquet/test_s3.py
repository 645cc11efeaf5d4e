"""A lake in S3, on an S3 protocol server on this machine."""

import json
import os
import signal
import subprocess
import sys
import time

import duckdb
import pytest

from fixfeed.io.ledger.ledger import SinkError, SinkFailed
from fixfeed.io.parquet.ledger import ParquetLedger
from fixfeed.io.parquet.writer import ParquetWriter
from fixfeed.pipelines.fixfeed import main
from tests.io.parquet.test_sink import LOG, WRITER, batch, content, register, source, write
from tests.pipelines.jobs import FIXFEED
from tests.services import s3_server

PLACE = "s3://lakes/of/fix"


@pytest.fixture
def s3(monkeypatch):
    """A server with the bucket of `PLACE`, which the environment names; gives a client."""
    with s3_server.server() as (url, client):
        client.create_bucket(Bucket="lakes")
        for name, value in s3_server.environment(url).items():
            monkeypatch.setenv(name, value)
        yield client


def fetched(client, folder):
    """Return the lake as a local one."""
    s3_server.fetch(client, "lakes", "of/fix/", folder)
    (folder / "_fixfeed" / "commits").mkdir(exist_ok=True)
    return folder


def test_two_jobs_write_to_an_empty_bucket_at_once(s3, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, PLACE, "same"], env=environment)
        for _ in range(2)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    messages, _, progress = content(fetched(s3, tmp_path / "lake"))
    assert len(messages) == len({key for key, _ in messages}) == 30
    assert {row[0] for row in progress} == {1}


def test_a_job_stores_in_s3_what_it_stores_in_a_folder(s3, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    s3.put_object(Bucket="lakes", Key="logs/day.log", Body=LOG)
    arguments = ["--input", "s3://lakes/logs/*.log", "--quiet", "--json", "--workers", "1"]
    outputs = ["--output", f"parquet:{PLACE}/", "--output", "parquet:local"]
    assert main([*arguments, *outputs]) == 0
    there, local = json.loads(capfd.readouterr().out)["sinks"].values()
    assert there == local
    assert there["stored"] == 30
    lake = fetched(s3, tmp_path / "lake")
    assert content(lake) == content(tmp_path / "local")
    with duckdb.connect() as connection:
        query = "select count(*) from read_parquet('lake/messages/**/*.parquet')"
        assert connection.execute(query).fetchall() == [(30,)]
    assert main(["failures", f"parquet:{PLACE}/"]) == 0
    assert "no_msg_type" in capfd.readouterr().out
    assert main([*arguments, *outputs]) == 0
    assert [one["stored"] for one in json.loads(capfd.readouterr().out)["sinks"].values()] == [0, 0]


def test_what_is_wrong_is_said_in_a_sentence_without_keys(s3, monkeypatch):
    with pytest.raises(SinkError, match=r"there is no bucket other at http://127\S+: make it, or"):
        register("s3://other/lake")
    for code, sentence in {
        "AccessDenied": r"s3://lakes/of/fix at .* refuses access to .*: .* need the rights to list",
        "InvalidAccessKeyId": "does not take the credentials of this process .*: set AWS_ACCESS_K",
        "AuthorizationHeaderMalformed": "is in another region .*: name that in AWS_REGION",
    }.items():
        with s3_server.refusing(code), pytest.raises(SinkError, match=sentence) as raised:
            register(PLACE)
        assert "testing-key" not in str(raised.value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SinkError, match="there are no credentials for s3://lakes/of/fix: set AWS_"):
        register(PLACE)


def test_a_server_that_is_away_may_come_back(s3, tmp_path):
    register(PLACE)
    writer = ParquetWriter(PLACE)
    writer.prepare()
    with s3_server.refusing("SlowDown", 503), pytest.raises(SinkFailed) as raised:
        writer.write([(1, batch(0, len(LOG)))], rules="r", replace=False)
    assert raised.value.away
    assert "cannot reach s3://lakes/of/fix at http://127.0.0.1" in str(raised.value)
    writer.close()
    assert write(PLACE, batch(0, len(LOG))) == [30]
    assert len(content(fetched(s3, tmp_path / "lake"))[0]) == 30


def test_a_stream_waits_for_a_server_that_is_away_and_goes_on(s3, tmp_path):
    (tmp_path / "day.log").write_bytes(LOG)
    words = ["--input", f"follow:{tmp_path}/*.log", "--output", f"parquet:{PLACE}", "--json"]
    with s3_server.refusing("SlowDown", 503):
        job = subprocess.Popen(
            [*FIXFEED, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        told = next(line for line in job.stderr if "meanwhile it is tried again" in line)
    assert "cannot reach s3://lakes/of/fix" in told
    assert any("it goes on: what had failed has worked" in line for line in job.stderr)
    while not any(
        one["name"].endswith("day.log") for one in ParquetLedger(PLACE).load()["sources"]
    ):
        assert job.poll() is None
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    out, err = job.communicate()
    assert job.returncode == 0, err
    (counts,) = json.loads(out)["sinks"].values()
    assert counts["read"] == counts["stored"] + sum(counts["failed"].values())
    write(PLACE, batch(0, len(LOG)), source_id=1)
    messages = content(fetched(s3, tmp_path / "lake"))[0]
    assert len(messages) == len(set(messages)) == 30


def test_nothing_is_made_by_a_look(s3):
    assert ParquetLedger(PLACE).check() is False
    assert s3.list_objects_v2(Bucket="lakes").get("Contents", []) == []
    register(PLACE, one=source())
    assert ParquetLedger(PLACE).check() is True
