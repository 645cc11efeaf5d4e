"""Fixtures of the tests of queries."""

from tests.dashboard.sample_day import (  # noqa: F401
    day,
    sample_logs,
    sample_postgresql,
    sample_sqlite,
)
