"""One cluster for all tests that need Flink."""

import pytest

from tests.services import flink_server, s3_server


@pytest.fixture(scope="session")
def s3():
    """A client of an S3 protocol server, which the environment of all processes names."""
    with s3_server.server() as (url, client), pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment(url).items():
            patch.setenv(name, value)
        yield client


@pytest.fixture(scope="session")
def flink(s3):
    """A running cluster (`flink_server.Cluster`) of two TaskManagers with two slots each.

    It takes half a minute to start. Each file of tests runs in one process of its own, so the tests
    that use it are all in one file.
    """
    with flink_server.cluster() as running:
        yield running
