"""Starting, restarting and ending servers; the server is a stand-in that only lists models."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from engines.launcher import Plan, Wish, plan, read_adapters
from engines.supervisor import RESTARTS, Supervisor
from reason.errors import EngineError, UsageError
from tasks.hanoi.task import BUNDLED

FAKE = Path(__file__).parent / "fake_vllm.py"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture
def wish(tmp_path: Path, log: Path) -> Callable[..., Wish]:
    """Wishes for a model of that name, served by the stand-in."""
    model, python = tmp_path / "tiny", tmp_path / "python"
    model.mkdir()
    (model / "config.json").write_text("{}")
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    python.chmod(0o755)
    return lambda **more: Wish(str(model), 0, vllm_python=str(python), **more)


def starts(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def runs(pid: int) -> bool:
    """Whether a process is there; a zombie is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pid: int) -> bool:
    """Whether a process ends, at the latest in ten seconds."""
    end = monotonic() + 10
    while runs(pid) and monotonic() < end:
        sleep(0.05)
    return not runs(pid)


class Witness:
    """A supervisor under watch."""

    def __init__(self, chosen: Plan) -> None:
        self.ready: list[tuple[str, ...]] = []
        self.lines: list[str] = []
        self.crashes: list[str] = []
        self.answers = asyncio.Event()
        self.stop = asyncio.Event()
        self.supervisor = Supervisor(
            chosen, self._ready, self.lines.append, self.crashes.append, pause=0.01
        )

    def _ready(self, names: tuple[str, ...]) -> None:
        self.ready.append(names)
        self.answers.set()

    async def run(self) -> None:
        await asyncio.wait_for(self.supervisor.run(self.stop), 60)


async def test_a_server_is_ended_with_all_its_children(
    wish: Callable[..., Wish], log: Path, tmp_path: Path
) -> None:
    witness = Witness(plan(wish(), tmp_path))
    running = asyncio.create_task(witness.run())
    await asyncio.wait_for(witness.answers.wait(), 60)
    witness.stop.set()
    await running
    (start,) = starts(log)
    assert gone(start["pid"])
    assert gone(start["child"])
    assert witness.ready == [("tiny",)]
    assert any(len(line) == 200_000 for line in witness.lines)


async def test_a_crashing_server_is_restarted_so_often_and_no_more(
    wish: Callable[..., Wish], log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DIES_AFTER", "0.4")
    witness = Witness(plan(wish(), tmp_path))
    with pytest.raises(EngineError, match=f"vLLM crashed {RESTARTS + 1} times, last: exit code 3"):
        await witness.run()
    assert len(starts(log)) == RESTARTS + 1
    assert len(witness.crashes) == RESTARTS
    assert [gone(start["child"]) for start in starts(log)] == [True] * (RESTARTS + 1)


async def test_a_refused_model_is_told_in_the_servers_own_words_and_not_tried_again(
    wish: Callable[..., Wish], log: Path, tmp_path: Path
) -> None:
    witness = Witness(plan(wish(flags=["--refuse"]), tmp_path))
    words = r"vLLM did not start: exit code 1: loading \| ValueError: no such architecture"
    with pytest.raises(EngineError, match=words):
        await witness.run()
    assert len(starts(log)) == 1


def adapter(folder: Path, rank: object) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
    return folder


def test_vllm_is_told_of_adapters_copies_and_further_flags(
    wish: Callable[..., Wish], tmp_path: Path
) -> None:
    one, two = adapter(tmp_path / "one", 4), adapter(tmp_path / "two", 20)
    adapters = read_adapters([f"a={one}", f"b={two}"])
    flags = ("--max-model-len", "99")
    chosen = plan(wish(adapters=adapters, data_parallel=3, flags=flags), tmp_path)
    line = " ".join(chosen.command)
    for part in (
        "--enable-prefix-caching",
        "--data-parallel-size 3",
        f"--enable-lora --max-lora-rank 32 --lora-modules a={one} b={two} --max-loras 2",
        f"--port {chosen.port}",
    ):
        assert part in line
    assert line.endswith("--max-model-len 99")
    assert chosen.names == ("tiny", "a", "b")


def test_without_adapters_nothing_is_said_of_them(
    wish: Callable[..., Wish], tmp_path: Path
) -> None:
    line = plan(wish(), tmp_path).command
    assert not {"--enable-lora", "--data-parallel-size"} & set(line)


@pytest.mark.parametrize("text", ["a", "=x", "a=", "a b=x", "a/b=x"])
def test_an_adapter_has_a_name_and_a_folder(text: str) -> None:
    with pytest.raises(UsageError, match="write NAME=DIR"):
        read_adapters([text])


@pytest.mark.parametrize("rank", [1000, "x", None])
def test_an_adapter_of_no_known_rank_is_refused(tmp_path: Path, rank: object) -> None:
    with pytest.raises(UsageError, match="names no rank up to 512"):
        read_adapters([f"a={adapter(tmp_path / 'one', rank)}"])


def test_names_are_told_apart(wish: Callable[..., Wish], tmp_path: Path) -> None:
    one = adapter(tmp_path / "one", 8)
    with pytest.raises(UsageError, match="given twice"):
        read_adapters([f"a={one}", f"a={one}"])
    with pytest.raises(UsageError, match="the model itself has that name"):
        plan(wish(adapters=read_adapters([f"tiny={one}"])), tmp_path)


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        (Wish("none.gguf", 0), "cannot read the model none.gguf: No such file or directory"),
        (Wish("gguf:none", 0), "cannot read the model none: No such file or directory"),
        (Wish("/no/such/folder", 0), "cannot read the model /no/such/folder"),
        (Wish("some-model", 0), "unknown model 'some-model': the forms are embedded, FILE.gguf"),
        (Wish(".", 0), "is no model: it holds no config.json"),
        (Wish("embedded", 0, data_parallel=2), "neither adapters nor several copies"),
        (Wish("embedded", 0, adapters={"a": Path()}), "neither adapters nor several copies"),
        (Wish("owner/name", 0, vllm_python="no-such-python"), "is no program that can be run"),
        (Wish("owner/name", 0, adapters={"a": Path("nowhere")}), "cannot read the adapter nowhere"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_starts(wished: Wish, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        plan(wished, BUNDLED)


@pytest.mark.skipif(not os.path.exists("/proc"), reason="reads Linux's /proc")
async def test_a_killed_supervisor_leaves_no_server(
    wish: Callable[..., Wish], log: Path, tmp_path: Path
) -> None:
    wished = wish()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reason", "engine", "up", wished.model, "--port", "0", "--quiet"),
        *("--vllm-python", str(wished.vllm_python)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    spec = await asyncio.wait_for(process.stdout.readline(), 60)
    assert spec.startswith(b"http://127.0.0.1:")
    process.kill()
    await process.wait()
    assert gone(starts(log)[0]["pid"])
