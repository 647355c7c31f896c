"""``reason train micro-rl TASK``: a micro-agent learns from its own red flags and errors.

The model is measured on the task before and after, as ``reason estimate`` does it, and the two
forecasts of the whole task are printed side by side.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from reason.commands.common import print_json, stdout
from reason.commands.flags import JSON, flag
from reason.commands.micro import (
    OUT,
    PANEL,
    RESTART,
    THREADS,
    TRAIN_SEED,
    micro_style,
    micro_task,
    training_flag,
    use_threads,
)
from reason.commands.tasks import Form, TaskGroup
from reason.commands.training import done, need_training, progress
from reason.effect import Effect, Measured, effect_table, figures
from reason.errors import UsageError
from reason.estimate import estimate
from reason.run_config import RunConfig
from reason.settings import load_settings
from runs.files import write_json
from tasks.catalog import Description

if TYPE_CHECKING:
    from training.decomposer.trainers import Schedule
    from training.micro.rl import Practice

START = flag(
    "start_from",
    str,
    "embedded",
    typer.Option(
        "--from",
        help="Model to go on from: a GGUF file, a folder of `train micro`, or embedded.",
        rich_help_panel=PANEL,
    ),
)

FLAGS = (
    START,
    OUT,
    training_flag("train_steps", int, 160, "Optimiser steps.", min=1),
    training_flag("rounds", int, 4, "How often errors are looked for.", min=1),
    training_flag("mine", int, 1000, "Steps asked for that in each round.", min=1),
    training_flag("batch", int, 256, "Answers per step.", min=2),
    training_flag("generations", int, 8, "Answers per prompt.", min=2),
    training_flag("rate", float, 1e-4, "Learning rate.", min=0),
    training_flag("beta", float, 0.02, "KL to the start model.", min=0),
    training_flag("heat", float, 1.0, "Temperature of the answers in training.", min=0.01),
    training_flag("samples", int, 2000, "Steps asked to measure the model.", min=1),
    training_flag("target", float, 0.99, "Wanted chance of a whole run without an error."),
    training_flag("save_every", int, 25, "Steps between checkpoints.", min=1),
    TRAIN_SEED,
    THREADS,
    RESTART,
    JSON,
)


def train_rl(task: Description, flags: Mapping[str, Any]) -> None:
    """Measure, train, measure again, and show the effect."""
    need_training()
    from training.micro import rl
    from training.micro.pairs import Pairs
    from training.micro.subjects import name_of

    _check(flags)
    use_threads(flags["threads"])
    built = micro_task(task)
    if built.steps() is None:
        raise UsageError(f"{built.label} has no known number of steps: no cost can be foretold")
    start = (
        built.bundled_model() if flags["start_from"] == "embedded" else Path(flags["start_from"])
    )
    name = name_of(built)
    out = flags["out"] or Path("checkpoints") / f"{name}-rl"
    pairs, (schedule, practice) = Pairs(built), _plan(flags)
    settings = {
        "stage": "micro-rl",
        "task": task,
        "from": str(start),
        "schedule": {**asdict(schedule), "report_to": []},
        "practice": asdict(practice),
    }
    rl.claim_folder(out, settings, restart=flags["restart"])
    before = measure(task, rl.export_start(start, out, name), flags)
    with progress("micro-rl", schedule.steps) as on_log:
        found = rl.train_rl(pairs, out, name, schedule, practice, on_log=on_log)
    after = measure(task, out / f"{name}.gguf", flags)
    _report(out, name, Effect(before, after, found), settings, as_json=flags["as_json"])


def _plan(flags: Mapping[str, Any]) -> "tuple[Schedule, Practice]":
    from training.decomposer.trainers import Schedule
    from training.micro.rl import Practice

    steps, batch, rate = flags["train_steps"], flags["batch"], flags["rate"]
    schedule = Schedule(
        steps, batch, rate, seed=flags["train_seed"], save_every=flags["save_every"]
    )
    names = ("rounds", "mine", "generations", "beta", "heat")
    return schedule, Practice(*(flags[name] for name in names))


def _report(
    out: Path, name: str, effect: Effect, settings: dict[str, Any], *, as_json: bool
) -> None:
    report = {
        "out": str(out),
        "gguf": str(out / f"{name}.gguf"),
        "before": figures(effect.before),
        "after": figures(effect.after),
        "rounds": [asdict(mined) for mined in effect.found],
    }
    write_json(out / "report.json", {**report, "settings": settings})
    if as_json:
        print_json(report)
        return
    _show(effect)
    done(f"exported to {out}; use it by --model gguf:{report['gguf']}", as_json=False)


def _check(flags: Mapping[str, Any]) -> None:
    batch, generations = flags["batch"], flags["generations"]
    if batch % generations:
        raise UsageError(f"--batch {batch} must hold whole groups of --generations {generations}")
    if flags["rounds"] > flags["train_steps"]:
        raise UsageError(
            f"--rounds {flags['rounds']} needs at least as many --train-steps, "
            f"not {flags['train_steps']}"
        )
    if not 0 < flags["target"] < 1:
        raise UsageError(f"--target must lie between 0 and 1, not {flags['target']:g}")


def measure(task: Description, gguf: Path, flags: Mapping[str, Any]) -> Measured:
    """What ``reason estimate`` says of a model on the task."""
    options = load_settings(
        {
            "model": [f"gguf:{gguf}"],
            "k": "auto",
            "target": flags["target"],
            "style": micro_style(str(task["name"])),
        }
    ).options()
    config = RunConfig(task, options)
    return Measured(*asyncio.run(estimate(config, samples=flags["samples"])))


def _show(effect: Effect) -> None:
    for at, mined in enumerate(effect.found, 1):
        done(
            f"round {at}: of {mined.asked:,} answers {mined.wrong:,} were wrong and "
            f"{mined.flagged:,} red-flagged",
            as_json=False,
        )
    stdout().print(effect_table(effect.before, effect.after))


class MicroPractice(TaskGroup):
    """``train micro-rl hanoi``, ``train micro-rl sorting``, ..."""

    form = Form(FLAGS, train_rl, "Train a micro model on its own errors. {}")


app = typer.Typer(
    cls=MicroPractice, help="Train a micro model by policy gradient on its own errors."
)


@app.callback()
def group() -> None:
    """Policy gradient on the steps of a task at which a micro model erred or was red-flagged."""
