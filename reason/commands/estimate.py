"""``reason estimate``: what a run will cost and how surely it will succeed, before it starts."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from agents.calibration import Skill
from agents.forecast import Basis, Forecast, Interval, forecast
from agents.spending import Spending
from reason.commands.common import print_json, stderr, stdout
from reason.commands.flags import JSON, QUIET, flag, run_flags
from reason.commands.tasks import Form, TaskGroup
from reason.display import forecast_table
from reason.errors import UsageError
from reason.estimate import estimate
from reason.run_config import RunConfig
from reason.settings import load_settings
from tasks.catalog import Description

MEASURED = (
    *("model", "target", "k", "first_temperature", "temperature", "max_tokens", "style"),
    *("concurrency", "red_flag", "variants", "check_transitions"),
)
"""The run options that an estimate heeds."""

MOST_STEPS = 10**100  # far beyond any run, and still a number that the formulas can work with

SAMPLES = flag(
    "samples",
    int | None,
    None,
    typer.Option(min=1, help="Steps to ask. By default 200 to 2,000, by length."),
)
SAMPLE_SEED = flag("sample_seed", int, 0, typer.Option(help="Seed of the choice of steps."))


def measure(task: Description, flags: Mapping[str, Any]) -> None:
    """Ask the models random steps and show what is to be expected of the run."""
    options = {**{name: flags[name] for name in MEASURED}, "k": flags["k"] or "auto"}
    config = RunConfig(task, load_settings(options).options())
    config.check()
    work = _watched(config, flags["samples"], flags["sample_seed"], quiet=flags["quiet"])
    skill, seen = asyncio.run(work)
    show(skill, seen, as_json=flags["as_json"])


class Estimates(TaskGroup):
    """``estimate hanoi``, ``estimate sorting``, ... besides the estimate by formula."""

    form = Form(
        (*run_flags(MEASURED), SAMPLES, SAMPLE_SEED, JSON, QUIET),
        measure,
        "Ask a model random steps and foresee the whole run. {}",
    )


app = typer.Typer(cls=Estimates, help="Foresee votes, cost, time and success of a run.")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Target = Annotated[
    float | None, typer.Option(help="Wanted chance of a run without an error. [default: 0.99]")
]
Margin = Annotated[
    str | None, typer.Option("--k", help="Margin to foresee. [default: the recommended one]")
]


@app.callback(invoke_without_command=True)
def offline(
    context: typer.Context,
    p: Annotated[float | None, typer.Option(help="Chance that a valid answer is right.")] = None,
    v: Annotated[float, typer.Option(help="Chance that an answer is valid.")] = 1.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Dependent steps of the run.")] = None,
    target: Target = None,
    k: Margin = None,
    tokens_in: Annotated[float | None, typer.Option(help="Prompt tokens of a request.")] = None,
    tokens_out: Annotated[float | None, typer.Option(help="Tokens of an answer.")] = None,
    price_in: Annotated[float | None, typer.Option(help="Dollars per million of them.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Dollars per million of them.")] = None,
    as_json: Json = False,
) -> None:
    """Foresee a run: give --p and --steps, or name a task to measure a model on it.

    For example ``reason estimate --p 0.9978 --steps 1048575 --target 0.95``, which asks no model.
    """
    if context.invoked_subcommand is not None:
        return
    if p is None or steps is None:
        raise UsageError("give --p and --steps, or a task: reason estimate hanoi --disks 20")
    if steps > MOST_STEPS:
        raise UsageError(f"--steps must be at most {MOST_STEPS:.0e}, which no run can reach")
    settings = load_settings({"target": target, "k": k})
    price = None if price_in is None or price_out is None else (price_in, price_out)
    basis = Basis(_share("--p", p), _share("--v", v), tokens_in, tokens_out, price)
    margin = settings.k if k is not None and settings.k != "auto" else None
    show(None, forecast(basis, steps, settings.target, margin), as_json=as_json)


def _share(flag: str, value: float) -> Interval:
    if not 0 <= value <= 1:
        raise UsageError(f"{flag} must lie between 0 and 1, not {value:g}")
    return Interval.exact(value)


async def _watched(
    config: RunConfig, samples: int | None, seed: int, *, quiet: bool
) -> tuple[Skill, Forecast]:
    """The estimate, with a count of answers on a terminal while it is made."""
    accounts: list[Spending] = []
    work = asyncio.ensure_future(
        estimate(config, samples=samples, seed=seed, watch=accounts.append)
    )
    if quiet or not stderr.is_terminal:
        return await work
    with stderr.status("opening the model") as spinner:
        while not work.done():
            await asyncio.wait({work}, timeout=0.2)
            if accounts:
                spent = accounts[0]
                spinner.update(f"{spent.samples:,} answers, {spent.tokens:,} tokens")
    return await work


def show(skill: Skill | None, seen: Forecast, *, as_json: bool) -> None:
    """Print a forecast, and what it was measured on."""
    if as_json:
        data = asdict(seen) | {"measured": _measured(skill) if skill else None}
        data["success"] = seen.success._asdict()
        data["seconds"] = seen.seconds._asdict() if seen.seconds else None
        print_json(data)
        return
    stdout().print(forecast_table(skill, seen))


def _measured(skill: Skill) -> dict[str, Any]:
    """What was measured; of the hard steps the ten hardest."""
    hardest = sorted(skill.contests, key=lambda contest: contest.right - contest.top_wrong)
    return asdict(skill) | {
        "p": skill.p._asdict(),
        "v": skill.v._asdict(),
        "contests": len(skill.contests),
        "lost": sum(contest.lost for contest in skill.contests),
        "lost_share": skill.lost,
        "hardest": [asdict(contest) for contest in hardest[:10]],
    }
