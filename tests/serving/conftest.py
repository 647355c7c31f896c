"""One real server process for the tests that only ask it things."""

from collections.abc import Iterator

import pytest

from tests.serving.material import process


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of ``reason serve`` on a simulated model that errs now and then."""
    with process("--model", "sim:error=0.02,flag=0.02") as (address, _):
        yield address
