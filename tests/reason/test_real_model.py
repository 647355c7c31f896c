"""The embedded micro model, in the process and behind a real HTTP server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tasks.hanoi.task import BUNDLED
from tests.reason.command import reason

pytestmark = pytest.mark.real_model


def test_ten_disks_are_solved_and_verified_in_the_process() -> None:
    done = reason("solve", "hanoi", "--disks", "10", "--json")
    assert (done.code, done.data["verified"], done.data["steps"]) == (0, True, 1023)
    assert done.data["k"] == 3
    assert done.data["tokens"]["completion"] > 30_000


@pytest.mark.parametrize("disks", [1, 2, 3, 20])
def test_small_and_large_stacks_start_right(disks: int) -> None:
    done = reason("solve", "hanoi", "-n", str(disks), "--budget-tokens", "5000", "--json")
    assert done.code == (0 if disks < 20 else 3)
    assert done.data["steps"] > 0
    steps = reason("runs", "verify", done.data["run_id"], "--json").data
    assert steps["first_error"] is None


def test_other_pegs_and_odd_stacks_are_solved() -> None:
    done = reason("solve", "hanoi", "-n", "5", "--start", "1", "--goal", "0", "--json")
    assert (done.code, done.data["steps"]) == (0, 31)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """llama.cpp's own OpenAI-compatible server on loopback."""
    import xllamacpp

    params: Any = xllamacpp.CommonParams()
    params.model.path = str(BUNDLED)
    params.n_parallel, params.n_ctx, params.port = 8, 8 * 256, 0
    params.cpuparams.n_threads, params.verbosity, params.kv_unified = 2, -1, False
    running = xllamacpp.Server(params)
    yield str(running.listening_address)
    del running


@pytest.mark.parametrize("transport", ["openai", "lean"])
def test_the_same_run_goes_to_a_real_server(server: str, transport: str) -> None:
    arguments = ["-m", f"{server}/v1#hanoi-micro", "--transport", transport]
    done = reason("solve", "hanoi", "-n", "6", *arguments, "--style", "compact", "--json")
    assert (done.code, done.data["status"], done.data["steps"]) == (0, "solved", 63)
    assert done.data["cost_usd"] is None
    assert done.data["tokens"]["prompt"] > 0
