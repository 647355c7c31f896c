"""The embedded engine on the real micro model."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from engines.base import Engine, Request
from engines.gguf import MICRO_BYTES
from engines.llamacpp import threads_for
from engines.options import EngineOptions
from engines.spec import open_engine
from reason.errors import EngineError
from tasks.hanoi.examples import example, unseen_situation
from tasks.hanoi.task import BUNDLED

pytestmark = pytest.mark.real_model

PAIR = example(unseen_situation(Random(2), 9))


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = open_engine("embedded", EngineOptions(bundled=lambda: BUNDLED))
    yield engine
    await engine.close()


async def test_votes_of_one_step_are_right_and_counted(engine: Engine) -> None:
    samples = await engine.sample(Request(PAIR.prompt, 99, (0.0, 0.1, 0.1)))
    assert [sample.text for sample in samples] == [PAIR.answer] * 3
    assert [sample.finish for sample in samples] == ["stop"] * 3
    tokens = len(PAIR.answer.split()) + 1
    assert sum(sample.completion_tokens for sample in samples) == pytest.approx(3 * tokens, abs=3)
    assert samples[0].prompt_tokens == len(PAIR.prompt.split())


async def test_the_cap_is_a_cap(engine: Engine) -> None:
    (sample,) = await engine.sample(Request(PAIR.prompt, 3, (0.0,)))
    assert (sample.finish, sample.completion_tokens) == ("length", 3)


async def test_samples_of_one_request_are_independent(engine: Engine) -> None:
    """At a high temperature the texts differ; at zero they cannot."""
    hot = await engine.sample(Request(PAIR.prompt, 60, (3.0,) * 12))
    assert len({sample.text for sample in hot}) > 6
    again = await engine.sample(Request(PAIR.prompt, 60, (3.0,) * 12))
    assert [s.text for s in again] != [s.text for s in hot]
    cold = await engine.sample(Request(PAIR.prompt, 60, (0.0,) * 4))
    assert len({sample.text for sample in cold}) == 1


async def test_more_votes_than_slots_are_served(engine: Engine) -> None:
    samples = await engine.sample(Request(PAIR.prompt, 60, (0.1,) * 40))
    assert [sample.text for sample in samples] == [PAIR.answer] * 40


async def test_many_calls_at_once(engine: Engine) -> None:
    pairs = [example(unseen_situation(Random(seed), 12)) for seed in range(60)]
    drawn = await asyncio.gather(
        *(engine.sample(Request(pair.prompt, 99, (0.0,))) for pair in pairs)
    )
    right = sum(samples[0].text == pair.answer for samples, pair in zip(drawn, pairs, strict=True))
    assert right >= 59


async def test_an_engine_closed_at_once_does_not_wait_for_ever() -> None:
    """llama.cpp's server never ends when it is told to before it has begun."""
    for _ in range(10):
        engine = open_engine("embedded", EngineOptions(bundled=lambda: BUNDLED))
        await asyncio.wait_for(engine.close(), 60)


async def test_a_closed_engine_says_so() -> None:
    engine = open_engine("embedded", EngineOptions(bundled=lambda: BUNDLED))
    await engine.close()
    await engine.close()
    with pytest.raises((EngineError, RuntimeError)):
        await engine.sample(Request(PAIR.prompt, 9, (0.0,)))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
async def test_memory_stays_flat_over_many_prompts(engine: Engine) -> None:
    """llama.cpp's server would by default keep every prompt that it has ever seen."""
    rng = Random(3)

    async def burst(count: int) -> None:
        pairs = [example(unseen_situation(rng, 16)) for _ in range(count)]
        await asyncio.gather(*(engine.sample(Request(p.prompt, 60, (0.1,) * 3)) for p in pairs))

    await burst(150)
    before = _resident_mib()
    await burst(600)
    assert _resident_mib() - before < 12  # with the cache: about 28


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_micro_model_has_one_thread_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large.gguf"
    with large.open("wb") as file:
        file.truncate(MICRO_BYTES)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads_for(BUNDLED) == 1
    assert threads_for(large) == len(os.sched_getaffinity(0))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_for(BUNDLED) == threads_for(large) == 3
