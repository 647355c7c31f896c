"""Whatever the OpenAPI schema allows, and what it does not, is answered without a server error."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
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
