"""What the training commands share: the extra that they need, progress, solvers, last words."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from agents.questions.desk import Manner
from cluster.connection import need_ray
from engines.options import EngineOptions
from engines.spec import check_spec
from reason.asking import opened_as
from reason.commands.common import print_json, stderr, stdout
from reason.errors import UsageError
from reason.settings import load_settings
from tasks.chains.rehearsal import rehearse

if TYPE_CHECKING:
    from training.decomposer.rollout import Trying

Seed = Annotated[int, typer.Option(help="Seed of everything drawn.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
SolverFlag = Annotated[str, typer.Option(help="Model spec of the black-box solver.")]
Concurrency = Annotated[int | None, typer.Option(help="Requests in flight to the solver.")]


def need_training() -> None:
    """Raise UsageError where the training stack is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "trl", "gguf")):
        raise UsageError("training needs the train extra: pip install 'reason[train]'")


def one_of(flag: str, value: str, known: tuple[str, ...]) -> None:
    """Raise UsageError for a value that a flag does not know."""
    if value not in known:
        raise UsageError(f"{flag} must be one of {', '.join(filter(None, known))}, not {value!r}")


def open_solver(
    spec: str, manner: Manner, concurrency: int | None, engine_cluster: str | None
) -> "Trying":
    """A frozen solver to try decompositions on, here or over a cluster. Raises UsageError."""
    from reason.rollouts import SpreadRollouts, open_rollouts

    options = solver_options(concurrency)
    if load_settings({"engine_cluster": engine_cluster}).engine_cluster == "ray":
        need_ray()
        check_spec(opened_as("solver", spec), options)
        return SpreadRollouts(spec, manner, options)
    return open_rollouts(spec, manner, options)


def solver_options(concurrency: int | None) -> EngineOptions:
    """How models are opened for training."""
    settings = load_settings({"concurrency": concurrency})
    lean = settings.transport == "lean"
    return EngineOptions(settings.concurrency, rehearse=rehearse, lean=lean, prices=settings.prices)


@contextmanager
def progress(name: str, steps: int) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """A bar on stderr that is told the step and its figures."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=stderr,
    ) as bar:
        row = bar.add_task(name, total=steps, figures="")

        def on_log(step: int, figures: dict[str, float]) -> None:
            bar.update(row, completed=step, figures=_figures(figures))

        yield on_log


def _figures(figures: dict[str, float]) -> str:
    names = ("loss", "exact", "reward", "kl", "mean_token_accuracy")
    told = [f"{name} {float(figures[name]):.3f}" for name in names if name in figures]
    return ", ".join(told)


def done(line: str, *, as_json: bool, **data: Any) -> None:
    """The last word of a command, for a person or a program."""
    if as_json:
        print_json(data)
    else:
        stdout().print(line, highlight=False, soft_wrap=True)
