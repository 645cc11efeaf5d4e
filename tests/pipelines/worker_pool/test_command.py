"""`fixfeed worker-pool` starts the workers that TaskManagers ask for, and ends them.

The TaskManagers are servers in this process, which say what real ones do.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import grpc
import pytest
from apache_beam.portability.api import (
    beam_fn_api_pb2 as api,
)
from apache_beam.portability.api import (
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)

from fixfeed.pipelines.worker_pool.command import main
from fixfeed.pipelines.worker_pool.run_of_job import experiment
from fixfeed.pipelines.worker_pool.versions import check_pools, here

OPTIONS = {
    "beam:option:s3_endpoint_url:v1": "http://s3",
    "beam:option:s3_secret_access_key:v1": "a-secret",
    "beam:option:experiments:v1": ["use_sdf", experiment("4f1c")],
}


class TaskManager(
    beam_fn_api_pb2_grpc.BeamFnControlServicer,
    beam_fn_api_pb2_grpc.BeamFnLoggingServicer,
    beam_provision_api_pb2_grpc.ProvisionServiceServicer,
):
    """What a worker meets of a TaskManager.

    `came` has the ids of workers that are there, `left` those whose connection has ended, `logged`
    what they have logged.
    """

    def __init__(self, pool):
        self.came, self.left = Queue(), Queue()
        self.logged = []
        self._server = grpc.server(ThreadPoolExecutor(8))
        beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(self, self._server)
        beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(self, self._server)
        beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(self, self._server)
        self._url = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        # As two processes would: each has a connection of its own.
        self._channel = grpc.insecure_channel(pool, [("grpc.use_local_subchannel_pool", 1)])
        self._pool = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(self._channel)

    def GetProvisionInfo(self, request, context):
        info = beam_provision_api_pb2.ProvisionInfo(runner_capabilities=["a", "b"])
        info.pipeline_options.update(OPTIONS)
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=info)

    def Logging(self, requests, context):
        for request in requests:
            self.logged += [entry.message for entry in request.log_entries]
        yield from ()

    def Control(self, responses, context):
        worker = dict(context.invocation_metadata())["worker_id"]
        self.came.put(worker)
        context.add_callback(lambda: self.left.put(worker))
        for _ in responses:
            pass
        yield from ()

    def start_worker(self, name):
        here = endpoints_pb2.ApiServiceDescriptor(url=self._url)
        ends = ("control", "logging", "provision", "artifact")
        asked = api.StartWorkerRequest(worker_id=name, **{f"{end}_endpoint": here for end in ends})
        return self._pool.StartWorker(asked).error

    def stop_worker(self, name):
        self._pool.StopWorker(api.StopWorkerRequest(worker_id=name))

    def die(self):
        self._channel.close()
        self._server.stop(0).wait()


class Running:
    """The command as a process; `address` is where it listens."""

    def __init__(self, *words):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fixfeed", "worker-pool", "--port", "0", *words],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = self._process.stderr.readline()
        self.address = re.search(r"listening at (\S+);", self.said)[1]

    def workers(self):
        """Return the process ids of workers, as paths."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        children = {child for thread in threads for child in thread.read_text().split()}
        return {Path("/proc") / child for child in children}

    def end(self, number):
        self._process.send_signal(number)
        self._process.stderr.read()
        return self._process.wait()


@contextmanager
def running(*words):
    pool = Running(*words)
    try:
        yield pool
    finally:
        pool.end(signal.SIGKILL)


def until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill(worker):
    os.kill(int(worker.name), signal.SIGKILL)


