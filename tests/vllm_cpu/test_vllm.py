"""Real vLLM, its CPU build, under ``reason engine up``: solve, estimate and LoRA through it.

The environment is made by ``make_env.sh`` beside this file, in a cache folder. Where it cannot be
made the tests are skipped, unless ``TEST_VLLM=require`` wants them; ``TEST_VLLM=off`` leaves
them out.
"""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.hanoi.task import BUNDLED
from tests.reason.command import COMMAND, reason

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(720),
    # peft asks transformers by a name that is on its way out.
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
]

# Read at import: a fixture empties the environment of settings before each test.
WANTED = os.environ.get("TEST_VLLM", "")
CACHE = os.environ.get("TEST_VLLM_ENV", "")
MAKE = Path(__file__).parent / "make_env.sh"
HOME = Path(__file__).parents[2]
INSTALL_SECONDS = 480
START_SECONDS = 400


@pytest.fixture(scope="module")
def vllm_python() -> str:
    """The Python of an environment with vLLM."""
    if WANTED == "off":
        pytest.skip("TEST_VLLM=off")
    try:
        made = subprocess.run(
            [str(MAKE), *filter(None, [CACHE])],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        said, made_it = made.stderr[-500:], made.returncode == 0
    except subprocess.TimeoutExpired:
        said, made_it = f"not done within {INSTALL_SECONDS} s", False
    if made_it:
        return made.stdout.strip()
    message = f"VLLM WAS NOT TESTED: its CPU build does not install here: {said}"
    if WANTED == "require":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def server(
    vllm_python: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """What ``reason engine up --json`` printed, and its process."""
    from tests.vllm_cpu.material import write_adapter, write_model

    home = tmp_path_factory.mktemp("vllm")
    model = home / "hanoi-micro"
    write_model(BUNDLED, model)
    write_adapter(model, home / "still", noise=0.0)
    write_adapter(model, home / "noisy", noise=1.0)
    command = [*COMMAND, "engine", "up", str(model), "--port", "0", "--json"]
    command += ["--adapter", f"still={home / 'still'}", "--adapter", f"noisy={home / 'noisy'}"]
    command += ["--vllm-python", vllm_python, "--", "--dtype", "float32", "--enforce-eager"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("REASON_")}
    environment = {**own, "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1"}
    with (home / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        signal.signal(signal.SIGALRM, lambda *_: process.terminate())
        signal.alarm(START_SECONDS)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            signal.alarm(0)
            assert line, (home / "log").read_text(encoding="utf-8")[-3000:]
            yield json.loads(line), process
        finally:
            signal.alarm(0)
            process.terminate()
            process.communicate(timeout=60)


def test_solve_estimate_and_adapters_go_through_real_vllm(
    server: tuple[dict[str, Any], subprocess.Popen[str]],
) -> None:
    told, process = server
    specs = told["specs"]
    assert (told["engine"], list(specs)) == ("vLLM", ["hanoi-micro", "still", "noisy"])
    assert reason("engine", "check", told["spec"], "--json").data["server"] == "vllm"

    solved = reason("solve", "hanoi", "--disks", "5", "--model", told["spec"], "--json")
    assert (solved.code, solved.data["verified"], solved.data["steps"]) == (0, True, 31)
    assert solved.data["tokens"]["completion"] > 31 * 3

    arguments = ["--disks", "5", "--model", told["spec"], "--samples", "20", "--json"]
    seen = reason("estimate", "hanoi", *arguments)
    assert seen.code == 0
    assert seen.data["measured"]["p"]["estimate"] > 0.9

    # An adapter of zeros answers like the model; one of noise answers nonsense: both are applied.
    style = ["--style", "compact", "--max-votes", "12", "--json"]
    still = reason("solve", "hanoi", "--disks", "3", "--model", specs["still"], *style)
    assert (still.code, still.data["verified"]) == (0, True)
    noisy = reason("solve", "hanoi", "--disks", "3", "--model", specs["noisy"], *style)
    assert (noisy.code, noisy.data["steps"]) == (5, 0)

    page = urllib.request.urlopen(told["url"].removesuffix("/v1") + "/metrics").read().decode()
    dashboard = (HOME / "deploy/grafana/dashboards/reason.json").read_text(encoding="utf-8")
    names = set(re.findall(r"vllm:\w+", dashboard))
    assert len(names) == 5
    assert names <= set(re.findall(r"^(vllm:\w+)", page, re.MULTILINE))

    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert reason("engine", "check", told["spec"]).code == 4
