"""Examining an exported micro model through the engine that serves it, and writing its card."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.theory import wilson
from engines.base import Engine, Request
from engines.concurrency import together
from engines.spec import EngineOptions, open_engine
from reason.prompt import Prompt
from training.micro.subjects import Subject
from training.micro.trainer import MicroRecipe


@dataclass(frozen=True)
class Mark:
    """The result of one examination: exact answers at one temperature."""

    name: str
    temperature: float
    right: int
    asked: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the accuracy."""
        return wilson(self.right, self.asked)


async def examine(
    gguf: Path,
    examinations: Mapping[str, Sequence[tuple[Prompt, str]]],
    temperatures: Sequence[float],
    max_tokens: int = 128,
) -> list[Mark]:
    """Ask every question once at every temperature; an answer is right to the letter or wrong."""
    engine = open_engine(f"gguf:{gguf}", EngineOptions(concurrency=32))
    try:
        return [
            await _mark(engine, name, pairs, temperature, max_tokens)
            for name, pairs in examinations.items()
            for temperature in temperatures
        ]
    finally:
        await engine.close()


async def _mark(
    engine: Engine,
    name: str,
    pairs: Sequence[tuple[Prompt, str]],
    temperature: float,
    max_tokens: int,
) -> Mark:
    async def right(prompt: Prompt, answer: str) -> bool:
        (sample,) = await engine.sample(Request(prompt, max_tokens, (temperature,)))
        return sample.text == answer

    outcomes = await together(right(prompt, answer) for prompt, answer in pairs)
    return Mark(name, temperature, sum(outcomes), len(pairs))


CARD = """\
# {name}

A purpose-trained micro model of {parameters:,} parameters. {about} It is no
general language model and knows nothing else.

- **Architecture**: Llama, hidden {hidden}, {layers} layers, {heads} heads, feed-forward {inner},
  byte-level BPE of {vocabulary} tokens; float16 GGUF of {size:,} bytes.
- **Data**: {data}
- **Training**: {steps:,} steps of {batch}, AdamW, peak rate {learning_rate:g}, {warmup} steps of
  warm-up, cosine; seed {seed}; {minutes:.0f} minutes on CPU.
- **Command**: `{command}`

| exact answers | T | right | accuracy | 95% interval (Wilson) |
|---|---|---|---|---|
{rows}
"""


def write_card(
    path: Path,
    subject: Subject,
    recipe: MicroRecipe,
    marks: Sequence[Mark],
    *,
    parameters: int,
    vocabulary: int,
    size: int,
    minutes: float,
    command: str,
) -> None:
    """Write the model card from the run's own figures."""
    rows = "\n".join(
        f"| {mark.name} | {mark.temperature:g} | {mark.right:,} of {mark.asked:,} | "
        f"{mark.right / mark.asked:.4f} | {mark.interval[0]:.4f} to {mark.interval[1]:.4f} |"
        for mark in marks
    )
    card = CARD.format(
        **asdict(recipe),
        name=subject.model,
        about=subject.about,
        data=subject.data.format(examples=recipe.steps * recipe.batch),
        parameters=parameters,
        vocabulary=vocabulary,
        size=size,
        minutes=minutes,
        command=command,
        rows=rows,
    )
    path.write_text(card, encoding="utf-8")
