"""Journal tests run on both storages."""

import pytest

from tests.runs.places import Files, Places, Schemas


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Places of one storage; a test that asks for it is run once for each."""
    if request.param == "sqlite":
        return Files(tmp_path_factory.mktemp("journals"))
    return Schemas(request.getfixturevalue("postgres"))
