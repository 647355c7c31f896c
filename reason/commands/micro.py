"""``reason train micro TASK``: a micro model from scratch, for any task.

``hanoi`` (of all sizes at once) and ``chains`` have training material of their own. Every other
task is learnt from the right answers to its own random steps, and takes its own options.
"""

import os
from collections.abc import Callable, Mapping
from inspect import Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from reason.commands.common import print_json
from reason.commands.flags import JSON, flag
from reason.commands.tasks import Form, TaskGroup
from reason.commands.training import done, need_training, progress
from reason.errors import UsageError
from runs.files import make_folder
from tasks.catalog import Description, build_task, styles

if TYPE_CHECKING:
    from tasks.base import Task
    from training.micro.examine import Mark
    from training.micro.subjects import Subject

PANEL = "Training"


def training_flag(name: str, kind: Any, default: Any, help: str, **limits: Any) -> Any:
    """A flag of a training command."""
    return flag(name, kind, default, typer.Option(help=help, rich_help_panel=PANEL, **limits))


OUT = training_flag("out", Path | None, None, "Folder of checkpoints and exports.")
TRAIN_SEED = training_flag("train_seed", int, 1, "Seed of weights and data.")
SEED = flag(
    "train_seed",
    int,
    1,
    typer.Option("--seed", "--train-seed", help="Seed of weights and data.", rich_help_panel=PANEL),
)
"""The same where the task itself has no ``--seed``."""
THREADS = training_flag("threads", int, 0, "CPU threads; 0 takes all cores.", min=0)
RESTART = flag(
    "restart",
    bool,
    False,
    typer.Option("--restart", help="Ignore a checkpoint.", rich_help_panel=PANEL),
)

FLAGS = (
    OUT,
    training_flag("steps", int, 5000, "Optimiser steps.", min=1),
    training_flag("batch", int, 96, "Examples per step.", min=1),
    training_flag("hidden", int, 128, "Width of the model.", min=4),
    training_flag("layers", int, 2, "Layers of the model.", min=1),
    TRAIN_SEED,
    training_flag("questions", int, 2000, "Questions per examination.", min=1),
    THREADS,
    RESTART,
    JSON,
)


def micro_style(name: str) -> Any:
    """The prompt style that suits a micro model of a task."""
    return "compact" if "compact" in styles(name) else "paper"


def micro_task(task: Description) -> "Task":
    """A task as a micro model is asked it."""
    return build_task(task, micro_style(str(task["name"])))


def use_threads(threads: int) -> None:
    """Let torch, and llama.cpp after it, use so many threads, if told."""
    import torch

    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)


def train_task(task: Description, flags: Mapping[str, Any]) -> None:
    """Train a micro model on a task's own pairs."""
    need_training()
    from training.micro.subjects import subject_of

    given = "".join(f" --{key.replace('_', '-')} {value}" for key, value in _problem(task))
    train(subject_of(micro_task(task)), f"{task['name']}{given}", flags)


def _problem(task: Description) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in task.items() if key != "name" and value is not None]


def train(subject: "Subject", words: str, flags: Mapping[str, Any]) -> None:
    """Train, export, examine and report; ``words`` name the subject on the command line."""
    from training.micro.run import train_micro
    from training.micro.trainer import MicroRecipe
    from training.micro.trainer import Progress as StepProgress

    if flags["hidden"] % 8:
        raise UsageError(f"--hidden {flags['hidden']} must be a multiple of 8")
    use_threads(flags["threads"])
    out = flags["out"] or Path("checkpoints") / subject.model
    shape = {name: flags[name] for name in ("steps", "batch", "hidden", "layers")}
    recipe = MicroRecipe(**shape, seed=flags["train_seed"])
    shown = [*shape.items(), ("train-seed", recipe.seed)]
    command = f"reason train micro {words}" + "".join(f" --{k} {v}" for k, v in shown)
    make_folder(out)
    with progress("training", recipe.steps) as on_log:

        def on_step(now: StepProgress) -> None:
            on_log(now.step, {"loss": now.loss, "exact": now.exact})

        marks = train_micro(
            subject,
            recipe,
            out,
            restart=flags["restart"],
            questions=flags["questions"],
            command=command,
            on_step=on_step,
        )
    _report(marks, out, subject.model, as_json=flags["as_json"])


def _report(marks: "list[Mark]", out: Path, model: str, *, as_json: bool) -> None:
    gguf = str(out / f"{model}.gguf")
    if as_json:
        print_json({"out": str(out), "gguf": gguf, "marks": [mark.__dict__ for mark in marks]})
        return
    for mark in marks:
        low, high = mark.interval
        done(
            f"{mark.name}, T={mark.temperature:g}: {mark.right:,} of {mark.asked:,} right "
            f"({low:.4f} to {high:.4f})",
            as_json=False,
        )
    done(f"exported to {out}; use it by --model gguf:{gguf}", as_json=False)


class Micros(TaskGroup):
    """``train micro hanoi``, ``train micro sorting``, ..."""

    form = Form(FLAGS, train_task, "Train a micro model from scratch. {}")


app = typer.Typer(cls=Micros, help="Train a micro model of a task from scratch.")


@app.callback()
def group() -> None:
    """Train a micro step model on CPU; export safetensors and GGUF; write its card."""


def _own(name: str) -> Callable[..., None]:
    """The command of a subject with material of its own."""

    def work(**flags: Any) -> None:
        need_training()
        from training.micro.subjects import SUBJECTS

        train(SUBJECTS[name], name, flags)

    own = [SEED if taken is TRAIN_SEED else taken for taken in FLAGS]
    work.__signature__ = Signature(own)  # type: ignore[attr-defined]
    return work


app.command("hanoi", help="Train a micro model of Towers of Hanoi, 1 to 20 disks.")(_own("hanoi"))
app.command("chains", help="Train a micro solver of chain arithmetic.")(_own("chains"))
