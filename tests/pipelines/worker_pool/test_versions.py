"""A job and its worker pools have the same versions, or the job is not submitted."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import grpc
import pytest
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.worker_pool import versions
from fixfeed.pipelines.worker_pool.versions import check_pools, here
from tests.services.ports import free_port


@contextmanager
def pool(consists_of):
    """Run a server that answers with these versions."""
    server = grpc.server(ThreadPoolExecutor(1))
    versions.answer(server, consists_of)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_pools_of_the_same_versions_pass_whatever_the_last_number_of_python():
    with pool(here()) as one, pool(replace(here(), python="3.11.99")) as other:
        check_pools(one, other, one.replace("127.0.0.1", "localhost"))
    check_pools()


@pytest.mark.parametrize("other", [{"fixfeed": "9"}, {"beam": "2.62.0"}, {"python": "3.99.1"}])
def test_a_pool_of_other_versions_is_named_with_both(other):
    there = replace(here(), **other)
    with pool(here()) as alike, pool(there) as address, pytest.raises(UsageError) as told:
        check_pools(alike, address)
    assert str(told.value) == (
        f"the worker pool at {address} has {there}, and this job {here()}; install the same "
        "versions on both"
    )


def test_a_pool_that_says_something_else_is_of_another_version(monkeypatch):
    with pool(here()) as address:
        monkeypatch.setattr(versions, "Versions", lambda *, fixfeed: fixfeed)
        with pytest.raises(UsageError, match="does not answer as this version of fixfeed does"):
            check_pools(address)


def test_a_pool_of_beam_is_told_from_one_of_fixfeed():
    address, server = BeamFnExternalWorkerPoolServicer.start()
    with pytest.raises(UsageError, match=r"is none of fixfeed .*start fixfeed worker-pool in its"):
        check_pools(address)
    server.stop(0).wait()


def test_a_pool_where_nobody_listens_cannot_be_reached():
    with pytest.raises(UsageError, match=r"cannot be reached .*; start fixfeed worker-pool there"):
        check_pools(f"127.0.0.1:{free_port()}")


def test_a_pool_that_is_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(versions, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"{address} has not answered in 0 s"):
            check_pools(address)


@pytest.mark.parametrize("address", ["", "host", "host:", "host:0", "host:65536", "dns:///a:1"])
def test_an_address_without_host_or_port_is_told(address):
    with pytest.raises(UsageError, match=r"is no address of a worker pool, expected HOST:PORT"):
        check_pools(address)
