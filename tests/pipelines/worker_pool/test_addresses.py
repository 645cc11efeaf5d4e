"""The pools that are checked are those that a cluster will use."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.worker_pool.addresses import pool_addresses
from tests.services.ports import free_port

TASK_MANAGERS = {
    "taskmanagers": [
        {"id": "b", "path": "pekko.tcp://flink@10.1.0.2:6122/user/rpc/taskmanager_0"},
        {"id": "a", "path": "pekko.tcp://flink@worker-1.example:37543/user/rpc/taskmanager_0"},
        {"id": "c", "path": "pekko.tcp://flink@10.1.0.2:6123/user/rpc/taskmanager_0"},
    ]
}


@contextmanager
def job_manager(answer, monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = answer if self.path == "/taskmanagers" else b""
            self.send_response(200)
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # It is taken for one on another machine.
        monkeypatch.setattr("fixfeed.pipelines.worker_pool.addresses._LOOPBACK", LOCALHOST)
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


class LOCALHOST:
    @staticmethod
    def fullmatch(host):
        return host == "localhost"


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_pool_on_the_loopback_is_on_the_machine_of_each_task_manager(scheme, monkeypatch):
    with job_manager(json.dumps(TASK_MANAGERS).encode(), monkeypatch) as master:
        found = pool_addresses(scheme + master, "localhost:50000")
    assert found == ["10.1.0.2:50000", "worker-1.example:50000"]


@pytest.mark.parametrize("master", ["localhost:8081", "127.0.0.1:8081", "http://[::1]:8081/"])
def test_with_a_cluster_on_this_machine_or_pools_elsewhere_it_is_the_configured_one(master):
    assert pool_addresses(master, "localhost:50000") == ["localhost:50000"]
    assert pool_addresses("flink.example:8081", "pools.example:50001") == ["pools.example:50001"]
    assert pool_addresses("[local]", "localhost:50000") == []


def test_a_job_manager_that_is_away_or_none_is_told(monkeypatch):
    with (
        job_manager(b"<html>", monkeypatch) as master,
        pytest.raises(UsageError, match=f"{master} does not list its TaskManagers"),
    ):
        pool_addresses(master, "localhost:50000")
    with pytest.raises(UsageError, match="Connection refused"):
        pool_addresses(f"127.0.0.1:{free_port()}", "localhost:50000")
