"""Whatever the OpenAPI schema allows, and what it does not, is answered without a server error."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.app import create_app
from tests.serving.material import make_service

EXAMPLES = 25
LOCAL = {"Host": "localhost"}


APP = create_app(make_service("sim:error=0.1,flag=0.1")[0])

schema = schemathesis.openapi.from_asgi("/openapi.json", APP, headers=LOCAL)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
def test_no_request_is_a_server_error(case: Any) -> None:
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    case.call_and_validate(headers=LOCAL, checks=checks)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_requests_that_fit_the_schema_reach_the_strategies(path: str) -> None:
    reached = set()

    @given(case=schema[path]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        response = case.call(headers=LOCAL)
        assert response.status_code < 500
        reached.add(response.status_code)

    ask()
    assert reached & {200, 422}  # a strategy worked on it, whether it found an answer or not
