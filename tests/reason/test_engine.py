"""``reason engine``: a real llama.cpp server in a process of its own, used, crashed and stopped."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.reason.command import reason, start

pytestmark = pytest.mark.real_model


@contextmanager
def engine(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running ``reason engine up`` and the first line that it printed."""
    process = start(["engine", "up", *arguments])
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def port_of(spec: str) -> int:
    return int(spec.rpartition(":")[2].partition("/")[0])


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_printed_spec_solves_and_the_server_stops_cleanly() -> None:
    with engine("embedded", "--port", "0", "--", "--threads", "1") as (process, spec):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1#hanoi-micro", spec)
        done = reason("solve", "hanoi", "--disks", "4", "--model", spec, "--json")
        assert (done.code, done.data["status"], done.data["verified"]) == (0, "solved", True)
        answer = reason("engine", "check", spec, "--json").data
        assert (answer["server"], answer["model"]) == ("llamacpp", "hanoi-micro")
        assert (answer["completion_tokens"], answer["form"]) == (1, "completion")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert refused(port_of(spec))


def test_a_killed_server_comes_back_on_its_port() -> None:
    with engine("embedded", "--port", "0", "--", "--threads", "1") as (process, spec):
        (server,) = children(process.pid)
        os.kill(server, signal.SIGKILL)
        assert process.stderr is not None
        told = next(line for line in process.stderr if "crashed" in line)
        assert "killed by SIGKILL" in told
        assert "restart 1 of 5" in told
        assert next(line for line in process.stderr if "again" in line)
        assert reason("engine", "check", spec).code == 0
        process.terminate()
        assert process.wait(60) == 0


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]


def test_json_tells_all_and_the_port_is_the_one_asked_for() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with engine("embedded", "--port", str(port), "--json", "--", "--threads", "1") as (_, line):
        url = f"http://127.0.0.1:{port}/v1"
        spec = f"{url}#hanoi-micro"
        assert line == (
            f'{{"engine": "llama.cpp", "url": "{url}", "spec": "{spec}", '
            f'"specs": {{"hanoi-micro": "{spec}"}}}}'
        )
        taken = reason("engine", "up", "embedded", "--port", str(port))
        assert taken.code == 2
        assert f"port {port} is in use" in taken.complaint


def test_what_cannot_be_served_is_told_in_one_line() -> None:
    done = reason("engine", "up", "some-model", "--port", "0")
    assert done.code == 2
    assert "unknown model 'some-model': the forms are embedded, FILE.gguf" in done.complaint


def test_flags_that_llamacpp_does_not_know_are_refused_in_its_words() -> None:
    done = reason("engine", "up", "embedded", "--port", "0", "--quiet", "--", "--bogus")
    assert done.code == 4
    assert "llama.cpp did not start: exit code 2" in done.complaint
    assert "unrecognized arguments: --bogus" in done.complaint


def test_a_model_that_llamacpp_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    done = reason("engine", "up", "broken.gguf", "--port", "0", "--quiet")
    assert done.code == 4
    assert "llama.cpp did not start" in done.complaint
    assert "cannot load broken.gguf" in done.complaint


def test_without_vllm_the_ways_out_are_named() -> None:
    done = reason("engine", "up", "owner/name", "--port", "0", env={"PATH": "/nowhere"})
    assert done.code == 2
    assert "pip install 'reason[vllm]'" in done.complaint


def test_check_tells_what_does_not_answer() -> None:
    assert reason("engine", "check", "embedded").code == 0
    dead = reason("engine", "check", "http://127.0.0.1:9/v1#x")
    assert dead.code == 4
    assert "cannot reach http://127.0.0.1:9/v1" in dead.complaint
