"""Chain problems as a question set that no training has seen: ``chains`` or ``chains:FROM-TO``."""

import re
from random import Random

from reason.errors import UsageError
from tasks.chains.problems import draw_where
from tasks.questions.base import Question

NAME = "chains"
OPERATIONS = (3, 6)


def is_chains(data: str) -> bool:
    """Whether the name of a question set means chain problems."""
    return data.partition(":")[0] == NAME


def chain_questions(data: str, count: int, seed: int) -> list[Question]:
    """The first ``count`` held-out problems of a seed. Raises UsageError for an odd name."""
    least, most = _range(data)
    rng = Random(f"unseen chains {least}-{most} {seed}")
    texts: dict[str, str] = {}
    while len(texts) < count:
        problem = draw_where(rng, rng.randint(least, most), held_out=True)
        texts[problem.text] = str(problem.answer)
    return [
        Question(f"chain-{seed}-{at}", text, "number", answer, data)
        for at, (text, answer) in enumerate(texts.items())
    ]


def _range(data: str) -> tuple[int, int]:
    _, _, given = data.partition(":")
    if not given:
        return OPERATIONS
    match = re.fullmatch(r"(\d)(?:-(\d))?", given)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most:
        raise UsageError(f"{data!r} names no chains: write chains, chains:4 or chains:3-6")
    return least, most
