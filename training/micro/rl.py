"""Policy gradient on a micro-agent's own red flags and errors.

A rollout is one answer to one step. Its reward is what the task says of it: 1 for the right step,
0 for a red flag, -1 for a wrong step, since a flagged answer costs one more answer and a wrong one
raises the margin that every step needs. TRL's RLOOTrainer takes the gradient, with a
leave-one-out baseline among the answers to one prompt, its clipping, and the KL to the start model
inside the reward (measured: 2 to 4 seconds a step of 256 answers on one core, so no own loop).

Answers that are all right, or all wrong, teach nothing, and most steps of a fair model are of that
kind. Training therefore goes in rounds. Each begins by asking the model, as llama.cpp serves it,
random steps, and keeps those at which it erred or was flagged; half of the round's prompts are
drawn from these, and half are fresh, so that what it can do is not unlearned.

A finished round is a checkpoint, and so is every few steps within one. The KL is to the start model
in all rounds.
"""

import asyncio
import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast
from trl import RLOOConfig, RLOOTrainer

from engines.base import Engine, Request
from engines.concurrency import together
from engines.spec import EngineOptions, open_engine
from runs.files import write_json
from training.decomposer.trainers import OnLog, Schedule, claim, common, run, watcher
from training.micro.export import export_gguf, export_safetensors
from training.micro.load import load_micro
from training.micro.pairs import Mark, Pair, Pairs, written

REWARDS: dict[Mark, float] = {"right": 1.0, "flagged": 0.0, "wrong": -1.0}
HARD = 0.5  # share of a round's prompts at which the model erred
SLACK = 8  # tokens that an answer may have more than the longest right one


@dataclass(frozen=True)
class Practice:
    """Settings of the policy gradient.

    Attributes:
        rounds: how often errors are looked for.
        asked: steps asked for that in each round.
        generations: answers per prompt; a batch holds whole groups of them.
        beta: weight of the KL to the start model.
        temperature: of the answers.
    """

    rounds: int = 4
    asked: int = 1000
    generations: int = 8
    beta: float = 0.02
    temperature: float = 1.0


@dataclass(frozen=True)
class Mined:
    """What a round found: steps asked, wrong and flagged answers among them."""

    asked: int
    wrong: int
    flagged: int


def export_start(start: Path, out: Path, name: str) -> Path:
    """The model to start from, in ``out/start``; returns its GGUF file. Raises UsageError."""
    model, tokenizer = load_micro(start)
    gguf = out / "start" / f"{name}.gguf"
    export_gguf(model, tokenizer, gguf, name)
    export_safetensors(model, tokenizer, out / "start" / "safetensors")
    return gguf


