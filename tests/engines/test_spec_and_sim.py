"""Model specs, and the simulated model's promise that a vote depends on its index alone."""

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.base import Request, by_temperature
from engines.options import EngineOptions
from engines.prices import price_of
from engines.simulated import SimulatedModel
from engines.spec import check_spec, open_engine, parse_spec
from reason.errors import UsageError
from tasks.hanoi.examples import example, random_situation
from tasks.hanoi.rehearsal import rehearse

PROMPTS = [example(random_situation(Random(seed), 7)).prompt for seed in range(40)]


@pytest.mark.parametrize(
    ("text", "kind", "name", "url"),
    [
        ("embedded", "embedded", "", ""),
        ("gguf:/a/b.gguf", "gguf", "/a/b.gguf", ""),
        ("openai/gpt-4.1-mini", "openai", "gpt-4.1-mini", ""),
        ("openai/ft:gpt:x/y", "openai", "ft:gpt:x/y", ""),
        ("http://localhost:8000/v1#org/model", "http", "org/model", "http://localhost:8000/v1"),
        ("https://host/v1/#m", "http", "m", "https://host/v1"),
        ("sim", "sim", "", ""),
    ],
)
def test_the_documented_forms_are_read(text: str, kind: str, name: str, url: str) -> None:
    spec = parse_spec(text)
    assert (spec.kind, spec.name, spec.url) == (kind, name, url)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**9))
def test_simulations_round_trip(error: float, flag: float, seed: int) -> None:
    simulation = parse_spec(f"sim:error={error},flag={flag},seed={seed}").simulation
    assert (simulation.error, simulation.flag, simulation.seed) == (error, flag, seed)


@given(st.text(max_size=40))
def test_any_text_is_a_spec_or_a_usage_error(text: str) -> None:
    for candidate in (text, f"sim:{text}", f"http://{text}", f"gguf:{text}", f"openai/{text}"):
        with suppress(UsageError):
            parse_spec(candidate)


@pytest.mark.parametrize("text", ["sim:error=2", "sim:flag=-1", "sim:latency_ms=-1", "sim:seed=x"])
def test_impossible_simulations_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_spec(text)


def test_files_that_cannot_be_models_are_refused_unopened(tmp_path: Path) -> None:
    (tmp_path / "empty.gguf").write_bytes(b"")
    (tmp_path / "text.gguf").write_text("hello, I am no model")
    for name in ("empty.gguf", "text.gguf", "none.gguf", "."):
        with pytest.raises(UsageError):
            check_spec(f"gguf:{tmp_path / name}", EngineOptions())


async def votes(model: SimulatedModel, prompt: str, first: int, count: int) -> list[str]:
    samples = await model.sample(Request(prompt, 99, (0.1,) * count, first))
    return [f"{sample.text}/{sample.finish}" for sample in samples]


@given(st.integers(0, 2**31), st.permutations(range(6)))
def test_a_simulated_vote_depends_on_its_index_and_not_on_the_order(
    seed: int, order: list[int]
) -> None:
    def fresh() -> SimulatedModel:
        return SimulatedModel("sim", rehearse, error=0.4, flag=0.3, seed=seed)

    async def alone() -> list[str]:
        model = fresh()
        drawn = {at: (await votes(model, PROMPTS[0], at, 1))[0] for at in order}
        return [drawn[at] for at in sorted(drawn)]

    assert asyncio.run(alone()) == asyncio.run(votes(fresh(), PROMPTS[0], 0, 6))


async def test_rates_are_what_the_spec_says() -> None:
    model = SimulatedModel("sim", rehearse, error=0.2, flag=0.1, seed=1)
    flagged = wrong = 0
    for prompt in PROMPTS:
        for text in await votes(model, prompt, 0, 100):
            right = text == rehearse(prompt).right + "/stop"
            malformed = text.startswith(("I am", "Let me"))
            flagged += malformed
            wrong += not right and not malformed
    assert flagged == pytest.approx(400, abs=90)
    assert wrong == pytest.approx(720, abs=120)


async def test_two_seeds_disagree() -> None:
    first = SimulatedModel("sim", rehearse, error=0.5, seed=1)
    second = SimulatedModel("sim", rehearse, error=0.5, seed=2)
    assert await votes(first, PROMPTS[0], 0, 40) != await votes(second, PROMPTS[0], 0, 40)


def test_a_simulated_model_says_what_it_is() -> None:
    engine = open_engine("sim:error=0.5", EngineOptions(rehearse=rehearse))
    assert engine.model == "simulated(error=0.5)"
    with pytest.raises(UsageError):
        open_engine("sim", EngineOptions())


def test_neighbouring_equal_temperatures_are_grouped() -> None:
    assert by_temperature((0.0, 0.1, 0.1, 0.0)) == [(0.0, 1), (0.1, 2), (0.0, 1)]


def test_prices_are_known_or_unknown_but_never_zero_by_default() -> None:
    price = price_of("openai", "gpt-4.1-mini")
    assert price == (0.4, 1.6)
    assert price_of("openai", "no-such-model") is None
