"""Logs in S3 are read like local ones, from an S3 protocol server on this machine."""

import gzip
import json
import os
import random
import subprocess
import sys

from tests.services.s3_server import KEYS, server
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
