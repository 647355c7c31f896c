"""Training examples for the micro solver, as transcripts in the very words of its prompts.

    Mia has 12 pens. She buys 5. She loses 8. How many now?
    Question: How many after she buys 5?
    Answer: 17
    Answer: 9

An example alternates what is given and what is learnt, the answers. Three prompts so come from one
form: with no pair it is ``solve``, up to a subquestion ``subquestion``, and with all pairs
``again``. Subquestions may leave operations out; their answers are then those to what was asked.
"""

from random import Random

from tasks.chains.problems import Problem, draw_where, words
from tasks.chains.subquestions import cut, random_sizes

NAME = "chain-solver"
SYMBOLS = words()
MOST = 6  # operations of a problem in training
ALONE = 0.2  # share of examples with no subquestion
SIZES = (6, 2, 1)  # how often a subquestion covers one, two or three operations


def answer(value: int) -> str:
    """What the solver is taught to write after ``Answer:``."""
    return f" {value}\n"


def draw(rng: Random) -> tuple[str, ...]:
    """One training transcript."""
    problem = draw_where(rng, rng.randint(1, MOST), held_out=False)
    if rng.random() < ALONE:
        return f"{problem.text}\nAnswer:", answer(problem.answer)
    return transcript(
        problem, random_sizes(rng, len(problem.operations), SIZES), rng.random() < 0.5
    )


def transcript(problem: Problem, sizes: list[int], whole: bool) -> tuple[str, ...]:
    """Subquestions with their answers, then the problem's; ``whole`` keeps the last subquestion."""
    asked = cut(problem, sizes)
    values = problem.values
    asked = asked if whole or len(asked) == 1 else asked[:-1]
    parts: list[str] = []
    given = f"{problem.text}\n"
    for subquestion in asked:
        parts += [f"{given}Question: {subquestion.text}\nAnswer:", answer(values[subquestion.last])]
        given = ""
    return (*parts, "Answer:", answer(problem.answer))


def examinations(seed: int, count: int) -> dict[str, list[tuple[str, str]]]:
    """Questions by name, from problems never trained on: single operations, and whole chains."""
    rng = Random(f"examination {seed}")
    found: dict[str, list[tuple[str, str]]] = {"a subquestion of one operation": []}
    for _ in range(count):
        problem = draw_where(rng, rng.randint(1, MOST), held_out=True)
        told = transcript(problem, [1] * len(problem.operations), whole=True)
        at = 2 * rng.randrange(len(problem.operations))
        found["a subquestion of one operation"].append(("".join(told[: at + 1]), told[at + 1]))
    for operations in (2, 3, 4, 6):
        name = f"a chain of {operations} operations at once"
        problems = [draw_where(rng, operations, held_out=True) for _ in range(count)]
        found[name] = [(f"{one.text}\nAnswer:", answer(one.answer)) for one in problems]
    return found
