"""The stack brought up for real; minutes long and in need of a Docker daemon, so only on wish."""

import os
import subprocess
from pathlib import Path

import pytest

WANTED = os.environ.get("TEST_DOCKER") == "1"  # read before a fixture empties the environment

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


@pytest.mark.skipif(not WANTED, reason="needs a Docker daemon; TEST_DOCKER=1 wants it")
def test_the_cpu_stack_answers_a_question() -> None:
    script = Path(__file__).with_name("up.sh")
    done = subprocess.run([script], capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("ok: ") == 10