def living(worker):
    """Return whether a process is there and no zombie."""
    try:
        return "\nState:\tZ" not in (worker / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_of_task_managers_that_number_them_alike_live_and_end_apart():
    with running() as pool:
        assert pool.said == f"fixfeed worker-pool: listening at {pool.address}; {here()}\n"
        assert pool.address.startswith("127.0.0.1:")
        check_pools(pool.address)
        first, second = TaskManager(pool.address), TaskManager(pool.address)
        assert (first.start_worker("1-1"), first.came.get(timeout=60)) == ("", "1-1")
        (one,) = pool.workers()
        assert (second.start_worker("1-1"), second.came.get(timeout=60)) == ("", "1-1")
        (other,) = pool.workers() - {one}
        # Each is of this Python, and has the options of its job.
        assert (other / "cmdline").read_text().split("\0")[0] == sys.executable
        variables = dict(re.findall(r"(\w+)=([^\0]*)\0", (other / "environ").read_text()))
        options = json.loads(variables["PIPELINE_OPTIONS"])
        assert options == OPTIONS
        assert variables["RUNNER_CAPABILITIES"] == "a b"
        assert variables["LOG_RUN"] == "4f1c"
        assert "worker 1-1 started for run 4f1c, process " in pool._process.stderr.readline()
        # They are not logged: keys may be among them.
        until(lambda: any("harness starting" in line for line in second.logged))
        assert [line for line in second.logged if "a-secret" in line] == []

        first.stop_worker("1-1")
        assert (living(one), living(other)) == (False, True)
        second.die()
        until(lambda: not living(other))
        first.die()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_pool_however_that_ends(number):
    with running() as pool:
        manager = TaskManager(pool.address)
        manager.start_worker("1-1")
        manager.came.get(timeout=60)
        (worker,) = pool.workers()
        assert pool.end(number) == (0 if number == signal.SIGTERM else -number)
        until(lambda: not living(worker))
        manager.die()


def test_a_worker_that_ends_before_its_runner_has_seen_it_is_started_again():
    with running() as pool:
        manager = TaskManager(pool.address)
        manager.start_worker("1-1")
        (first,) = pool.workers()
        kill(first)
        assert manager.came.get(timeout=60) == "1-1"
        lines = [pool._process.stderr.readline() for _ in range(3)]
        assert f"signal 9, process {first.name}; it had not come to its runner, and is" in lines[1]
        # The runner of one that has come sees that itself, and asks for another one.
        (again,) = pool.workers()
        kill(again)
        while f"signal 9, process {again.name}\n" not in (line := pool._process.stderr.readline()):
            assert line
        manager.start_worker("1-2")
        assert manager.came.get(timeout=60) == "1-2"
        assert manager.came.empty()
        assert len(pool.workers()) == 1
        manager.die()


def test_a_worker_that_outlives_its_pool_while_it_starts_is_seen_to_end_by_its_runner():
    with running() as pool:
        manager = TaskManager(pool.address)
        manager.start_worker("1-1")
        (worker,) = pool.workers()
        pool.end(signal.SIGKILL)
        assert manager.came.get(timeout=60) == "1-1"
        until(lambda: not living(worker))
        assert manager.left.get(timeout=60) == "1-1"
        manager.die()


def test_a_worker_is_not_started_again_for_a_runner_that_is_gone():
    with running() as pool:
        manager, other = TaskManager(pool.address), TaskManager(pool.address)
        manager.start_worker("1-1")
        (first,) = pool.workers()
        manager.die()
        kill(first)
        other.start_worker("1-1")
        assert other.came.get(timeout=60) == "1-1"
        assert len(pool.workers()) == 1
        other.die()


def test_a_pool_says_as_json_that_others_can_reach_it_and_what_cannot_be_started():
    with running("--log-format", "json", "--host", "0.0.0.0") as pool:
        said = json.loads(pool.said)
        assert (said["program"], said["event"]) == ("fixfeed worker-pool", "listening")
        assert pool.address.startswith("0.0.0.0:")
        warned = json.loads(pool._process.stderr.readline())
        assert warned["level"] == "warning"
        assert warned["text"].startswith("whoever reaches this address can run programs here")
        manager = TaskManager(pool.address.replace("0.0.0.0", "127.0.0.1"))
        manager._server.stop(0).wait()
        assert "worker 1-1 cannot be started: failed to connect" in manager.start_worker("1-1")


def test_a_port_that_is_taken_or_none_is_told(capsys):
    with running() as pool:
        port = pool.address.partition(":")[2]
        assert main(["--port", port]) == 2
    assert main(["--port", "many"]) == 2
    assert main(["--host", "192.0.2.1", "--port", port]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"fixfeed worker-pool: cannot listen at 127.0.0.1:{port}: Address already in use; name "
        "another place with --host and --port",
        "fixfeed worker-pool: port is 'many', expected a port such as 9464; 0 is any free one",
        f"fixfeed worker-pool: cannot listen at 192.0.2.1:{port}: Cannot assign requested address; "
        "name another place with --host and --port",
    ]
