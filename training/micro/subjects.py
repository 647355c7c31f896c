"""What a micro model can be trained on: tokens, examples, examinations, and words for its card.

Hanoi of all sizes at once, and chain arithmetic, have material of their own; any other subject is a
task, whose pairs it is made of (:mod:`training.micro.pairs`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from transformers import PreTrainedTokenizerFast

from reason.errors import UsageError
from reason.prompt import Prompt
from tasks.base import Task
from tasks.chains import examples as chains
from tasks.hanoi import micro as hanoi
from training.micro.pairs import Pair, Pairs, written
from training.micro.tokenizer import build_tokenizer, learn_tokenizer
from training.micro.trainer import CONTEXT, Draw

Examinations = Callable[[int, int], Mapping[str, Sequence[tuple[Prompt, str]]]]
"""Questions with right answers by name, for a seed and a count."""


class Subject(NamedTuple):
    """One thing that a micro model may know.

    Attributes:
        model: name of the model.
        tokenizer: makes its tokenizer, always the same.
        draw: draws one training example.
        examinations: questions to examine the trained model on.
        about: what the model does.
        data: what it was trained on.
        problem: tells subjects apart that a checkpoint must not mix up.
    """

    model: str
    tokenizer: Callable[[], PreTrainedTokenizerFast]
    draw: Draw
    examinations: Examinations
    about: str
    data: str
    problem: str = ""


def _draw_hanoi(rng: Random) -> tuple[str, ...]:
    return hanoi.draw(rng)


SUBJECTS = {
    "hanoi": Subject(
        hanoi.NAME,
        partial(build_tokenizer, hanoi.SYMBOLS),
        _draw_hanoi,
        hanoi.examinations,
        "It does one thing: given the pegs of a\nTowers of Hanoi puzzle, the previous move and the "
        "direction in which disk 1 turns, it writes the\nnext move and the next pegs.",
        "random legal states of 1 to 20 disks with a random matching previous move, drawn afresh\n"
        "  for every step ({examples:,} examples in all). States are not taken from solutions. One "
        'prompt in\n  64, by hash, is never trained on; the "unseen" rows below come from those.',
    ),
    "chains": Subject(
        chains.NAME,
        partial(build_tokenizer, chains.SYMBOLS),
        chains.draw,
        chains.examinations,
        "It is the black-box *solver*\nof the nano-scale DaSLaM: it answers chain-arithmetic "
        "problems in words, and subquestions about them.\n"
        "It is good at one operation and poor at chains.",
        "random problems of 1 to 6 operations with subquestions of 1 to 3 operations and their\n"
        "  answers, drawn afresh for every step ({examples:,} examples in all). One problem in 32, "
        "by hash,\n  is never trained on; the rows below come from those.",
    ),
}


def name_of(task: Task) -> str:
    """The name of a task's micro model."""
    return f"{task.name}-micro"


def subject_of(task: Task) -> Subject:
    """A subject made of a task's own pairs.

    Raises UsageError for a task that gives none, or whose prompts a micro model cannot hold.
    """
    pairs = Pairs(task)
    texts = [text for pair in pairs.probe for text in (written(pair.prompt), pair.answer)]
    tokenizer = learn_tokenizer(texts)
    longest = max(len(tokenizer(" ".join(_example(pair)))["input_ids"]) for pair in pairs.probe)
    if longest >= CONTEXT:
        raise UsageError(
            f"a step of {task.label} takes {longest} tokens, and a micro model has {CONTEXT}: "
            "shorten the prompts of the task, or make the problem smaller"
        )
    kept = (
        "One prompt in 64, by hash, is never trained on."
        if pairs.keeps
        else ("Its prompts are so few\n  that all of them are trained on.")
    )
    return Subject(
        name_of(task),
        lambda: tokenizer,
        lambda rng: _example(pairs.known(rng)),
        partial(_examinations, pairs),
        f"It does one thing: a step of\n`{task.name}`, asked in any of the task's ways.",
        f"random steps of {task.label} with their right answers, drawn afresh for every step\n"
        f"  ({{examples:,}} examples in all). {kept}",
        f"{task.name} {json.dumps(dict(task.parameters), sort_keys=True)}",
    )


def _example(pair: Pair) -> tuple[str, str]:
    return written(pair.prompt), pair.answer


def _examinations(pairs: Pairs, seed: int, count: int) -> dict[str, list[tuple[Prompt, str]]]:
    """Any steps, and steps never trained on where there are such."""
    rng = Random(f"examination {seed}")
    any_steps = [pairs.any(rng) for _ in range(count)]
    unseen = [pair for _ in range(count if pairs.keeps else 0) if (pair := pairs.unseen(rng))]
    found = {"any steps": any_steps, "unseen steps": unseen}
    return {name: [pair[:2] for pair in drawn] for name, drawn in found.items() if drawn}
