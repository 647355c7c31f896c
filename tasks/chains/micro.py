"""The micro models that ship for chain arithmetic, and the questions that they understand."""

import re
from pathlib import Path

from tasks.chains.problems import ADDING, HALVING, PEOPLE, SCALING, TAKING, THINGS

MODELS = Path(__file__).parent / "model"
SOLVER = MODELS / "chain-solver.gguf"
SOLVER_2 = MODELS / "chain-solver-2.gguf"
DECOMPOSER = MODELS / "chain-decomposer.gguf"
DECOMPOSER_SFT = MODELS / "chain-decomposer-sft.gguf"
"""A solver that nothing was trained on, and the decomposer before its policy gradient."""

EXAMPLE = "Mia has 12 pens. She buys 5. She loses 8. She doubles them. How many now?"

_CHANGES = "|".join([rf"(?:{'|'.join((*ADDING, *TAKING))}) \d{{1,2}}", *SCALING, HALVING])
_PROBLEM = re.compile(
    rf"(?:{'|'.join(PEOPLE)}) has \d{{1,2}} (?:{'|'.join(THINGS)})\."
    rf"(?: (?:He|She) (?:{_CHANGES})\.)+ How many now\?"
)


def is_understood(question: str) -> bool:
    """Whether a question is in the words that the micro models were trained on."""
    return _PROBLEM.fullmatch(question.strip()) is not None
