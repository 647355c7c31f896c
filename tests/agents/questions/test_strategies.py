"""The strategies on simulated roles of known skill, and on models that answer rubbish."""

import asyncio
import json
import threading
from random import Random

import pytest

from agents.questions.desk import Desk, Manner
from agents.questions.election import Election
from agents.questions.plain import fresh_election
from agents.questions.prompting import load_prompts
from agents.questions.strategies import Outcome, Strategy, work
from agents.questions.trace import count
from agents.spending import Spending
from engines.base import FinishReason, Request, Sample
from engines.simulated import SimulatedModel
from tasks.questions.base import Question
from tasks.questions.rehearsal import rehearse

STRATEGIES: list[Strategy] = ["direct", "vote", "recursive", "daslam", "auto"]


def product(rng: Random, digits: int) -> Question:
    a, b = (rng.randrange(10 ** (digits - 1), 10**digits) for _ in range(2))
    return Question(f"{a}x{b}", f"What is {a} * {b}?", "number", str(a * b))


class Says:
    """A model that gives the same answer to everything."""

    spec = model = "says"
    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, *texts: str, finish: FinishReason = "stop") -> None:
        self.texts, self.finish = texts, finish
        self.asked: list[str] = []

    async def sample(self, request: Request) -> list[Sample]:
        content = (
            request.prompt if isinstance(request.prompt, str) else request.prompt[-1]["content"]
        )
        self.asked.append(content)
        numbers = range(request.first, request.first + len(request.temperatures))
        return [
            Sample(self.texts[at % len(self.texts)], self.finish, 1, 1, self.model)
            for at in numbers
        ]

    async def close(self) -> None: ...


class Turning(Says):
    """A model that gives its answers one after the other, whatever is asked."""

    async def sample(self, request: Request) -> list[Sample]:
        samples = await super().sample(request)
        spoken, self.texts = self.texts[: len(samples)], self.texts[len(samples) :]
        return [sample._replace(text=text) for sample, text in zip(samples, spoken, strict=True)]


async def ask(
    question: Question,
    strategy: Strategy,
    solver: SimulatedModel | Says,
    decomposer: SimulatedModel | Says | None = None,
    **manner: int,
) -> Outcome:
    helper = decomposer or solver
    spending = Spending([solver, helper])
    engines = {"solver": solver, "decomposer": helper, "judge": helper}
    words = dict.fromkeys(engines, load_prompts())
    desk = Desk(engines, Manner(**manner), words, spending)  # type: ignore[arg-type]
    outcome = await work(question, strategy, desk)
    assert outcome.calls == desk.calls >= spending.samples
    json.dumps(outcome.node)
    return outcome


def simulated(error: float, flag: float, seed: int) -> SimulatedModel:
    return SimulatedModel(f"sim:{seed}", rehearse, error=error, flag=flag, seed=seed)


async def test_recursion_multiplies_twelve_digits_fifty_times_out_of_fifty() -> None:
    rng, right, direct = Random(1), 0, 0
    for seed in range(50):
        question, model = product(rng, 12), simulated(0.05, 0.05, seed)
        outcome = await ask(question, "recursive", model, k=4, max_votes=60, proposals=5)
        right += outcome.answer == question.gold
        direct += (await ask(question, "direct", model)).answer == question.gold
        assert count(outcome.node)[0] == outcome.calls
    assert right == 50
    assert direct == 0


async def test_voting_cannot_do_what_the_solver_cannot() -> None:
    question = product(Random(2), 12)
    outcome = await ask(question, "vote", simulated(0.05, 0.05, 1), k=5)
    assert outcome.answer != question.gold


async def test_voting_mends_slips_within_the_solvers_skill() -> None:
    rng, votes, singles = Random(3), 0, 0
    for seed in range(40):
        question, model = product(rng, 3), simulated(0.3, 0.1, seed)
        votes += (await ask(question, "vote", model, k=4, max_votes=80)).answer == question.gold
        singles += (await ask(question, "direct", model)).answer == question.gold
    assert votes >= 39
    assert singles < 36


async def test_auto_decomposes_only_what_stays_undecided() -> None:
    easy = await ask(product(Random(4), 2), "auto", simulated(0, 0, 1), k=3)
    assert (easy.calls, easy.decided) == (3, True)
    torn = Says("Answer: 1", "Answer: 2")
    outcome = await ask(product(Random(4), 2), "auto", torn, k=2, max_votes=6)
    assert not outcome.decided
    assert len(outcome.node["children"]) == 2


