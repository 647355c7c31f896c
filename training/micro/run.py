"""One training run of a micro model, start to end: train, export, examine, write the card."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from training.micro.examine import Mark, examine, write_card
from training.micro.export import export_gguf, export_safetensors
from training.micro.subjects import Subject
from training.micro.trainer import MicroRecipe, MicroTrainer, Progress

SAVE_EVERY = 100
TEMPERATURES = (0.0, 0.7)


def train_micro(
    subject: Subject,
    recipe: MicroRecipe,
    out: Path,
    *,
    restart: bool,
    questions: int,
    command: str,
    on_step: Callable[[Progress], None],
) -> list[Mark]:
    """Train in ``out`` (going on from its checkpoint unless ``restart``) and export there.

    Leaves ``safetensors/``, ``NAME.gguf`` and ``card.md``. Returns the examinations' marks.
    Raises UsageError when ``out`` holds a checkpoint of another recipe.
    """
    tokenizer = subject.tokenizer()
    trainer = MicroTrainer(recipe, tokenizer, subject.draw, out, subject.problem)
    if not restart and trainer.resume():
        on_step(Progress(trainer.done, 0.0, 0.0))
    _train(trainer, on_step)
    gguf = out / f"{subject.model}.gguf"
    export_safetensors(trainer.model, tokenizer, out / "safetensors")
    export_gguf(trainer.model, tokenizer, gguf, subject.model)
    marks = asyncio.run(examine(gguf, subject.examinations(recipe.seed, questions), TEMPERATURES))
    write_card(
        out / "card.md",
        subject,
        recipe,
        marks,
        parameters=trainer.model.num_parameters(),
        vocabulary=len(tokenizer),
        size=gguf.stat().st_size,
        minutes=trainer.seconds / 60,
        command=command,
    )
    return marks


def _train(trainer: MicroTrainer, on_step: Callable[[Progress], None]) -> None:
    start = time.monotonic() - trainer.seconds
    while trainer.done < trainer.recipe.steps:
        on_step(trainer.step())
        trainer.seconds = time.monotonic() - start
        if trainer.done % SAVE_EVERY == 0 or trainer.done == trainer.recipe.steps:
            trainer.save()
