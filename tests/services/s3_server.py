"""An S3 protocol server in this process, for tests that read from an object store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import boto3
from moto.server import ThreadedMotoServer

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@contextmanager
def server() -> Iterator[tuple[str, Any]]:
    """Run a server without buckets, and give its URL and a client for it."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    url = f"http://{host}:{port}"
    # All servers of a process hold the same buckets, those of tests before too.
    urlopen(f"{url}/moto-api/reset", data=b"").close()
    try:
        yield url, boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEYS)
    finally:
        running.stop()
