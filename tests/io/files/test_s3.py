"""Logs in S3 are read like local ones, from an S3 protocol server on this machine."""

import gzip
import json
import os
import random
import subprocess
import sys

from fixfeed.io.files.find import find_files
from fixfeed.io.files.remote import set_options
from tests.services.s3_server import KEYS, environment, refusing, server
from tests.transforms.fix.messages import random_log


def test_logs_in_s3_are_read_into_the_database(select, tmp_path):
    data = random_log(random.Random(1), 300, mutated=0, delimiter=b"|")
    other = random_log(random.Random(2), 200, mutated=0, delimiter=b"|")
    uri = f"sqlite:///{tmp_path}/day.db"
    secrets = {name.upper(): value for name, value in KEYS.items()}
    with server() as (url, client):
        client.create_bucket(Bucket="logs")
        client.put_object(Bucket="logs", Key="day/a.log", Body=data)
        client.put_object(Bucket="logs", Key="day/b.log.gz", Body=gzip.compress(other))
        done = subprocess.run(
            [sys.executable, "-m", "fixfeed", "--json", "--quiet", "--output", uri]
            + ["--input", "s3://logs/day/*", "--input", "s3://logs/none.log"]
            + [f"--s3_endpoint_url={url}", "--s3_region_name=us-east-1"]
            + [f"--s3_{key.removeprefix('aws_')}={value}" for key, value in KEYS.items()],
            capture_output=True,
            env=os.environ | secrets,
        )
    assert done.returncode == 3, done.stderr.decode()
    assert json.loads(done.stdout)["unreadable"] == ["s3://logs/none.log: matches no file"]
    assert select(uri, "select name, stored from sources order by name") == [
        ("s3://logs/day/a.log", 300),
        ("s3://logs/day/b.log.gz", 200),
    ]
    configuration = select(uri, "select configuration from runs")[0][0]
    assert "secret_access_key" not in configuration


def unreadable(monkeypatch, url, pattern, **given):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in (environment(url) | given).items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    set_options(["--s3_region_name=us-east-1"])
    files, (one,) = find_files([pattern])
    assert files == []
    return str(one.reason)


def test_what_is_wrong_with_a_bucket_of_logs_is_a_sentence(monkeypatch):
    with server() as (url, client):
        assert unreadable(monkeypatch, url, "s3://none/logs/*.log") == (
            f"cannot be looked up: there is no bucket none at {url}: make it, or name another in "
            "s3://none/logs/*.log"
        )
        client.create_bucket(Bucket="logs")
        assert unreadable(monkeypatch, url, "s3://logs/*.log") == "matches no file"
        with refusing("InvalidAccessKeyId"):
            assert unreadable(monkeypatch, url, "s3://logs/*.log") == (
                f"cannot be looked up: s3://logs/*.log at {url} does not take the credentials of "
                "this process (InvalidAccessKeyId): set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, if they are temporary) to valid ones"
            )
        with refusing("AccessDenied"):
            assert unreadable(monkeypatch, url, "s3://logs/day/*.log").endswith(
                "refuses access to its list of day/: the credentials of this process need the "
                "rights to list the bucket, and to read objects in it"
            )
        no_keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        assert unreadable(monkeypatch, url, "s3://logs/*.log", **no_keys) == (
            "cannot be looked up: there are no credentials for s3://logs/*.log: set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    assert unreadable(monkeypatch, "http://127.0.0.1:1", "s3://logs/*.log") == (
        "cannot be looked up: Could not connect to the endpoint URL: "
        '"http://127.0.0.1:1/logs?list-type=2&prefix=&max-keys=1&encoding-type=url"; check the '
        "address of the server (AWS_ENDPOINT_URL, AWS_REGION), and that it runs"
    )