def train_rl(
    pairs: Pairs,
    out: Path,
    name: str,
    schedule: Schedule,
    practice: Practice,
    *,
    on_log: OnLog,
) -> list[Mined]:
    """Train the model of ``out/start`` in rounds, going on from what is there; export to ``out``.

    Leaves ``safetensors/`` and ``NAME.gguf``. Returns what the rounds found.
    """
    found, model = [], out / "start" / "safetensors"
    steps = -(-schedule.steps // practice.rounds)
    for at in range(practice.rounds):
        part = Round(
            pairs,
            model,
            out / "start" / "safetensors",
            out / "checkpoints" / f"round-{at + 1}",
            replace(schedule, steps=steps, seed=schedule.seed + at),
            practice,
        )
        found.append(part.carry_out(_shifted(on_log, at * steps)))
        model = part.model
    trained, tokenizer = load_micro(model)
    export_safetensors(trained, tokenizer, out / "safetensors")
    export_gguf(trained, tokenizer, out / f"{name}.gguf", name)
    return found


def claim_folder(out: Path, settings: dict[str, Any], *, restart: bool) -> None:
    """Make the folder, or check that it holds this very training. Raises UsageError."""
    if restart:
        shutil.rmtree(out / "start", ignore_errors=True)
    claim(out, settings, restart=restart)


def _shifted(on_log: OnLog, by: int) -> OnLog:
    return lambda step, figures: on_log(by + step, figures)


@dataclass(frozen=True)
class Round:
    """One round: look for errors, train on them.

    Attributes:
        pairs: of the task.
        start: folder of the model that the round begins with.
        reference: folder of the model that the KL is to.
        folder: of the round.
        schedule, practice: settings.
    """

    pairs: Pairs
    start: Path
    reference: Path
    folder: Path
    schedule: Schedule
    practice: Practice

    @property
    def model(self) -> Path:
        """Folder of the model that the round ends with."""
        return self.folder / "model"

    def carry_out(self, on_log: OnLog) -> Mined:
        """Mine and train; nothing where that is done already."""
        mined, rows = self._rows()
        if not (self.folder / "training.json").is_file():
            self._train(rows, on_log)
        return mined

    def _rows(self) -> tuple[Mined, list[Pair]]:
        """The round's prompts: chosen once, for a round that is gone on with needs the same."""
        asked = self._asked()
        path = self.folder / "mined.json"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(path, {"marks": asyncio.run(self._marks(asked))})
        marks: list[Mark] = json.loads(path.read_text(encoding="utf-8"))["marks"]
        hard = [pair for pair, mark in zip(asked, marks, strict=True) if mark != "right"]
        rng, count = Random(f"rows {self.schedule.seed}"), self._prompts()
        rows = [
            rng.choice(hard) if hard and rng.random() < HARD else self.pairs.known(rng)
            for _ in range(count)
        ]
        return Mined(len(marks), marks.count("wrong"), marks.count("flagged")), rows

    def _prompts(self) -> int:
        return self.schedule.steps * self.schedule.batch // self.practice.generations

    def _asked(self) -> list[Pair]:
        rng = Random(f"mine {self.schedule.seed}")
        return [self.pairs.known(rng) for _ in range(self.practice.asked)]

    async def _marks(self, asked: Sequence[Pair]) -> list[Mark]:
        """What the model answers, through llama.cpp."""
        model, tokenizer = load_micro(self.start)
        gguf = self.folder / "asked.gguf"
        export_gguf(model, tokenizer, gguf, "asked")
        engine = open_engine(
            f"gguf:{gguf}", EngineOptions(concurrency=32, threads=torch.get_num_threads())
        )
        cap = longest(tokenizer, self.pairs)
        try:
            return await together(
                self._mark(engine, pair, at, cap) for at, pair in enumerate(asked)
            )
        finally:
            await engine.close()

    async def _mark(self, engine: Engine, pair: Pair, at: int, cap: int) -> Mark:
        heat = (self.practice.temperature,)
        stop = self.pairs.task.stop
        (sample,) = await engine.sample(Request(written(pair.prompt), cap, heat, at, stop))
        return "flagged" if sample.finish == "length" else self.pairs.mark(pair, sample.text)

    def _train(self, rows: Sequence[Pair], on_log: OnLog) -> None:
        model, tokenizer = load_micro(self.start)
        tokenizer.padding_side = "left"
        model.config._name_or_path = str(self.reference)  # what TRL loads for the KL
        cap = longest(tokenizer, self.pairs)
        data = [{"prompt": written(pair.prompt), "at": at} for at, pair in enumerate(rows)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own, about settings that are meant so
            trainer = RLOOTrainer(
                model=model,
                reward_funcs=[reward(self.pairs, rows, tokenizer)],
                args=self._config(cap),
                train_dataset=Dataset.from_list(data),
                processing_class=tokenizer,
                callbacks=[watcher(on_log)],
            )
            run(trainer, self.folder, {"rows": len(rows)})
        tokenizer.save_pretrained(str(self.model))

    def _config(self, cap: int) -> RLOOConfig:
        return RLOOConfig(
            **{**common(self.schedule, self.folder), "activation_checkpointing": False},
            num_generations=self.practice.generations,
            beta=self.practice.beta,
            temperature=self.practice.temperature,
            max_completion_length=cap,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=min(10, self.schedule.steps // 10),
        )


def longest(tokenizer: PreTrainedTokenizerFast, pairs: Pairs) -> int:
    """Tokens that an answer may have: a longer one is flagged, as in use."""
    most = max(len(tokenizer(pair.answer)["input_ids"]) for pair in pairs.probe)
    return min(pairs.task.max_tokens, most + SLACK)


def reward(
    pairs: Pairs, rows: Sequence[Pair], tokenizer: PreTrainedTokenizerFast
) -> Callable[..., list[float]]:
    """The reward as TRL wants it."""

    def marked(
        completions: list[str], completion_ids: list[list[int]], at: list[int], **_: Any
    ) -> list[float]:
        marks: list[Mark] = [
            pairs.mark(rows[row], text) if tokenizer.eos_token_id in ids else "flagged"
            for text, ids, row in zip(completions, completion_ids, at, strict=True)
        ]
        return [REWARDS[mark] for mark in marks]

    return marked
