"""What follows from a run's configuration before anything runs."""

import pytest

from reason.run_config import RunConfig
from reason.settings import RunOptions
from tasks import catalog
from tasks.hanoi.task import Hanoi


class Towers(Hanoi):
    """A task of somebody else's that knows both styles."""


@pytest.mark.parametrize(
    ("task", "model", "style"),
    [
        ("hanoi", "embedded", "compact"),
        ("hanoi", "sim:error=0.1", "compact"),
        ("hanoi", "gguf:better/hanoi-micro.gguf", "compact"),
        ("hanoi", "http://127.0.0.1:1/v1#hanoi-micro", "compact"),
        ("hanoi", "http://127.0.0.1:1/v1#general", "paper"),
        ("towers", "gguf:towers-micro.gguf", "compact"),
        ("towers", "gguf:hanoi-micro.gguf", "paper"),
        ("arithmetic", "embedded", "paper"),
    ],
)
def test_a_micro_model_is_asked_as_it_was_trained(
    task: str, model: str, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalog.BUILT_IN, "towers", Towers)
    options = RunOptions.model_validate({"model": [model]})
    assert RunConfig({"name": task}, options).style == style