async def test_auto_gives_the_decompositions_leader_where_the_vote_has_none() -> None:
    texts = ["no", "no", "no", "no", "Answer: 1", "Answer: 2", "Answer: 1", "Answer: 2"]
    question, silent = product(Random(4), 2), Says("no")
    outcome = await ask(question, "auto", Turning(*texts), silent, k=2, max_votes=4)
    assert (outcome.answer, outcome.decided) == ("1", False)


async def test_answers_that_take_long_to_compare_leave_the_event_loop_free() -> None:
    free = threading.Event()
    election = Election(str, lambda one, other: free.wait(20), 3, slow=True)
    asyncio.get_running_loop().call_later(0.01, free.set)
    await election.count([Sample(text, "stop", 1, 1, "says") for text in ("a", "b", "a")])
    assert election.race.counts == {"a": 3}, "the loop did not run while answers were compared"
    assert fresh_election("math", 1).slow
    assert not any(fresh_election(kind, 1).slow for kind in ("number", "letter", "text", "exact"))


GARBAGE = [
    "",
    " ",
    "I cannot help with that.",
    "}{" * 50,
    "\ud83d\ude00" * 20,
    "Answer:",
    "9" * 5000,
]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("text", GARBAGE)
async def test_garbage_is_counted_and_never_crashes(strategy: Strategy, text: str) -> None:
    outcome = await ask(product(Random(5), 4), strategy, Says(text), max_votes=6, max_calls=500)
    assert outcome.answer is None or text.startswith("9")
    assert not outcome.decided or text.startswith("9")


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_over_long_answers_are_red_flags(strategy: Strategy) -> None:
    cut = Says("Answer: 12", finish="length")
    outcome = await ask(product(Random(5), 4), strategy, cut, max_votes=6)
    assert outcome.answer is None
    assert count(outcome.node)[1] == count(outcome.node)[0]


@pytest.mark.parametrize("strategy", ["recursive", "daslam", "vote"])
async def test_a_question_stops_at_its_own_limit(strategy: Strategy) -> None:
    model = simulated(0.2, 0.2, 1)
    outcome = await ask(product(Random(6), 12), strategy, model, max_calls=4, k=6, max_votes=60)
    assert outcome.answer is None
    assert "used up its 4 answers" in outcome.node["note"]


async def test_daslam_shows_the_decomposer_the_attempt_and_the_solver_the_answers() -> None:
    solver = Says("Let me see.\nAnswer: 7")
    decomposer = Says("1. How many apples?\n2. How many pears?")
    question = Question("q", "How much fruit?", "number", "7")
    outcome = await ask(question, "daslam", solver, decomposer, k=2)
    assert outcome.answer == "7"
    (seen,) = decomposer.asked
    assert "Let me see.\nAnswer: 7" in seen
    first, apples, pears, again = solver.asked
    assert "How much fruit?" in first
    assert "How many pears?" not in apples
    assert "Question: How many apples?\nAnswer: 7" in pears
    assert "Question: How many pears?\nAnswer: 7" in again
    # The first answer counts as one of the two votes.
    assert outcome.node["tally"] == [("7", 2)]
    kinds = [child["kind"] for child in outcome.node["children"]]
    assert kinds == ["decomposition", "subquestion", "subquestion"]


async def test_sub_answers_are_voted_on_where_a_margin_is_asked_for() -> None:
    solver = Says("Answer: 3", "Answer: 4 pears", "Answer: 4", "Answer: 4")
    question, decomposer = Question("q", "How much?", "number", "4"), Says("1. How many pears?")
    for sub_k, said in ((1, "3"), (2, "4 pears")):
        outcome = await ask(question, "daslam", solver, decomposer, sub_k=sub_k)
        _, pears = outcome.node["children"]
        assert pears["answer"] == said
    assert pears["tally"] == [("4 pears", 3), ("3", 1)]


async def test_a_silent_decomposer_leaves_a_plain_vote() -> None:
    outcome = await ask(product(Random(7), 2), "daslam", simulated(0, 0, 1), Says("no"), k=2)
    assert outcome.answer == product(Random(7), 2).gold
    assert outcome.node["children"][0]["flagged"] == 3
