"""An S3 protocol server in this process, for tests that use an object store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
from moto.server import ThreadedMotoServer
from werkzeug.wrappers import Request, Response

KEYS = {"aws_access_key_id": "testing-key", "aws_secret_access_key": "testing-secret"}

_one_at_a_time = threading.Lock()
_refused: list[tuple[str, int]] = []


def environment(url: str) -> dict[str, str]:
    """Return the variables by which a process finds a server, and its keys."""
    return {"AWS_ENDPOINT_URL": url, **{name.upper(): value for name, value in KEYS.items()}}


@contextmanager
def server() -> Iterator[tuple[str, Any]]:
    """Run a server without buckets, and give its URL and a client for it.

    What is put on a condition is put by one request at a time, as S3 promises; moto by itself would
    look, and put a moment later.
    """
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    app = running._server.app

    def answer(environ, start_response):
        if _refused:
            code, status = _refused[-1]
            request = Request(environ)
            request.get_data()
            key = KEYS["aws_access_key_id"]
            text = f"<Error><Code>{code}</Code><AWSAccessKeyId>{key}</AWSAccessKeyId></Error>"
            return Response(text, status, mimetype="application/xml")(environ, start_response)
        with _one_at_a_time:
            return list(app(environ, start_response))

    running._server.app = answer
    host, port = running.get_host_and_port()
    url = f"http://{host}:{port}"
    # All servers of a process hold the same buckets, those of tests before too.
    urlopen(f"{url}/moto-api/reset", data=b"").close()
    try:
        yield url, boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEYS)
    finally:
        running.stop()


@contextmanager
def refusing(code: str, status: int = 403) -> Iterator[None]:
    """Have servers answer every request with an error of S3."""
    _refused.append((code, status))
    try:
        yield
    finally:
        _refused.pop()


def fetch(client: Any, bucket: str, prefix: str, folder: Path) -> None:
    """Copy what is below a prefix to a local folder, as `aws s3 sync` does."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for key in (one["Key"] for page in pages for one in page.get("Contents", [])):
        path = folder / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, key, str(path))
