"""What *simulated* solvers say to micro prompts about chain problems, for tests alone.

The simulated solver does one operation rightly and misses by one on any chain of more, so a
decomposition helps it exactly when every subquestion covers a single operation. All is read from
the prompt itself.
"""

import re
from typing import NamedTuple

from reason.prompt import Prompt
from tasks.chains.problems import ADDING, HALVING, SCALING, TOP

_STEP = re.compile(r"(\w+) (\d+)|(doubles|triples|halves) them")
_SAID = re.compile(r"^Answer: (\d+)$", re.M)


class ChainRehearsal(NamedTuple):
    """The right answer to a prompt as the simulated solver gives it, and wrong ones."""

    right: str
    wrong: tuple[str, ...]


def rehearse(prompt: Prompt) -> ChainRehearsal:
    """The simulated solver's answers to ``solve``, ``subquestion`` and ``again``."""
    text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
    problem, _, rest = text.partition("\n")
    said, asked = _SAID.findall(rest), rest.split("Question: ")[1:]
    start = re.search(r"has (\d+)", problem)
    value = int(said[-1]) if said else int(start[1] if start else 0)
    if rest.endswith("?\nAnswer:"):
        steps = _steps(asked[-1])
    else:
        steps = _steps(problem)[len(_steps(" ".join(asked))) :]
    for step in steps:
        value = min(TOP, max(0, _apply(step, value)))
    value += len(steps) > 1
    return ChainRehearsal(f" {value}", (f" {value + 1}", " many"))


def _steps(text: str) -> list[tuple[str, str, str]]:
    return [step for step in _STEP.findall(text) if step[0] != "has"]


def _apply(step: tuple[str, str, str], value: int) -> int:
    verb, number, scale = step
    if scale:
        words = f"{scale} them"
        return value // 2 if words == HALVING else value * SCALING[words]
    return value + int(number) if verb in ADDING else value - int(number)
