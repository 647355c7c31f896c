"""Procedural questions of reasoning-gym: any of its generators is a question set, with its scorer.

A set is named ``gym:GENERATOR`` (``gym:chain_sum``) and made afresh from a seed, so there is no end
of unseen questions. An answer is right when the generator's own scorer gives it full marks.
"""

import difflib
from functools import lru_cache
from typing import Any

from reason.errors import UsageError
from tasks.questions.base import Question

PREFIX = "gym:"


def gym_questions(name: str, count: int, seed: int = 0) -> list[Question]:
    """The first ``count`` questions of a generator. Raises UsageError for an unknown one."""
    dataset = _dataset(name, count, seed)
    source = f"{PREFIX}{name}:{seed}:{count}"
    return [
        Question(f"{name}-{seed}-{at}", row["question"], "exact", str(row["answer"]), source)
        for at, row in enumerate(dataset[at] for at in range(count))
    ]


def gym_right(question: Question, answer: str) -> bool:
    """Whether a generator's scorer gives an answer to its question full marks."""
    name, seed, count = question.source.removeprefix(PREFIX).split(":")
    dataset = _dataset(name, int(count), int(seed))
    entry = dataset[int(question.id.rsplit("-", 1)[1])]
    return float(dataset.score_answer(answer, entry)) >= 1.0


@lru_cache(maxsize=8)
def _dataset(name: str, count: int, seed: int) -> Any:
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise UsageError("gym: needs reasoning-gym: pip install 'reason[gym]'") from None
    if name not in DATASETS:
        close = ", ".join(difflib.get_close_matches(name, list(DATASETS), n=3)) or "no name near it"
        raise UsageError(f"reasoning-gym has no generator {name!r}; there is {close}")
    return reasoning_gym.create_dataset(name, size=count, seed=seed)
