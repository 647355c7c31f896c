"""``reason train``: make models; needs the ``train`` extra."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from reason.commands.common import print_json, stderr
from reason.commands.decomposer import export, rl, sft
from reason.commands.decomposer_data import data
from reason.commands.nano import nano
from reason.commands.training import need_training
from reason.errors import UsageError

app = typer.Typer(help="Train models.", no_args_is_help=True)
app.command()(data)
app.command()(sft)
app.command()(rl)
app.command()(export)
app.command()(nano)


@app.callback()
def group() -> None:
    """Training runs resume from their checkpoints when the same command is given again."""


@app.command()
def micro(
    task: Annotated[str, typer.Argument(help="What it is to know: hanoi or chains.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoints and exports. [default: checkpoints/MODEL]"),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 5000,
    batch: Annotated[int, typer.Option(min=1, help="Examples per step.")] = 96,
    hidden: Annotated[int, typer.Option(min=4, help="Width of the model.")] = 128,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the model.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of weights and data.")] = 1,
    questions: Annotated[int, typer.Option(min=1, help="Questions per examination.")] = 2000,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="Ignore a checkpoint.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Train a micro step model from scratch on CPU; export safetensors and GGUF; write its card."""
    need_training()
    import torch

    from training.micro.run import train_micro
    from training.micro.subjects import SUBJECTS
    from training.micro.trainer import MicroRecipe
    from training.micro.trainer import Progress as StepProgress

    if task not in SUBJECTS:
        raise UsageError(f"no micro model can be trained for {task!r}: there are hanoi and chains")
    subject = SUBJECTS[task]
    out = out or Path("checkpoints") / subject.model
    if threads:
        torch.set_num_threads(threads)
    recipe = MicroRecipe(steps=steps, batch=batch, hidden=hidden, layers=layers, seed=seed)
    command = f"reason train micro {task} --steps {steps} --batch {batch} --hidden {hidden} " + (
        f"--layers {layers} --seed {seed}" + (f" --threads {threads}" if threads else "")
    )
    with _bar() as bar:
        row = bar.add_task("training", total=steps, loss=0.0, exact=0.0)

        def on_step(progress: StepProgress) -> None:
            bar.update(row, completed=progress.step, loss=progress.loss, exact=progress.exact)

        marks = train_micro(
            subject,
            recipe,
            out,
            restart=restart,
            questions=questions,
            command=command,
            on_step=on_step,
        )
    if as_json:
        print_json({"out": str(out), "marks": [mark.__dict__ for mark in marks]})
        return
    for mark in marks:
        low, high = mark.interval
        Console().print(
            f"{mark.name}, T={mark.temperature:g}: {mark.right:,} of {mark.asked:,} right "
            f"({low:.4f} to {high:.4f})",
            highlight=False,
        )
    Console().print(f"exported to {out}", highlight=False)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.4f}, exact {task.fields[exact]:.3f}"),
        console=stderr,
    )
