"""One cluster for all tests that need Flink."""

import pytest

from tests.services import flink_server


@pytest.fixture(scope="session")
def flink():
    """A running cluster (`flink_server.Cluster`) of two TaskManagers with two slots each.

    It takes half a minute to start. Each file of tests runs in one process of its own, so the tests
    that use it are all in one file.
    """
    with flink_server.cluster() as running:
        yield running
