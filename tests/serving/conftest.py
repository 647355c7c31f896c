"""Runs of every kind, made once by simulated models, behind a real server."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import reason
from agents.questions.strategies import Strategy
from reason.asking import AskOptions, ask_engine_options
from reason.qa import run_qa
from tests.serving.browsing import chromium
from tests.serving.live import Live, serve
from tests.serving.material import process

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TRICKY = "<img src=x onerror=alert(1)><script>alert(2)</script> What is 12 * 34?"


def solve(path: Path, disks: int, **options: Any) -> None:
    asyncio.run(reason.solve({"name": "hanoi", "disks": disks}, path, **options))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``done``, ``lost`` (same problem, goes wrong), ``short`` (budget), broken ones, questions."""
    base = tmp_path_factory.mktemp("served") / "runs"
    solve(base / "done", 7, model=["sim:error=0.15,flag=0.05,seed=3"], k=3)
    solve(base / "lost", 7, model=["sim:error=0.15,flag=0.05,seed=3"], k=1)
    solve(base / "short", 6, model=["sim"], budget_tokens=1500)
    (base / "torn").mkdir()
    (base / "torn" / "run.json").write_text("{")
    solve(base / "scribbled", 3, model=["sim"])
    (base / "scribbled" / "journal.sqlite").write_bytes(b"no journal at all" * 100)
    _questions(base)
    return base


def _questions(base: Path) -> None:
    rows = [
        {"id": "plain", "question": "What is 7 * 8?", "answer": "56", "kind": "number"},
        {"id": "tricky", "question": TRICKY, "answer": "408", "kind": "number"},
        {"id": "long", "question": "What is 12345 * 6789?", "answer": "83810205", "kind": "number"},
    ]
    data = base.parent / "products.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    engine = ask_engine_options(8, lean=True, prices={})
    names: tuple[Strategy, ...] = ("vote", "recursive")
    strategies: dict[str, AskOptions] = {
        name: AskOptions(name, "sim:error=0.05", engine=engine, questions=1) for name in names
    }
    run_qa(str(data), None, 0, strategies, base / "products", quiet=True)


@pytest.fixture(scope="session")
def live(runs: Path) -> Iterator[Live]:
    with serve(runs) as found:
        yield found


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of ``reason serve`` on a simulated model that errs now and then."""
    with process("--model", "sim:error=0.02,flag=0.02") as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A Chromium of this machine."""
    with chromium() as found:
        yield found
