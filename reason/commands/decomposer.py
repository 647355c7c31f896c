"""``reason train sft | rl``: the two stages that make a decomposer for ``--strategy daslam``."""

from pathlib import Path
from typing import Annotated

import typer

from agents.questions.desk import Manner
from reason.commands.asking import ClusterFlag
from reason.commands.training import (
    AsJson,
    Concurrency,
    Seed,
    SolverFlag,
    done,
    need_training,
    one_of,
    open_solver,
    progress,
)
from reason.errors import UsageError

Out = Annotated[Path, typer.Option(help="Folder of checkpoints and of the model.")]
Data = Annotated[Path, typer.Option(help="Rows that `reason train data` made.")]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
Batch = Annotated[int, typer.Option(min=1, help="Examples per device and step.")]
Accumulate = Annotated[int, typer.Option(min=1, help="Batches that one step adds up.")]
Rate = Annotated[float, typer.Option(min=0, help="Peak learning rate.")]
Rank = Annotated[int, typer.Option(min=0, help="Rank of a new LoRA; 0 trains what there is.")]
SaveEvery = Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")]
ReportTo = Annotated[list[str] | None, typer.Option(help="tensorboard, wandb, ...; repeatable.")]
Restart = Annotated[bool, typer.Option("--restart", help="Throw checkpoints away.")]


def sft(
    data: Data,
    out: Out,
    model: Annotated[str, typer.Option(help="micro, or folder or name of a model.")] = "micro",
    steps: Steps = 1000,
    batch: Batch = 64,
    accumulate: Accumulate = 1,
    rate: Rate = 1e-3,
    rank: Rank = 0,
    seed: Seed = 1,
    save_every: SaveEvery = 100,
    report_to: ReportTo = None,
    restart: Restart = False,
    as_json: AsJson = False,
) -> None:
    """Stage one: supervised fine-tuning on (question, first answer) -> subquestions."""
    need_training()
    from training.decomposer.rows import load_rows
    from training.decomposer.sft import train_sft
    from training.decomposer.trainers import Schedule

    rows = load_rows(data, ["subquestions", "first"])
    trackers = tuple(report_to or ())
    schedule = Schedule(steps, batch, rate, accumulate, seed, save_every, trackers)
    with progress("sft", steps) as on_log:
        train_sft(model, rows, out, schedule, rank=rank, restart=restart, on_log=on_log)
    done(f"the fine-tuned model is in {out / 'model'}", as_json=as_json, model=str(out / "model"))


def rl(
    data: Data,
    out: Out,
    model: Annotated[str, typer.Option(help="The fine-tuned model or adapter.")],
    solver: SolverFlag = "embedded",
    algo: Annotated[str, typer.Option(help="rloo or grpo.")] = "rloo",
    steps: Steps = 200,
    batch: Batch = 64,
    accumulate: Accumulate = 1,
    generations: Annotated[int, typer.Option(min=2, help="Completions per question.")] = 8,
    rate: Rate = 1e-4,
    beta: Annotated[float, typer.Option(min=0, help="KL to the fine-tuned model.")] = 0.02,
    temperature: Annotated[float, typer.Option(min=0.01, help="Of the completions.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of a completion.")] = 128,
    reward: Annotated[
        list[str] | None, typer.Option(help="NAME=WEIGHT; repeatable. [default: uplift, form]")
    ] = None,
    k: Annotated[int, typer.Option(min=2, help="Margin of the rollouts' last vote.")] = 2,
    solver_temperature: Annotated[float, typer.Option(min=0, help="Of all later votes.")] = 0.7,
    solver_tokens: Annotated[int, typer.Option(min=1, help="Cap of the solver's answers.")] = 512,
    vllm: Annotated[str, typer.Option(help="colocate or server; else transformers.")] = "",
    vllm_url: Annotated[str, typer.Option(help="Base URL of the vLLM server.")] = "",
    rank: Rank = 0,
    seed: Seed = 1,
    save_every: SaveEvery = 25,
    report_to: ReportTo = None,
    restart: Restart = False,
    concurrency: Concurrency = None,
    engine_cluster: ClusterFlag = None,
    as_json: AsJson = False,
) -> None:
    """Stage two: policy gradient against the frozen solver."""
    need_training()
    from training.decomposer.rl import Policy, train_rl
    from training.decomposer.rows import load_rows
    from training.decomposer.trainers import Schedule

    if batch % generations:
        raise UsageError(f"--batch {batch} must hold whole groups of --generations {generations}")
    rows = load_rows(data, ["first"])
    weights = read_weights(reward or [])
    one_of("--algo", algo, ("rloo", "grpo"))
    one_of("--vllm", vllm, ("", "colocate", "server"))
    policy = Policy(algo, generations, beta, temperature, max_tokens, weights, vllm, vllm_url)  # type: ignore[arg-type]
    schedule = Schedule(steps, batch, rate, accumulate, seed, save_every, tuple(report_to or ()))
    manner = Manner(k=k, temperature=solver_temperature, max_tokens=solver_tokens)
    rollouts = open_solver(solver, manner, concurrency, engine_cluster)
    with progress("rl", steps) as on_log:
        train_rl(
            model,
            rows,
            out,
            schedule,
            policy,
            rollouts,
            rank=rank,
            restart=restart,
            on_log=on_log,
        )
    done(f"the trained model is in {out / 'model'}", as_json=as_json, model=str(out / "model"))


def read_weights(texts: list[str]) -> dict[str, float]:
    """Rewards and their weights, as in ``uplift=1``. Raises UsageError."""
    from training.decomposer.rewards import DEFAULT_WEIGHTS, REWARDS

    weights = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in REWARDS:
            raise UsageError(f"--reward {text}: the rewards are {', '.join(REWARDS)}")
        try:
            weights[name] = float(value or 1)
        except ValueError:
            raise UsageError(f"--reward {text}: {value!r} is no number") from None
    return weights or dict(DEFAULT_WEIGHTS)


def export(
    stage: Annotated[Path, typer.Argument(help="Folder of `reason train sft` or `rl`.")],
    out: Annotated[Path, typer.Option(help="Folder for the exports.")],
    name: Annotated[str, typer.Option(help="Name of the model.")] = "decomposer",
    evaluation: Annotated[
        Path | None, typer.Option(help="report.json of an evaluation, for the card.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a trained decomposer: adapter, safetensors, GGUF, and a card written from the run."""
    need_training()
    from training.decomposer.export import export as write

    written = write(stage, out, name, evaluation)
    done(f"{', '.join(written)} in {out}", as_json=as_json, out=str(out), written=written)
