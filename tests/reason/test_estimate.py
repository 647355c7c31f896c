"""``reason estimate`` as a user runs it, and 200 simulated runs against what it foretold."""

import asyncio
import zlib

import pytest

from agents.calibration import Skill, measure
from agents.forecast import Interval
from agents.microagent import Microagent
from agents.policy import VotePolicy
from agents.spending import Spending
from engines.base import Request, Sample
from engines.simulated import SimulatedModel
from reason.prompt import Prompt
from tasks.hanoi.rehearsal import HanoiRehearsal, rehearse
from tasks.hanoi.task import Hanoi
from tests.reason.command import reason


def test_the_papers_setting_offline() -> None:
    arguments = ["--p", "0.9978", "--steps", "1048575", "--target", "0.95"]
    data = reason("estimate", *arguments, "--json").data
    assert data["k"] == 3
    assert data["verdict"] == "feasible"
    assert data["cost_usd"] is None
    shown = reason("estimate", *arguments).out
    assert "feasible" in shown
    assert "cost unknown" in shown


def test_a_model_is_measured() -> None:
    model = "sim:error=0.15,flag=0.05"
    data = reason("estimate", "hanoi", "-n", "10", "-m", model, "--samples", "800", "--json").data
    measured = data["measured"]
    assert measured["samples"] == 800
    assert measured["p"]["low"] < 0.85 < measured["p"]["high"]
    assert measured["v"]["low"] < 0.95 < measured["v"]["high"]
    assert measured["lost"] == 0
    assert data["k_range"][0] <= 7 <= data["k_range"][2]
    assert data["cost_usd"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--p", "1.5", "--steps", "3"], "--p must lie between 0 and 1"),
        ([], "give --p and --steps"),
        (["--p", "0.9", "--steps", "3", "--target", "2"], "--target"),
        (["--p", "0.9", "--steps", "1" + "0" * 400], "--steps must be at most"),
        (["hanoi", "-n", "99"], "--disks"),
        (["hanoi", "-n", "3", "-m", "nonsense"], "unknown model spec"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], words: str) -> None:
    outcome = reason("estimate", *arguments)
    assert outcome.code == 2
    assert words in outcome.complaint


def test_prices_of_the_user_go_before_the_list() -> None:
    with open("reason.toml", "w") as file:
        file.write('[prices]\n"m" = [1.0, 2.0]\n')
    shown = reason("config", "show").out
    assert "m" in shown
    with open("reason.toml", "w") as file:
        file.write('[prices]\n"m" = [-1.0, 2.0]\n')
    assert "prices" in reason("config", "show").complaint


class Blind(SimulatedModel):
    """A simulated model that gives one and the same wrong answer to a tenth of the prompts."""

    async def sample(self, request: Request) -> list[Sample]:
        drawn = await super().sample(request)
        if _blind(request.prompt):
            wrong = rehearse(request.prompt).wrong[0]
            return [sample._replace(text=wrong) for sample in drawn]
        return drawn


def _blind(prompt: Prompt) -> bool:
    return zlib.crc32(str(prompt).encode()) % 10 == 0


def examine(engine: SimulatedModel, count: int) -> Skill:
    policy = VotePolicy()
    return asyncio.run(measure(Hanoi(8), [engine], policy, Spending([engine]), count, repeats=16))


def test_steps_that_voting_cannot_mend_are_found() -> None:
    skill = examine(Blind("sim:blind", rehearse, error=0.05), 1000)
    assert skill.lost == pytest.approx(0.1, abs=0.035)
    assert examine(SimulatedModel("sim", rehearse, error=0.05), 1000).lost == 0


@pytest.mark.timeout(300)
def test_two_hundred_runs_succeed_as_often_as_foretold() -> None:
    """k = 2 on 127 steps at p = 0.95 succeeds in about two thirds of the runs."""
    estimate = reason(
        *["estimate", "hanoi", "-n", "7", "-m", "sim:error=0.05", "--k", "2"],
        *["--samples", "4000", "--json"],
    ).data
    told = Interval(**estimate["success"])
    wins = sum(asyncio.run(_wins(seed)) for seed in range(200))
    deviation = (told.estimate * (1 - told.estimate) / 200) ** 0.5
    assert told.low - 3 * deviation <= wins / 200 <= told.high + 3 * deviation


class OneRival(HanoiRehearsal):
    """The closed forms know a single wrong answer; spread over several, errors do less harm."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(prompt)
        self.wrong = super().wrong[:1]


async def _wins(seed: int) -> bool:
    task = Hanoi(7)
    engine = SimulatedModel("sim", OneRival, error=0.05, seed=seed)
    agent = Microagent(task, [engine], VotePolicy(k=2), Spending([engine]))
    state = task.initial()
    for _ in range(task.steps()):
        decision = await agent.decide(state)
        if task.draft(state) != task.advance(state, decision.step):
            return False
        state = task.advance(state, decision.step)
    return True
