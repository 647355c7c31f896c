"""What the two stages share: settings of every TRL trainer, progress, exact resumption."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback, TrainerState

from reason.errors import UsageError
from runs.files import make_folder, write_json

STATE = "trainer_state.json"  # of a checkpoint; written last

OnLog = Callable[[int, dict[str, float]], None]
"""Told the step and the trainer's figures, every step."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a stage trains.

    Attributes:
        steps: optimiser steps.
        batch: examples (or completions) per device and step.
        accumulate: batches that one step adds up.
        learning_rate: its peak.
        seed: of everything drawn.
        save_every: steps between checkpoints.
        report_to: trackers that get the metrics, such as tensorboard or wandb.
    """

    steps: int
    batch: int
    learning_rate: float
    accumulate: int = 1
    seed: int = 1
    save_every: int = 50
    report_to: tuple[str, ...] = ()


def common(schedule: Schedule, out: Path) -> dict[str, Any]:
    """Settings of every trainer."""
    gpu = torch.cuda.is_available()
    return {
        "output_dir": str(out / "checkpoints"),
        "max_steps": schedule.steps,
        "per_device_train_batch_size": schedule.batch,
        "gradient_accumulation_steps": schedule.accumulate,
        "learning_rate": schedule.learning_rate,
        "seed": schedule.seed,
        "bf16": gpu,
        "use_cpu": not gpu,
        "activation_checkpointing": gpu,
        "logging_steps": 1,
        "save_steps": schedule.save_every,
        "save_total_limit": 2,
        "report_to": list(schedule.report_to),
        "disable_tqdm": True,
        "dataloader_pin_memory": gpu,
    }


def watcher(on_log: OnLog) -> TrainerCallback:
    """A callback that passes every step's figures on."""

    class Told(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            on_log(state.global_step, dict(logs or {}))

    return Told()


def run(trainer: Any, out: Path, settings: dict[str, Any]) -> None:
    """Train from the newest checkpoint of ``out``, or from the start; save model and figures."""
    trainer.remove_callback(PrinterCallback)  # standard output is the command's own
    _train(trainer, last_checkpoint(out / "checkpoints"))
    done, wanted = trainer.state.global_step, trainer.args.max_steps
    if done < wanted:
        raise UsageError(f"only {done} of {wanted} steps could be trained: there are too few rows")
    trainer.save_model(str(out / "model"))
    if is_first():
        trainer.processing_class.save_pretrained(str(out / "model"))
        rows = [row for row in trainer.state.log_history if "loss" in row]
        write_json(out / "training.json", {"settings": settings, "history": rows})


def _train(trainer: Any, newest: Path | None) -> None:
    """Train on from a checkpoint; the last one is only loaded, for a trainer would add a step."""
    if newest is None or _step(newest) < trainer.args.max_steps:
        trainer.train(resume_from_checkpoint=str(newest) if newest else None)
        return
    trainer._load_from_checkpoint(str(newest))
    trainer.state = TrainerState.load_from_json(str(newest / STATE))


def finished(out: Path, *, restart: bool) -> bool:
    """Whether a stage is done already: its figures are written last."""
    return not restart and (out / "training.json").is_file()


def processes() -> int:
    """How many processes train side by side."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the first, or the only, process of a training: it alone writes."""
    return os.environ.get("RANK", "0") == "0"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / STATE).is_file()]
    return max(whole, key=_step, default=None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def claim(out: Path, settings: dict[str, Any], *, restart: bool) -> None:
    """Make a stage's folder, or check that it holds this very stage. Raises UsageError."""
    saved, path = dict[str, Any](), out / "stage.json"
    if path.is_file() and not restart:
        saved = json.loads(path.read_text(encoding="utf-8"))
    # A folder of an earlier version told less, which is no difference.
    changed = [name for name, value in settings.items() if saved.get(name, value) != value]
    if changed:
        raise UsageError(
            f"{out} holds a training with other {', '.join(changed)}: give the same settings, "
            "another --out, or --restart"
        )
    if not is_first():
        return
    if restart:
        _clear(out, str(settings.get("model", "")))
    make_folder(out)
    write_json(path, settings)


def _clear(out: Path, model: str) -> None:
    """Throw away what an earlier training left, the model that it began with included."""
    if model and Path(model).resolve().is_relative_to(out.resolve()):
        raise UsageError(
            f"--restart would throw away {model}, the model to train: give another --out"
        )
    (out / "training.json").unlink(missing_ok=True)
    for name in ("checkpoints", "model", "base"):
        shutil.rmtree(out / name, ignore_errors=True)
