"""Rewards of a decomposition: functions of (row, rollout), each bounded, none growing with length.

R1 to R5 are the five components of DaSLaM (EMNLP 2023). The published code computed most of them
otherwise than the paper describes; docs/training.md tells what, and what is mended here.
Similarities are cosines of word counts. ``uplift`` is what a decomposition is for, and ``form``
keeps it readable; these two are the default. Rewards read the training rows' solutions; the
decomposer never sees one.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from training.decomposer.rollout import Rollout
from training.decomposer.rows import Row

Reward = Callable[[Row, Rollout], float]

_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_STOP = frozenset(
    """a an and are as at be by did do does for from had has have he her him his how i if in is it
    its many more much now of on or she so than that the their them then there they this to was
    were what when which who will with would you""".split()  # noqa: SIM905
)
_OPERATIONS = {
    "+": "plus add adds added buy buys bought find finds found win wins won pick picks get gets "
    "got more total sum together gain gains",
    "-": "minus subtract subtracts lose loses lost sell sells sold drop drops give gives gave "
    "break breaks less left fewer remain remains difference",
    "*": "times multiply multiplied double doubles twice triple triples product per",
    "/": "divide divides divided half halves halve split share shared quotient average",
}
_OPERATION = {word: sign for sign, words in _OPERATIONS.items() for word in words.split()}
_SIGN = {"×": "*", "·": "*", "÷": "/", "−": "-"}
_TOKEN = re.compile(r"[a-z]+|[-+*/×·÷−]")


def uplift(row: Row, rollout: Rollout) -> float:
    """1 when the guided answer is right and the first was not, -1 the other way round, else 0."""
    return float(rollout.after) - float(rollout.before)


def form(row: Row, rollout: Rollout) -> float:
    """1 for a readable decomposition without a repeated subquestion, else 0."""
    asked = rollout.subquestions
    return float(bool(asked) and len(set(asked)) == len(asked))


def entities(row: Row, rollout: Rollout) -> float:
    """R1: share of the question's content words and numbers that the subquestions mention."""
    wanted = _content(row.question)
    told = _content(" ".join(rollout.subquestions))
    return len(wanted & told) / len(wanted) if wanted else 0.0


def subanswers(row: Row, rollout: Rollout) -> float:
    """R2: mean similarity of each subquestion, in its context, to the answer it got; 0 to 1."""
    pairs = list(zip(rollout.subquestions, rollout.answers, strict=False))
    if not pairs:
        return 0.0
    context, scores = row.question, []
    for asked, said in pairs:
        scores.append(_cosine(f"{context} {asked}", said))
        context = f"{context} {said}"
    return sum(scores) / len(scores)


def order(row: Row, rollout: Rollout) -> float:
    """R3: longest common subsequence of operations of solution and subquestions; 0 to 1."""
    wanted = operations(row.solution)
    given = operations("\n".join(rollout.subquestions))
    longest = max(len(wanted), len(given))
    return _common(wanted, given) / longest if wanted and given else 0.0


def thought(row: Row, rollout: Rollout) -> float:
    """R4: similarity of the guided answers to the solution, less that of the first; -1 to 1."""
    guided = "\n".join((*rollout.answers, rollout.final))
    return _nearness(row.solution, guided) - _nearness(row.solution, row.first or "")


def correct(row: Row, rollout: Rollout) -> float:
    """R5: whether the guided answer is right."""
    return float(rollout.after)


REWARDS: dict[str, Reward] = {
    reward.__name__: reward
    for reward in (uplift, form, entities, subanswers, order, thought, correct)
}

DEFAULT_WEIGHTS = {"uplift": 1.0, "form": 0.2}


def operations(text: str) -> list[str]:
    """The operations of a text, in its own order: signs, and words that tell of them."""
    found = []
    for token in _TOKEN.findall(_without_minus_signs(text.lower())):
        sign = _SIGN.get(token, token if token in "+-*/" else _OPERATION.get(token))
        if sign:
            found.append(sign)
    return found


def _without_minus_signs(text: str) -> str:
    """A minus at the start of a number, or inside a word, is no operation."""
    return re.sub(r"(?<![\w)])-(?=\d)|(?<=[a-z])-(?=[a-z])", " ", text)


def _content(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower()) if word not in _STOP}


def _cosine(one: str, other: str) -> float:
    a, b = Counter(_WORD.findall(one.lower())), Counter(_WORD.findall(other.lower()))
    if not a or not b:
        return 0.0
    dot = sum(count * b[word] for word, count in a.items())
    return dot / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))


def _nearness(solution: str, text: str) -> float:
    """Mean over the solution's lines of the best similarity to a line of the text; 0 to 1."""
    wanted = [line for line in solution.splitlines() if line.strip()]
    given = [line for line in text.splitlines() if line.strip()]
    if not wanted or not given:
        return 0.0
    return sum(max(_cosine(line, other) for other in given) for line in wanted) / len(wanted)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for item in one:
        last = 0
        for at, candidate in enumerate(other, 1):
            last, row[at] = row[at], last + 1 if item == candidate else max(row[at], row[at - 1])
    return row[-1]
