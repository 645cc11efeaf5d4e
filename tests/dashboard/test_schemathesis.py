"""Requests made from OpenAPI get answers that OpenAPI describes, and no 5xx."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fixfeed.dashboard.api.app import make_api

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
HOST = {"Host": "127.0.0.1"}
FEW = settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_every_answer_is_as_it_is_described(read):
    app = make_api(read, per_minute=1_000_000)
    described = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HOST)
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @FEW
        @given(case=operation.as_strategy())
        def check(case):
            case.call_and_validate(checks=CHECKS, headers=HOST)

        check()
