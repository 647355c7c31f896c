"""What is settled by measuring the models before a run: the margin, or what their votes are worth.

A plan is made once per run and kept in the journal, so a resumed run neither pays for it again
nor votes by other rules than before. Measuring heeds the run's budgets, and what it cost stays
charged even where it comes to nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from agents.calibration import Skill, choose_k, measure, trials_for
from agents.executor import Executor
from agents.microagent import Microagent
from agents.mixture import by_evidence, turns, weigh
from agents.pilot import Pilot
from agents.policy import Evidence
from engines.base import Engine
from runs.journal import Journal

UNKNOWN_STEPS = 1000  # taken for the length of a task that does not know it


class Planner(Protocol):
    """Settles how a run votes."""

    async def plan(self, executor: Executor) -> None:
        """Measure what is not known yet and set the agent's policy; raises NoConvergence."""
        ...


@dataclass(frozen=True)
class PilotPlanner:
    """``--k auto``: a margin for the target, kept right by a pilot as the run goes on."""

    agent: Microagent
    journal: Journal
    target: float

    async def plan(self, executor: Executor) -> None:
        """Choose the margin and hand it to a pilot."""
        steps = self.agent.task.steps() or UNKNOWN_STEPS
        known = self.journal.get_meta("pilot")
        pilot = self._known(known, steps) if known else await self._new(steps, executor)
        self.agent.set_k(pilot.k)
        executor.pilot = pilot

    def _known(self, text: str, steps: int) -> Pilot:
        """The pilot of an earlier session, which has seen every step since."""
        pilot = Pilot.load(text, self.target, steps)
        if pilot.step is not None:
            rows = self.journal.rows(pilot.step + 1)
            pilot.catch_up((row.step, row.tally) for row, _ in rows)
        return pilot

    async def _new(self, steps: int, executor: Executor) -> Pilot:
        (skill,) = await _measured(self.agent, [self.agent.engines], steps, self.target, executor)
        k = choose_k(skill, steps, self.target)
        pilot = Pilot(self.target, steps, skill.right, skill.valid - skill.right, [(0, k)])
        self.journal.set_meta("pilot", pilot.dump())
        return pilot


@dataclass(frozen=True)
class MixturePlanner:
    """``--vote likelihood``: what each model's votes are worth, and whose turn it is.

    Attributes:
        by_worth: turns go by the evidence that a dollar buys, not by the policy's schedule.
    """

    agent: Microagent
    journal: Journal
    target: float
    by_worth: bool

    async def plan(self, executor: Executor) -> None:
        """Weigh the models' votes."""
        known = self.journal.get_meta("mixture")
        if known is None:
            known = await self._new(executor)
            self.journal.set_meta("mixture", known)
        data = json.loads(known)
        evidence = Evidence(tuple(data["weights"]), data["threshold"])
        policy = replace(self.agent.policy, evidence=evidence, schedule=tuple(data["turns"]))
        self.agent.policy = policy

    async def _new(self, executor: Executor) -> str:
        agent = self.agent
        steps = agent.task.steps() or UNKNOWN_STEPS
        alone = [[engine] for engine in agent.engines]
        skills = await _measured(agent, alone, steps, self.target, executor)
        evidence = weigh(skills, self.target, steps)
        order = agent.policy.schedule
        if self.by_worth:
            order = turns(by_evidence(skills, [engine.price for engine in agent.engines]))
        p = [skill.p.estimate for skill in skills]
        return json.dumps({**evidence._asdict(), "turns": order, "p": p})


async def _measured(
    agent: Microagent,
    voters: Sequence[Sequence[Engine]],
    steps: int,
    target: float,
    executor: Executor,
) -> list[Skill]:
    """The skill of each group of voters; whatever ends the measuring, its cost is charged."""
    count, task, spending = trials_for(steps, target), agent.task, agent.spending
    try:
        return [
            await measure(task, engines, agent.policy, spending, count, check=agent.check)
            for engines in voters
        ]
    finally:
        executor.charge()
