"""Measuring a model on a task before a run, and foreseeing the run: ``reason.estimate``."""

from collections.abc import Callable, Sequence

from agents.calibration import Skill, measure, trials_for
from agents.forecast import Basis, Forecast, forecast
from agents.policy import VotePolicy
from agents.spending import Spending
from engines.base import Engine
from reason.errors import UsageError
from reason.run_config import RunConfig, engine_options
from reason.seats import open_engines

REPEATS = 32  # further answers to a step that was not answered right at first


async def estimate(
    config: RunConfig,
    *,
    samples: int | None = None,
    seed: int = 0,
    watch: Callable[[Spending], None] = lambda _: None,
) -> tuple[Skill, Forecast]:
    """Measure the models of ``config`` on its task and foresee the run that it describes.

    Args:
        config: task, models, target, and k where one was chosen.
        samples: steps to ask; by default what the length of the run calls for.
        seed: of the choice of steps.
        watch: given the account of what is spent, to show it.

    Raises UsageError for a task of unknown length, EngineError.
    """
    task, options = config.build_task(), config.options
    steps = task.steps()
    if steps is None:
        raise UsageError(
            f"{task.label} has no known number of steps: use --p, --steps and --target"
        )
    policy = config.policy(task)
    async with open_engines(options.model, engine_options(task, options)) as engines:
        spending = Spending(engines)
        watch(spending)
        count = samples or trials_for(steps, options.target)
        skill = await measure(task, engines, policy, spending, count, seed=seed, repeats=REPEATS)
        basis = basis_of(skill, engines, policy)
    margin = None if options.k == "auto" else options.k
    return skill, forecast(basis, steps, options.target, margin)


def basis_of(skill: Skill, engines: Sequence[Engine], policy: VotePolicy) -> Basis:
    """What a forecast needs of a measurement and of how votes are asked for."""
    shared = 1 if policy.first_temperature == policy.temperature else 2
    return Basis(
        p=skill.p,
        v=skill.v,
        prompt_tokens=skill.prompt_tokens,
        completion_tokens=skill.completion_tokens,
        price=_mean_price(engines),
        latency=skill.latency,
        throughput=skill.throughput,
        lost=skill.lost,
        samples=skill.samples,
        requests=shared if len(engines) == 1 else None,
    )


def _mean_price(engines: Sequence[Engine]) -> tuple[float, float] | None:
    prices = [engine.price for engine in engines if engine.price is not None]
    if len(prices) < len(engines):
        return None
    return (
        sum(prompt for prompt, _ in prices) / len(prices),
        sum(answer for _, answer in prices) / len(prices),
    )
