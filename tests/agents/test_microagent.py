"""One step's vote: rounds, temperatures, red flags, non-convergence, several models, failures."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ballot import Ballot
from agents.microagent import Decision, Microagent
from agents.mixture import turns
from agents.policy import Evidence, VotePolicy
from agents.spending import Spending
from agents.voting import Race
from engines.base import Engine, FinishReason, Request, Sample
from engines.simulated import SimulatedModel
from reason.errors import BudgetReached, EngineError, NoConvergence
from tasks.hanoi import compact
from tasks.hanoi.rules import Move, apply, stack
from tasks.hanoi.task import Hanoi

TASK = Hanoi(3)
RIGHT = " 1 A C : 3 2 | | 1"
WRONG = " 1 A B : 3 2 | 1 |"
THIRD = " 1 A B : 3 2 | | 1"
BAD = "no idea"


class Script:
    """An engine that says what a test wrote down, vote by vote, and notes what it was asked."""

    price: tuple[float, float] | None = (1.0, 2.0)

    def __init__(self, *answers: str | tuple[str, FinishReason], model: str = "script") -> None:
        self.spec = self.model = model
        self.answers = answers
        self.requests: list[Request] = []

    async def sample(self, request: Request) -> list[Sample]:
        self.requests.append(request)
        drawn = self.answers[request.first :][: len(request.temperatures)]
        return [self._sample(answer) for answer in drawn]

    def _sample(self, answer: str | tuple[str, FinishReason]) -> Sample:
        if isinstance(answer, str):
            return Sample(answer, "stop", 10, 5, self.model)
        return Sample(*answer, 10, 5, self.model)

    async def close(self) -> None: ...


class OtherWays(Script):
    """Knows nothing when asked plainly, and the right answer when the pegs are renamed."""

    async def sample(self, request: Request) -> list[Sample]:
        asked = next(way for way in TASK.variants() if way.prompt(TASK.initial()) == request.prompt)
        plain = asked.name == TASK.variants()[0].name
        answer = BAD if plain else _say(asked.parse, TASK.parse(RIGHT))
        return [self._sample(answer) for _ in request.temperatures]


def _say(parse: Callable[[str], Any], step: Any) -> str:
    """The text that a way of asking reads as ``step``."""
    texts = (
        compact.write_answer(
            Move(1, source, target), apply(stack(3, source), Move(1, source, target))
        )
        for source in range(3)
        for target in range(3)
        if source != target
    )
    return next(text for text in texts if parse(text) == step)


def agent(*engines: Engine, escalation: Engine | None = None, **settings: Any) -> Microagent:
    policy = replace(VotePolicy(max_tokens=80), **settings)
    everyone = [*engines, *([escalation] if escalation else [])]
    return Microagent(TASK, engines, policy, Spending(everyone), escalation=escalation)


async def decide(*answers: str | tuple[str, FinishReason], **settings: Any) -> Decision:
    return await agent(Script(*answers), **settings).decide(TASK.initial())


async def test_a_unanimous_first_round_decides_with_one_request() -> None:
    engine = Script(RIGHT, RIGHT, RIGHT, RIGHT)
    decision = await agent(engine).decide(TASK.initial())
    assert decision.step == TASK.parse(RIGHT)
    assert (decision.tally, decision.rounds, decision.flagged) == ((3,), 1, 0)
    assert decision.draws == ()
    (request,) = engine.requests
    assert request.temperatures == (0.0, 0.1, 0.1)


async def test_only_as_many_votes_are_topped_up_as_could_decide() -> None:
    engine = Script(RIGHT, WRONG, RIGHT, RIGHT, RIGHT)
    decision = await agent(engine).decide(TASK.initial())
    assert (decision.tally, decision.rounds) == ((4, 1), 2)
    assert [(r.first, r.temperatures) for r in engine.requests] == [
        (0, (0.0, 0.1, 0.1)),
        (3, (0.1, 0.1)),
    ]
    assert [draw.sample.text for draw in decision.draws] == [RIGHT, WRONG, RIGHT, RIGHT, RIGHT]


async def test_a_flagged_first_vote_is_drawn_again_at_a_higher_temperature() -> None:
    engine = Script(BAD, RIGHT)
    decision = await agent(engine, k=1).decide(TASK.initial())
    assert (decision.tally, decision.flagged) == ((1,), 1)
    assert [r.temperatures for r in engine.requests] == [(0.0,), (0.1,)]
    assert [draw.flag for draw in decision.draws] == ["malformed", ""]


async def test_an_answer_that_met_the_cap_is_flagged_even_if_it_parses() -> None:
    decision = await decide((WRONG, "length"), RIGHT, RIGHT, RIGHT)
    assert (decision.tally, decision.flagged) == ((3,), 1)
    assert decision.draws[0].flag == "length"


async def test_a_users_pattern_is_a_red_flag() -> None:
    decision = await decide(WRONG, RIGHT, RIGHT, RIGHT, red_flags=(re.compile("A B"),))
    assert (decision.tally, decision.flagged) == ((3,), 1)
    assert decision.draws[0].flag == "predicate"


async def test_no_convergence_stops_by_default() -> None:
    with pytest.raises(NoConvergence, match=r"\(2, 2\), 1 red-flagged"):
        await decide(RIGHT, WRONG, WRONG, RIGHT, BAD, max_votes=5)


async def test_plurality_takes_the_first_leader_and_says_so() -> None:
    settings: dict[str, Any] = {"max_votes": 3, "on_no_convergence": "plurality"}
    decision = await decide(WRONG, RIGHT, RIGHT, **settings)
    assert (decision.how, decision.step) == ("plurality", TASK.parse(RIGHT))


async def test_plurality_of_nothing_is_no_convergence() -> None:
    with pytest.raises(NoConvergence):
        await decide(BAD, BAD, BAD, max_votes=3, on_no_convergence="plurality")


async def test_an_undecided_step_is_asked_in_the_tasks_other_ways() -> None:
    one = agent(OtherWays(), max_votes=3, on_no_convergence="vary", k=2)
    decision = await one.decide(TASK.initial())
    assert (decision.how, decision.flagged) == ("varied", 3)
    assert decision.step == TASK.parse(RIGHT)


async def test_escalation_votes_afresh_and_counts_the_given_up_votes_as_surplus() -> None:
    expert = Script(RIGHT, RIGHT, RIGHT, model="expert")
    cheap = Script(WRONG, RIGHT, BAD, model="cheap")
    one = agent(cheap, escalation=expert, max_votes=3, on_no_convergence="escalate")
    decision = await one.decide(TASK.initial())
    assert (decision.how, decision.tally) == ("escalated", (3,))
    assert (decision.flagged, decision.surplus, decision.rounds) == (1, 2, 2)
    usage = {part.model: part.samples for part in one.spending.take()}
    assert usage == {"cheap": 3, "expert": 3}


async def test_a_collision_is_two_first_votes_that_both_lose() -> None:
    lost = await decide(WRONG, THIRD, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT)
    assert lost.collision
    assert not (await decide(WRONG, RIGHT, RIGHT, RIGHT, RIGHT)).collision


async def test_several_models_vote_in_turn() -> None:
    first, second = Script(*[RIGHT] * 9, model="a"), Script(*[RIGHT] * 9, model="b")
    one = agent(first, second, k=4)
    await one.decide(TASK.initial())
    assert [r.first for r in first.requests] == [0, 2]
    assert [r.first for r in second.requests] == [1, 3]
    assert {part.model: part.samples for part in one.spending.take()} == {"a": 2, "b": 2}


async def test_a_budget_is_checked_between_rounds_and_every_sample_is_charged() -> None:
    def check() -> None:
        raise BudgetReached("spent")

    one = agent(Script(RIGHT, WRONG, RIGHT))
    one.check = check
    with pytest.raises(BudgetReached):
        await one.decide(TASK.initial())
    assert one.spending.tokens == 45
    assert one.spending.usd == pytest.approx((30 * 1 + 15 * 2) / 1e6)


class Slow(Script):
    """Answers after a wait, and notes whether that wait was cancelled."""

    cancelled = False

    async def sample(self, request: Request) -> list[Sample]:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return []


class Broken(Script):
    """Fails."""

    async def sample(self, request: Request) -> list[Sample]:
        raise EngineError("down")


async def test_a_failure_of_one_model_cancels_the_votes_of_the_others() -> None:
    slow = Slow(model="slow")
    with pytest.raises(EngineError, match="down"):
        await agent(slow, Broken(model="broken")).decide(TASK.initial())
    await asyncio.sleep(0)
    assert slow.cancelled


@given(st.lists(st.sampled_from([RIGHT, WRONG, THIRD, BAD]), min_size=60, max_size=60))
def test_rounds_decide_exactly_as_votes_one_at_a_time(answers: Sequence[str]) -> None:
    """Drawing in rounds neither changes a decision nor draws a vote too many."""
    race, drawn = Race(3), 0
    while drawn < len(answers) and not race.decided:
        if answers[drawn] != BAD:
            race.add(answers[drawn])
        drawn += 1
    engine = Script(*answers)
    outcome = asyncio.run(_outcome(agent(engine, max_votes=60)))
    if race.decided:
        assert outcome == TASK.parse(str(race.leader))
        assert sum(len(r.temperatures) for r in engine.requests) == drawn
    else:
        assert outcome is None


async def _outcome(one: Microagent) -> object:
    try:
        return (await one.decide(TASK.initial())).step
    except NoConvergence:
        return None


@pytest.mark.parametrize("weights", [[1, 1], [3, 1], [50, 50]])
async def test_every_model_takes_the_variants_by_turns(weights: list[int]) -> None:
    models = [SimulatedModel(f"sim:seed={at}", TASK.rehearse, seed=at) for at in (1, 2)]
    policy = VotePolicy(k=6, variants=3, schedule=turns(weights))
    ballot = Ballot(
        Microagent(TASK, models, policy, Spending(models)), tuple(models), TASK.initial()
    )
    assert await ballot.run()
    assert sorted(ballot._prompts) == [0, 1, 2]


async def test_a_reserve_votes_by_margin_whatever_the_votes_of_the_voter_are_worth() -> None:
    weak, strong = Script(*[WRONG] * 9, model="weak"), Script(*[RIGHT] * 3, model="strong")
    policy = VotePolicy(
        k=3, evidence=Evidence((0.5,), 9.0), max_votes=9, on_no_convergence="escalate"
    )
    agent = Microagent(TASK, [weak], policy, Spending([weak, strong]), escalation=strong)
    decision = await agent.decide(TASK.initial())
    assert (decision.how, decision.tally) == ("escalated", (3,))


async def test_what_came_back_is_charged_where_an_earlier_request_failed() -> None:
    class Down(Script):
        async def sample(self, request: Request) -> list[Sample]:
            await asyncio.sleep(0.01)
            raise EngineError("down")

    down, up = Down(RIGHT, model="down"), Script(*[RIGHT] * 4, model="up")
    spending = Spending([down, up])
    agent = Microagent(TASK, [down, up], VotePolicy(k=4), spending)
    with pytest.raises(EngineError):
        await agent.decide(TASK.initial())
    assert spending.samples == 2
