"""Stage one, supervised fine-tuning: (question, the solver's own first answer) -> subquestions.

TRL's SFTTrainer on prompt and completion, with loss on the completion alone. The prompt is the very
one of the ``daslam`` strategy, so the model is asked in training as it will be in use.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from agents.questions.daslam import decomposer_fields
from agents.questions.desk import Manner
from agents.questions.prompting import Prompts
from training.decomposer.models import check_rank, load, lora
from training.decomposer.rows import Row, fingerprint, numbered
from training.decomposer.trainers import (
    OnLog,
    Schedule,
    claim,
    common,
    finished,
    run,
    watcher,
)

LONGEST = 1024  # tokens of prompt and completion


def prompt(row: Row, words: Prompts) -> Any:
    """What the decomposer is asked about a row: text, or the messages of a chat."""
    most = Manner().max_subquestions
    return words.write("subquestions", **decomposer_fields(row.question, row.first or "", most))


def example(row: Row, words: Prompts) -> dict[str, Any]:
    """A row as TRL's prompt and completion."""
    asked, wanted = prompt(row, words), numbered(row.subquestions)
    if isinstance(asked, str):
        return {"prompt": asked, "completion": wanted.removeprefix(words.lead("subquestions"))}
    return {"prompt": asked, "completion": [{"role": "assistant", "content": wanted}]}


def train_sft(
    model: str,
    rows: Sequence[Row],
    out: Path,
    schedule: Schedule,
    *,
    rank: int,
    restart: bool,
    on_log: OnLog,
) -> None:
    """Fine-tune ``model`` and leave it in ``out/model``; goes on from a checkpoint there.

    A training that is finished is left as it is.

    Args:
        model: ``micro``, or the name of a model or adapter.
        rows: with subquestions and first answers.
        out: folder of this stage.
        schedule: steps, batch and rate.
        rank: of the LoRA; 0 trains all weights.
        restart: whether checkpoints are thrown away first.
        on_log: told the figures of every step.

    Raises UsageError for another stage's folder or an unusable model.
    """
    check_rank(model, rank)
    settings = {"stage": "sft", "model": model, "rows": len(rows), "rank": rank}
    settings |= {
        "data": fingerprint(rows),
        "schedule": {**schedule.__dict__, "report_to": list(schedule.report_to)},
    }
    claim(out, settings, restart=restart)
    if finished(out, restart=restart):
        return
    decomposer = load(model, schedule.seed, out)
    data = Dataset.from_list([example(row, decomposer.words) for row in rows])
    config = SFTConfig(
        **common(schedule, out),
        max_length=LONGEST,
        completion_only_loss=True,
        lr_scheduler_type="cosine",
        warmup_steps=min(100, schedule.steps // 10),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, about settings that are meant so
        trainer = SFTTrainer(
            decomposer.model,
            args=config,
            train_dataset=data,
            processing_class=decomposer.tokenizer,
            peft_config=lora(rank),
            callbacks=[watcher(on_log)],
        )
        run(trainer, out, settings)
