"""``reason train nano``: the nano-scale replication from nothing to its table, in one command.

Every stage is a ``reason`` command in a process of its own, which goes on from its checkpoint. The
folder remembers which commands were given and how long they took, so a stage whose result is there
is not made twice, and results of other settings are not mixed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reason.commands.common import stderr
from reason.commands.training import AsJson, Seed, need_training
from reason.errors import UsageError
from runs.files import make_folder, write_json

if TYPE_CHECKING:
    from training.decomposer.replication import Stage

Marks = dict[str, dict[str, Any]]
MARKS = "stages.json"


def nano(
    run_dir: Annotated[Path, typer.Option(help="Folder of all results; one there is gone on.")],
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Train with each reward left out, too.")
    ] = False,
    scale: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the recipe's steps, rows, questions.")
    ] = 1.0,
    questions: Annotated[int, typer.Option(min=2, help="Of the evaluation.")] = 500,
    seed: Seed = 1,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Replicate DaSLaM with micro models: two solvers, data, sft, rl, and the table."""
    need_training()
    from training.decomposer.replication import Size, card, evaluation, stages

    size = Size(scale, seed, questions)
    plan = stages(size, ablate=ablate)
    marks = _marks(run_dir)
    for at, stage in enumerate(plan, 1):
        told = f"{at} of {len(plan)}, {stage.name}"
        if _is_done(marks, stage, run_dir):
            stderr.print(f"{told}: there already", highlight=False)
            continue
        stderr.print(f"{told}: reason {' '.join(stage.command)}", highlight=False, soft_wrap=True)
        _make(stage, marks, run_dir, threads)
    last = ("--json",) if as_json else ()
    _reason((*evaluation(size, ablate=ablate), *last), run_dir, threads, sys.stdout)
    _reason(card(), run_dir, threads)
    minutes = sum(marks[stage.name]["seconds"] for stage in plan) / 60
    stderr.print(f"trained in {minutes:.1f} minutes; all is in {run_dir}", highlight=False)


def _marks(folder: Path) -> Marks:
    """The commands that were given in a folder, which is made. Raises UsageError."""
    path = folder / MARKS
    if path.is_file():
        return _read(path)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty and no replication: name another --run-dir")
    make_folder(folder)
    return {}


def _read(path: Path) -> Marks:
    try:
        marks: Marks = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}; name another --run-dir") from None
    return marks


def _is_done(marks: Marks, stage: "Stage", folder: Path) -> bool:
    """Whether a stage's result is there. Raises UsageError for one of another command."""
    mark = marks.get(stage.name)
    if mark is None:
        return False
    if mark["command"] != list(stage.command):
        raise UsageError(
            f"{folder / stage.name} was made by `reason {' '.join(mark['command'])}`: give the "
            "same settings, or another --run-dir"
        )
    return bool(mark["done"]) and (folder / stage.name).exists()


def _make(stage: "Stage", marks: Marks, folder: Path, threads: int) -> None:
    """Run a stage; its mark is there from the start, its time adds up over interruptions."""
    before = marks.get(stage.name, {}).get("seconds", 0.0)
    mark = {"command": list(stage.command), "done": False, "seconds": before}
    marks[stage.name] = mark
    write_json(folder / MARKS, marks)
    start = time.monotonic()
    try:
        _reason(stage.command, folder, threads)
        mark["done"] = True
    finally:
        mark["seconds"] = round(before + time.monotonic() - start, 1)
        write_json(folder / MARKS, marks)


def _reason(command: Sequence[str], folder: Path, threads: int, to: Any = None) -> None:
    """Run a command of ``reason`` in the folder; where it fails, it has told why.

    What it prints goes to stderr, unless ``to`` says otherwise.
    """
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "reason", *command],
        cwd=folder,
        env=environment,
        stdout=to or sys.stderr,
        check=False,
    )
    if done.returncode < 0:
        raise KeyboardInterrupt  # a signal ended it
    if done.returncode:
        raise typer.Exit(done.returncode)
